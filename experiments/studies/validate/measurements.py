"""The measurements of the real system, read into plain records. Their README says what they are."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

FITTED_RUNS: Final = (
    "C_cap20000_1000",
    "C_cap20000_1000_r2",
    "C_cap20000_1000_r3",
    "C_cap50_1000",
    "C_cap50_1000_r2",
    "D_cap50_fix12",
    "D_cap50_sweep",
)
"""The measured runs that costs are fitted to; the others were given later, and only judge."""

WINDOW_S = 10
# From the borrows of the runs that logged their refused checks (618, 97, 114): the generations
# took the first 6 s.
_GENERATIONS_S = 6


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float:
    return float(text) if text else 0.0


@dataclass(frozen=True)
class ServiceTime:
    """One row of `service_times.csv`; times in milliseconds, counts per request."""

    hot: bool
    case: str
    requests: int
    warm_up: int
    status: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    cv: float
    body_bytes: float
    jvm_ms: float
    database_ms: float
    redis_ms: float
    round_trips: float
    reads: float
    writes: float
    redis_commands: float
    borrows: float
    hold_ms: float
    """Connection time per request: borrows times the mean hold."""

    @property
    def cpu_ms(self) -> float:
        """CPU of all three processes."""
        return self.jvm_ms + self.database_ms + self.redis_ms

    @property
    def name(self) -> str:
        """State and case, unique."""
        return f"{'hot' if self.hot else 'warm500'} {self.case}"

    @property
    def path(self) -> str:
        """The case without its remark."""
        return self.case.split("(")[0]

    @property
    def seats(self) -> int:
        """Seats listed in the answer."""
        return int(self.path.removeprefix("seats_")) if self.path.startswith("seats_") else 0


@dataclass(frozen=True)
class Level:
    """One row of `saturation.csv`: `requests` at `rate` per second from `clients` clients."""

    endpoint: str
    clients: int
    requests: int
    rate: float
    jvm_cores: float
    database_cores: float


@dataclass(frozen=True)
class Window:
    """Ten seconds of wall-clock time (fewer at the ends) of a run; CPU in milliseconds.

    `start_s` counts from the start of the load and is negative in the first window, which starts
    at the last multiple of ten seconds before it.
    """

    run: str
    start_s: int
    sampled_s: int
    requests: Counter[tuple[str, str]] = field(repr=False)
    before: Counter[tuple[str, str]] = field(repr=False)
    """Requests of the run before this window, by endpoint and status."""
    jvm_ms: float
    database_ms: float
    redis_ms: float
    k6_ms: float


@dataclass(frozen=True)
class Prelude:
    """What the service did before a run's load: generations first, then trios of other requests.

    A trio is a check with `undefined`, one of dates and a seat list. Numbers of both follow from
    the borrows (3 and 6 each); the runs that logged them agree with the refused checks logged.
    """

    run: str
    generations: float
    trios: float
    generations_ms: float
    trios_ms: float
    """JVM CPU of each part."""


@dataclass(frozen=True)
class Run:
    """One run folder."""

    path: Path

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.path.name

    @cached_property
    def meta(self) -> dict[str, str]:
        """Parameters of the run, as text."""
        with (self.path / "meta.csv").open(encoding="utf-8", newline="") as file:
            return {row[0]: row[1] for row in csv.reader(file)}

    @cached_property
    def metrics(self) -> dict[str, dict[str, float]]:
        """The metrics of k6's summary."""
        text = (self.path / "k6_summary.json").read_text(encoding="utf-8")
        metrics: dict[str, dict[str, float]] = json.loads(text)["metrics"]
        return metrics

    @cached_property
    def totals(self) -> dict[str, Any]:
        """Requests per endpoint and status, with latencies."""
        totals: dict[str, Any] = json.loads((self.path / "totals.json").read_text("utf-8"))
        return totals

    @cached_property
    def samples(self) -> list[dict[str, float]]:
        """The samples of each second; the last rows' k6 CPU is not a difference and set to 0."""
        rows = [
            {k: _number(v) for k, v in row.items()} for row in _rows(self.path / "samples1s.csv")
        ]
        for row in rows:
            row["k6_cpu_ms"] = max(0.0, row["k6_cpu_ms"])
        return rows

    @cached_property
    def jvm(self) -> list[dict[str, float]]:
        """The samples of the JVM, every two seconds, cumulative."""
        return [{k: _number(v) for k, v in row.items()} for row in _rows(self.path / "jvm2s.csv")]

    @property
    def k6_start(self) -> int:
        """Second of the wall clock at which the load started."""
        return int(self.meta["t_k6_start"])

    @property
    def k6_end(self) -> int:
        """Second of the wall clock at which the load ended."""
        return int(self.meta["t_k6_end"])

    @cached_property
    def prelude(self) -> Prelude:
        """The warm-up before the load."""
        start = self.jvm[0]["ts"]
        before = [s for s in self.jvm if s["ts"] < self.k6_start]
        first = [s for s in before if s["ts"] <= start + _GENERATIONS_S][-1]
        generations = (first["hk_acq"] - before[0]["hk_acq"]) / 3.0
        # The CPU counter of the last sample before the load includes a few idle seconds.
        last = next(s for s in before if s["hk_acq"] >= before[-1]["hk_acq"] - 1.0)
        return Prelude(
            self.name,
            generations,
            (last["hk_acq"] - first["hk_acq"]) / 6.0,
            (first["cpu_ns"] - before[0]["cpu_ns"]) * 1e-6,
            (last["cpu_ns"] - first["cpu_ns"]) * 1e-6,
        )

    def exceptions(self, name: str, begin_s: float, end_s: float) -> float:
        """Logged exceptions of a class between two times of the load.

        They are counted every ten seconds, and taken as evenly spread in between.
        """
        total = 0.0
        for row in _rows(self.path / "server_exceptions10s.csv"):
            if row["exception"].rsplit(".", maxsplit=1)[-1] != name:
                continue
            since_epoch = "ts" in row
            time_s = float(row["ts"]) - self.k6_start if since_epoch else float(row["t_rel_s"])
            inside_s = min(end_s, time_s) - max(begin_s, time_s - WINDOW_S)
            count = float(row["count_in_interval" if since_epoch else "count"])
            total += count * max(0.0, inside_s) / WINDOW_S
        return total

    def hold_ms(self, begin_s: float, end_s: float) -> float:
        """Mean time that a connection was held per borrow, between two times of the load."""
        inside = [s for s in self.jvm if begin_s <= s["ts"] - self.k6_start <= end_s]
        first, last = inside[0], inside[-1]
        return (last["hk_use_ms"] - first["hk_use_ms"]) / (last["hk_acq"] - first["hk_acq"])

    def windows(self) -> list[Window]:
        """The whole windows of the time line, with the CPU used in them."""
        counts: defaultdict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
        for row in _rows(self.path / "timeline10s.csv"):
            counts[int(row["t10s"])][row["endpoint"], row["status"]] += int(row["count"])
        first = self.k6_start // WINDOW_S * WINDOW_S
        before: Counter[tuple[str, str]] = Counter()
        windows = []
        for offset in sorted(counts):
            begin, end = first + offset, first + offset + WINDOW_S
            if end <= self.k6_end:
                inside = [s for s in self.samples if begin < s["ts"] <= end]
                cpu = (sum(s[f"{p}_cpu_ms"] for s in inside) for p in ("jvm", "db", "redis", "k6"))
                start_s = begin - self.k6_start
                windows.append(
                    Window(self.name, start_s, len(inside), counts[offset], before.copy(), *cpu)
                )
            before.update(counts[offset])
        return windows


