"""The program from start to end: (a) the incident, (g) two workers, (h) start-up."""

import tempfile
from pathlib import Path
from statistics import median

import pytest

from tests.benchmarks.programs import JUDGED, PROGRAMS
from tests.support.dask_cluster import dask_cluster

# Much smaller, and nearly all requests time out: another mix than at full size.
SMALL_SCALE = 0.3
ROUNDS = 3
STARTS = 10


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def bench_incident(benchmark, board, full_size, program):
    """`ticketsim run incident-as-planned`, from start to end."""
    scale = 1.0 if full_size else SMALL_SCALE
    costs = []

    def work():
        costs.append(
            program.ticketsim("run", "incident-as-planned", "--scale", scale, "--json", "--quiet")
        )

    benchmark.pedantic(work, rounds=1 if full_size else ROUNDS)
    best = min(costs, key=lambda cost: cost.cpu_s)
    requests = best.answer["metrics"]["http_reqs"]["count"]
    board.at_most(
        "a",
        f"incident at scale {scale:g}, processor seconds per million requests, {program}",
        best.cpu_s / requests * 1e6,
        40,
        "s",
        judged=program.judged,
        against=f"{requests:,} requests, {best.cpu_s:.1f} s with start-up",
        noise=median(cost.cpu_s for cost in costs) / best.cpu_s - 1.0 if costs[1:] else None,
    )
    board.at_most(
        "e",
        f"incident at scale {scale:g}, peak memory, {program}",
        best.peak_mb,
        700,
        "MB",
        judged=full_size and program.judged,
    )


def one_and_two(benchmark, take):
    """The wall time of `take` with one worker and with two, its best round each, and the noise."""
    wall_s = {1: [], 2: []}

    def work():
        for workers, taken_s in wall_s.items():
            taken_s.append(take(workers).wall_s)

    benchmark.pedantic(work, rounds=ROUNDS)
    one_s, two_s = min(wall_s[1]), min(wall_s[2])
    return one_s, two_s, median(wall_s[2]) / two_s - 1.0


def bench_two_workers(benchmark, board):
    """Four replications, one after the other and on two workers."""

    def take(workers):
        with tempfile.TemporaryDirectory() as folder:
            return JUDGED.ticketsim(
                *("run", "incident-as-planned", "--scale", SMALL_SCALE, "--replications", 4),
                *("--workers", workers, "--out", Path(folder) / "runs", "--quiet"),
            )

    one_s, two_s, noise = one_and_two(benchmark, take)
    board.at_least(
        "g",
        f"speed-up of 4 replications at scale {SMALL_SCALE:g} on 2 workers, wall time, {JUDGED}",
        one_s / two_s,
        1.8,
        "times",
        against=f"{one_s:.1f} s, {two_s:.1f} s",
        noise=noise,
    )


def bench_cluster(benchmark, board, full_size):
    """Four replications on a Dask cluster of this machine with one worker, and with two."""
    scale = SMALL_SCALE if full_size else SMALL_SCALE / 3

    def take(workers):
        with dask_cluster([JUDGED.bin / "python", "-P"], workers) as (address, _):
            return JUDGED.ticketsim(
                *("run", "incident-as-planned", "--scale", scale, "--replications", 4),
                *("--cluster", address, "--json", "--quiet"),
            )

    one_s, two_s, noise = one_and_two(benchmark, take)
    board.at_least(
        "g",
        f"throughput per worker, 2 Dask workers against 1, 4 replications at scale {scale:g}",
        one_s / two_s / 2,
        0.9,
        "times",
        against=f"{one_s:.1f} s, {two_s:.1f} s",
        noise=noise,
    )


def bench_start_up(benchmark, board):
    """`ticketsim -h`."""
    wall_ms = []
    benchmark.pedantic(lambda: wall_ms.append(JUDGED.ticketsim("-h").wall_s * 1e3), rounds=STARTS)
    board.at_most(
        "h",
        f"start-up of ticketsim -h, wall time, {JUDGED}",
        min(wall_ms),
        150,
        "ms",
        noise=median(wall_ms) / min(wall_ms) - 1.0,
    )
