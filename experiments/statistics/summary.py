"""The summary of a run: the JSON of the command-line contract, from the results of replications.

Numbers are means over the replications. Names are k6's, durations are in milliseconds.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.config.reading import Observed
from experiments.statistics.intervals import Interval, ci95, mean, pi95
from experiments.statistics.outcomes import POLL, is_failure
from experiments.statistics.uncertainty import Uncertainty
from experiments.statistics.verdict import Terms, Verdict, verdict_on
from sim.result import RunResult

SCHEMA: Final = 1
_CONFLICT = "409"
_UNAUTHORISED = "401"
_PRINCIPAL = ("count", "rate", "avg", "value")
"""The statistic of a metric that its intervals are about: the first of these that it has. So of a
counter the count, of a rate the rate, of a trend the mean, of a gauge the value."""

Numbers = dict[str, float]
ByEndpoint = dict[str, Numbers]


class ObservedRow(TypedDict):
    """One observed number beside the simulated one; null where nothing was simulated."""

    metric: str
    observed: float
    simulated: float | None
    extrapolated: NotRequired[float | None]
    ci95: Interval
    pi95: Interval
    note: str
    bound: NotRequired[Literal["at_least", "at_most"]]
    """There if a limit was observed, not a number."""


class Failures(TypedDict):
    """Shares of failed requests under three readings, and the business outcomes left out."""

    all: float
    without_409: float
    without_409_and_polls: float
    lost_seat_races: float


class ScaleRow(TypedDict):
    """One quantity at two scales."""

    name: str
    unit: Literal["share", "ms"]
    smaller: float | None
    larger: float | None
    agrees: bool


class ScaleCheck(TypedDict):
    """What two scales of a config tell."""

    smaller: float
    larger: float
    same_outcome: bool
    rows: list[ScaleRow]


class Replication(TypedDict):
    """One replication by itself."""

    replication: int
    seed: int
    digest: str
    ended: str
    simulated_s: float
    metrics: dict[str, Numbers]
    outcomes: ByEndpoint
    errors: ByEndpoint
    exceptions: ByEndpoint
    tables: Numbers
    funnel: Numbers
    invariants: Numbers
    sweeps: list[dict[str, Any]]
    redis_losses: NotRequired[Numbers]
    """How Redis lost keys that nobody deleted; absent in results of older versions."""
    notes: list[str]


class RunSummary(TypedDict):
    """What `ticketsim run --json` prints."""

    schema: Literal[1]
    config: str
    seed: int
    replications: int
    scale: float
    partial: bool
    metrics: dict[str, dict[str, float | Interval]]
    failures: Failures
    tables: Numbers
    outcomes: ByEndpoint
    errors: ByEndpoint
    exceptions: ByEndpoint
    funnel: Numbers
    invariants: Numbers
    observed: NotRequired[dict[str, ObservedRow]]
    extrapolated: NotRequired[dict[str, Numbers]]
    verdict: NotRequired[Verdict]
    """There unless an older version of the program kept the run."""
    scale_check: NotRequired[ScaleCheck]
    """With --check-scale."""
    uncertainty: NotRequired[Uncertainty]
    reproduction: NotRequired[dict[str, Any]]
    """Where something is unknown and something was observed: see
    `experiments.statistics.reproduction.Reproduction`."""
    warnings: list[str]
    digest: str
    wall_seconds: float
    runs: list[Replication]


@dataclasses.dataclass(frozen=True)
class Setup:
    """What was asked for: the parts of a summary that no result knows."""

    config: str
    seed: int
    replications: int
    scale: float
    observed: Mapping[str, Observed]
    warnings: Sequence[str] = ()
    terms: Terms = dataclasses.field(default_factory=Terms)


def summarise(setup: Setup, results: Mapping[int, RunResult], wall_seconds: float) -> RunSummary:
    """Summarise replications.

    Args:
        setup: what was asked for.
        results: replication -> result; at least one. Interrupted ones count only when there is no
            other.
        wall_seconds: how long it took.
    """
    complete = [result for result in results.values() if not result.partial]
    runs = complete or list(results.values())
    summary: RunSummary = {
        "schema": SCHEMA,
        "config": setup.config,
        "seed": setup.seed,
        "replications": len(runs),
        "scale": setup.scale,
        "partial": len(complete) < setup.replications,
        "metrics": _metrics([run.metrics for run in runs]),
        "failures": _failures([run.outcomes for run in runs]),
        "tables": _means([run.tables for run in runs]),
        "outcomes": _means_by_endpoint([run.outcomes for run in runs]),
        "errors": _means_by_endpoint([run.errors for run in runs]),
        "exceptions": _means_by_endpoint([run.exceptions for run in runs]),
        "funnel": _means([run.funnel for run in runs]),
        "invariants": _means([run.invariants for run in runs]),
        "warnings": list(setup.warnings),
        "digest": combined_digest([run.digest for run in runs]),
        "wall_seconds": round(wall_seconds, 3),
        "runs": [replication_of(number, run) for number, run in results.items()],
    }
    if setup.observed:
        summary["observed"] = {
            name: _observed_row(observed, runs, setup.scale)
            for name, observed in setup.observed.items()
        }
        summary["warnings"] += unexplained(summary["observed"])
    if setup.scale < 1:
        summary["extrapolated"] = _extrapolated(summary, setup.scale)
    off = [
        name
        for name, row in summary.get("observed", {}).items()
        if _is_off(row, setup.observed[name].spread)
    ]
    terms = dataclasses.replace(setup.terms, scale=setup.scale)
    summary["verdict"] = verdict_on(runs, terms, off)
    return summary


def combined_digest(digests: Sequence[str]) -> str:
    """The digest of one run is its own; of several, SHA-256 over theirs in order."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _names(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table))


