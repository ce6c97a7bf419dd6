"""How often `ticketsim gate --baseline` passes, fails and stays undecided, by simulation.

`python -m tools.operating_curve` prints a table for docs/how-to/gate-in-ci.md. The p95 of a run is
lognormal with a deviation of `DEVIATION`, and independent in both runs of a pair: pairs of a
real change share their random numbers and do better. The whole procedure of the gate is run, its
stopping rule included, with a baseline of as many runs as the gate may make.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np

from experiments.statistics.stopping import looks
from experiments.statistics.thresholds import criteria
from experiments.studies.gate.decision import judge, overall
from sim.result import RunResult

RATIOS: Final = (1.0, 1.2, 1.5, 2.0, 4.0)
REPLICATIONS: Final = (3, 6, 12, 24)
EXPERIMENTS: Final = 2_000
DEVIATION: Final = 0.1
_MEDIAN_MS: Final = 200.0


def shares(ratio: float, most: int) -> tuple[float, float, float]:
    """(pass, fail, undecided) as shares of gates with at most so many replications."""
    parsed = criteria({"http_req_duration": ["p(95)<1e9"]}, "curve")
    found = {"pass": 0, "fail": 0, "inconclusive": 0}
    for seed in range(EXPERIMENTS):
        rng = np.random.default_rng((seed, most, round(10 * ratio)))
        noise = np.exp(DEVIATION * rng.standard_normal((2, most)))
        stored = {n: _run(n, _MEDIAN_MS * noise[0, n]) for n in range(most)}
        made = [_run(n, _MEDIAN_MS * ratio * noise[1, n]) for n in range(most)]

        def runs(number: int, made: list[RunResult] = made) -> list[RunResult]:
            return list(itertools.islice(made, number))

        found[overall(judge(parsed, looks(3, most), runs, stored))] += 1
    return tuple(count / EXPERIMENTS for count in found.values())  # type: ignore[return-value]


def _run(seed: int, p95_ms: float) -> RunResult:
    return RunResult(
        seed=seed,
        digest="",
        simulated_s=1.0,
        ended="completed",
        metrics={"http_req_duration": {"p(95)": float(p95_ms)}},
        outcomes={},
        errors={},
        exceptions={},
        tables={},
        funnel={},
        invariants={},
        sweeps=[],
        notes=[],
    )


def main() -> None:
    """Print the table."""
    print("| true ratio | " + " | ".join(f"{most} replications" for most in REPLICATIONS) + " |")
    print("| --- |" + " --- |" * len(REPLICATIONS))
    for ratio in RATIOS:
        cells = [
            " / ".join(f"{100 * share:.1f}" for share in shares(ratio, most))
            for most in REPLICATIONS
        ]
        print(f"| {ratio:g} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