@dataclass(frozen=True)
class Measurements:
    """Everything in one measurement folder, except for what one whole run says."""

    folder: Path
    without: str = ""
    """A whole run that is left out of `runs`."""

    @cached_property
    def service_times(self) -> list[ServiceTime]:
        """Single-client rows, in the order in which they were measured."""
        return [_service_time(row) for row in _rows(self.folder / "service_times.csv")]

    @cached_property
    def saturation(self) -> list[Level]:
        """Closed-loop levels, in the order in which they were measured."""
        return [
            Level(
                row["endpoint"],
                int(row["c"]),
                int(row["n"]),
                float(row["thru_rps"]),
                float(row["jvm_cores"]),
                float(row["db_cores"]),
            )
            for row in _rows(self.folder / "saturation.csv")
        ]

    @cached_property
    def runs(self) -> list[Run]:
        """The whole runs that costs are fitted to, by name."""
        return [Run(self.folder / "runs" / name) for name in FITTED_RUNS if name != self.without]

    @cached_property
    def generator_cpu(self) -> dict[str, float]:
        """What a processor profile of k6 and short runs of it say, by name."""
        return {
            row["what"]: float(row["value"]) for row in _rows(self.folder / "generator_cpu.csv")
        }

    @cached_property
    def generator_memory(self) -> list[dict[str, str]]:
        """Peak resident memory of k6 per run."""
        return _rows(self.folder / "generator_memory.csv")

    def raw(self, name: str) -> list[tuple[str, str, float]]:
        """(metric, request name, value) of each row of a raw k6 file; times in milliseconds."""
        return [
            (row["metric_name"], row["name"], float(row["metric_value"])) for row in self._k6(name)
        ]

    def requests(self, name: str) -> list[tuple[int, str, str, float]]:
        """(second, request name, status, duration in ms) of each request of a raw k6 file."""
        return [
            (int(row["timestamp"]), row["name"], row["status"], float(row["metric_value"]))
            for row in self._k6(name)
            if row["metric_name"] == "http_req_duration"
        ]

    def _k6(self, name: str) -> list[dict[str, str]]:
        with gzip.open(self.folder / name, "rt", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def _service_time(row: dict[str, str]) -> ServiceTime:
    commands = (word.split(":")[1] for word in row["redis"].split())
    borrows = _number(row["hikari_acq"])
    return ServiceTime(
        hot=row["jit_state"] == "hot",
        case=row["case"],
        requests=int(row["N"]),
        warm_up=int(row["warmup"]),
        status=int(row["status"]),
        mean_ms=float(row["mean_ms"]),
        p50_ms=float(row["p50_ms"]),
        p95_ms=float(row["p95_ms"]),
        cv=float(row["cv"]),
        body_bytes=_number(row["resp_bytes"]),
        jvm_ms=float(row["jvm_cpu_ms"]),
        database_ms=float(row["db_cpu_ms"]),
        redis_ms=float(row["redis_cpu_ms"]),
        round_trips=float(row["sql_roundtrips"]),
        reads=_number(row["select"]),
        writes=_number(row["insert"]) + _number(row["update"]),
        redis_commands=sum(float(count) for count in commands),
        borrows=borrows,
        hold_ms=borrows * _number(row["hikari_hold_ms_per_acq"]),
    )