def _means(tables: Sequence[Mapping[str, float]]) -> Numbers:
    return {name: mean([table.get(name, 0) for table in tables]) for name in _names(tables)}


def _means_by_endpoint(tables: Sequence[Mapping[str, Mapping[str, float]]]) -> ByEndpoint:
    return {
        name: _means([table.get(name, {}) for table in tables]) for name in sorted(_names(tables))
    }


def _metrics(
    runs: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float | Interval]]:
    """Metric -> statistic -> mean over the runs that have it, with intervals of the principal."""
    metrics: dict[str, dict[str, float | Interval]] = {}
    for name in sorted(_names(runs)):
        having = [run[name] for run in runs if name in run]
        statistics: dict[str, float | Interval] = {
            statistic: mean([values[statistic] for values in having if statistic in values])
            for statistic in _names(having)
        }
        principal = next((kind for kind in _PRINCIPAL if kind in statistics), None)
        if principal:
            values = [values[principal] for values in having if principal in values]
            statistics |= {"ci95": ci95(values), "pi95": pi95(values)}
        metrics[name] = statistics
    return metrics


def _failures(runs: Sequence[Mapping[str, Mapping[str, int]]]) -> Failures:
    def share(*, conflicts: bool, polls: bool) -> float:
        return mean([_failed_share(run, conflicts=conflicts, polls=polls) for run in runs])

    return {
        "all": share(conflicts=True, polls=True),
        "without_409": share(conflicts=False, polls=True),
        "without_409_and_polls": share(conflicts=False, polls=False),
        "lost_seat_races": mean(
            [sum(counts.get(_CONFLICT, 0) for counts in run.values()) for run in runs]
        ),
    }


def _failed_share(
    outcomes: Mapping[str, Mapping[str, int]], *, conflicts: bool, polls: bool
) -> float:
    failed = requests = 0
    for endpoint, counts in outcomes.items():
        if endpoint == POLL and not polls:
            continue
        for status, count in counts.items():
            requests += count
            if is_failure(status) and (conflicts or status != _CONFLICT):
                failed += count
    return failed / requests if requests else 0.0


def number_at(run: RunResult, path: str) -> float | None:
    """A number of a run by its path in the summary, such as `tables.booking`; None if absent."""
    root, _, rest = path.partition(".")
    if root == "tables":
        return run.tables.get(rest, 0)
    if root == "exception_classes":
        return len(run.exceptions.get(rest, {}))
    if root in _READ:
        return _READ[root](run, rest)
    if root in {"errors", "exceptions", "outcomes"}:
        endpoint, _, name = rest.rpartition(".")
        counts: dict[str, dict[str, int]] = getattr(run, root)
        return counts.get(endpoint, {}).get(name, 0)
    return run.metrics.get(root, {}).get(rest)


def _exception_share(run: RunResult, endpoint: str) -> float | None:
    """Of all exceptions that the service logged, those of one endpoint; None without any."""
    total = sum(sum(counts.values()) for counts in run.exceptions.values())
    return sum(run.exceptions.get(endpoint, {}).values()) / total if total else None


def _refused_tokens(run: RunResult, _statistic: str) -> float | None:
    """Of all requests, those whose access token was refused (401); None without requests."""
    total = sum(sum(counts.values()) for counts in run.outcomes.values())
    refused = sum(
        counts.get(_UNAUTHORISED, 0) for label, counts in run.outcomes.items() if label != POLL
    )
    return refused / total if total else None


def _tokens_vanished(run: RunResult, _statistic: str) -> float:
    """1 if Redis ever lost members of the queue: to a sweep, to eviction, or all at once."""
    swept = any(
        sweep.passed_after + sweep.waiting_after < sweep.passed_before + sweep.waiting_before
        for sweep in run.sweeps
    )
    return float(swept or any(run.redis_losses.values()))


_READ: Final[Mapping[str, Callable[[RunResult, str], float | None]]] = {
    "exception_share": _exception_share,
    "refused_tokens": _refused_tokens,
    "tokens_vanished": _tokens_vanished,
}


def is_count(path: str) -> bool:
    """Whether the number at a path grows with the number of users."""
    root, _, rest = path.partition(".")
    return root in {"tables", "errors", "exceptions", "outcomes"} or rest in {
        "count",
        "passes",
        "fails",
    }


def unexplained(rows: Mapping[str, ObservedRow]) -> list[str]:
    """What these guesses of the unknowns do not show, in words."""
    remarks = []
    for name, row in rows.items():
        found = row["simulated"]
        if row["metric"].startswith("exception_classes.") and (found or 0) < row["observed"]:
            remarks.append(
                f"{name}: {row['observed']:g} exception classes were observed, this run shows "
                f"{found or 0:g}: its guesses of the unknowns do not give all of them at once"
            )
    return remarks


def _is_off(row: ObservedRow, spread: float | None) -> bool:
    """Whether runs do not show what was observed.

    The number lies outside the interval of one further run, and further off than the spread that
    its observation states. Without interval and spread only a missing number is off.
    """
    found, wanted = row.get("extrapolated", row["simulated"]), row["observed"]
    if found is None:
        return True
    bound = row.get("bound", "equal")
    if (bound == "at_least" and found >= wanted) or (bound == "at_most" and found <= wanted):
        return False
    if row["pi95"] is None and spread is None:
        return False
    share = row["metric"].endswith(".rate") or row["metric"].startswith("exception_")
    allowed = (spread or 0.0) * (1.0 if share else abs(wanted))
    if abs(found - wanted) <= allowed:
        return False
    if row["pi95"] is None or row["simulated"] is None:
        return True
    factor = found / row["simulated"] if row["simulated"] else 1.0
    low, high = (end * factor for end in row["pi95"])
    return not low <= wanted <= high


def _observed_row(observed: Observed, runs: Sequence[RunResult], scale: float) -> ObservedRow:
    found = [number_at(run, observed.metric) for run in runs]
    values = [value for value in found if value is not None]
    row: ObservedRow = {
        "metric": observed.metric,
        "observed": observed.value,
        "simulated": mean(values) if values else None,
        "ci95": ci95(values),
        "pi95": pi95(values),
        "note": observed.note,
    }
    if observed.bound != "equal":
        row["bound"] = observed.bound
    if scale < 1:
        count = is_count(observed.metric)
        row["extrapolated"] = mean(values) / scale if values and count else row["simulated"]
    return row


def _extrapolated(summary: RunSummary, scale: float) -> dict[str, Numbers]:
    """Counts divided by the scale."""
    counts = {
        f"{name}.{statistic}": value / scale
        for name, statistics in summary["metrics"].items()
        for statistic, value in statistics.items()
        if isinstance(value, int | float) and is_count(f"{name}.{statistic}")
    }
    tables = {name: value / scale for name, value in summary["tables"].items()}
    funnel = {name: value / scale for name, value in summary["funnel"].items()}
    return {"metrics": counts, "tables": tables, "funnel": funnel}


def replication_of(number: int, run: RunResult) -> Replication:
    """One replication by itself, as plain values."""
    return {
        "replication": number,
        "seed": run.seed,
        "digest": run.digest,
        "ended": run.ended,
        "simulated_s": run.simulated_s,
        "metrics": run.metrics,
        "outcomes": _floats(run.outcomes),
        "errors": _floats(run.errors),
        "exceptions": _floats(run.exceptions),
        "tables": dict(run.tables),
        "funnel": dict(run.funnel),
        "invariants": dict(run.invariants),
        "sweeps": [dataclasses.asdict(sweep) for sweep in run.sweeps],
        "redis_losses": dict(run.redis_losses),
        "notes": list(run.notes),
    }


def _floats(counts: Mapping[str, Mapping[str, int]]) -> ByEndpoint:
    return {endpoint: dict(by_name) for endpoint, by_name in counts.items()}
