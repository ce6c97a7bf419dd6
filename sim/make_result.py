"""Makes the result of a run from its parts, when the run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.schema import booking, outbox, seat, token_history
from sim.database import SimulatedDatabase
from sim.kernel.errors import FailingScriptError
from sim.measure.funnel import Step
from sim.measure.watched import THRESHOLD_CROSSED, with_scenario
from sim.result import FAILED, INVARIANT_BROKEN, REDIS_KILLED, SETS_EVICTED, RunResult

if TYPE_CHECKING:
    from sim.result import Counts
    from sim.wiring import Parts


def make_result(parts: Parts) -> RunResult:
    """Read everything that was counted and what the tables and Redis hold now."""
    log, database = parts.log, parts.server.database
    failing = parts.loads.failing_script
    if failing:
        parts.end.failed(FailingScriptError(failing))
    measured_s = max(parts.load_ended_s - parts.site.start_s, 1e-9)
    log.spun_iterations, log.spun_s = parts.generator.spun()
    metrics = _metrics(parts, measured_s)
    parts.funnel.reach(max(1, parts.executor.allocated_vus), Step.NEVER_ARRIVED)
    # The user's own function may end the run here.
    invariants = _invariants(parts)
    return RunResult(
        seed=parts.seed,
        digest=log.digest(database.final_text(), parts.redis.final_keys()),
        simulated_s=measured_s,
        ended=parts.end.reason,
        failure=parts.end.failure,
        metrics=metrics,
        outcomes=log.outcomes(),
        errors=log.errors(),
        exceptions={
            label: dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
            for label, counts in sorted(parts.server.charges.exceptions.items())
        },
        tables=_tables(database),
        funnel=parts.funnel.counts(),
        invariants=invariants,
        sweeps=parts.cleanups.until(measured_s),
        redis_losses={
            SETS_EVICTED: parts.events.sets_lost,
            REDIS_KILLED: parts.events.redis_kills,
        },
        notes=_notes(parts),
        scenarios={name: log.outcomes() for name, log in parts.loads.logs.items()},
        consulted=parts.policy_reads.names,
        series=parts.series.columns(),
        lowest=parts.watch.lowest,
        most_at_once=parts.watch.most_at_once,
    )


def _metrics(parts: Parts, measured_s: float) -> dict[str, dict[str, float]]:
    metrics = parts.log.metrics(measured_s) | other_metrics(parts, measured_s)
    for scenario, log in parts.loads.logs.items():
        for name, statistics in log.metrics(measured_s).items():
            metrics[with_scenario(name, scenario)] = statistics
    return metrics


def other_metrics(parts: Parts, measured_s: float) -> dict[str, dict[str, float]]:
    """Return the metrics so far that are of no requests: of the waiting room, of iterations."""
    executor = parts.executor
    interrupted = executor.interrupted_iterations
    if parts.end.reason == THRESHOLD_CROSSED:
        interrupted += executor.active_vus
    metrics = parts.room.metrics(measured_s)
    metrics["vus_max"] = {"value": executor.allocated_vus}
    metrics["interrupted_iterations"] = {"count": interrupted}
    metrics |= parts.site.pauses.metrics()
    metrics["script_errors"] = {"count": parts.loads.script_errors}
    for scenario, count in parts.loads.dropped_iterations().items():
        name = "dropped_iterations"
        name = name if scenario is None else with_scenario(name, scenario)
        metrics[name] = {"count": count, "rate": count / measured_s}
    return metrics


def _invariants(parts: Parts) -> Counts:
    """Violations at the end; of an inspected run also those that ended it."""
    counts = parts.watch.violations(parts.funnel, parts.log, _leaked_connections(parts))
    return counts if parts.inspection is None else parts.inspection.counts(counts)


def _leaked_connections(parts: Parts) -> int:
    """Connections that are out although nothing is under way that could give them back."""
    server = parts.server
    if server.busy or parts.end.reason in {INVARIANT_BROKEN, FAILED}:
        return 0
    return server.borrowed - len(server.database.open)


def _notes(parts: Parts) -> list[str]:
    """Remarks: script errors, what happened to the programs, what an inspection saw."""
    loads = parts.loads
    script = []
    if loads.script_errors:
        script.append(
            f"{loads.script_errors:,} iterations ended in a script error, the first: "
            f"{loads.first_script_error}"
        )
    inspected = [] if parts.inspection is None else parts.inspection.story()
    failed = [f"the run ended with an error: {parts.end.failure}"] if parts.end.failure else []
    crossed = [note for note in (parts.crossed, parts.end.note) if note]
    events = parts.events.notes(parts.redis)
    return [*failed, *crossed, *script, *events, *parts.remarks(), *inspected]


def _tables(database: Any) -> Counts:
    """Rows per table, and per status where a table of the ticket service has one."""
    counts: Counts = database.rows_per_table()
    if not isinstance(database, SimulatedDatabase):
        return counts
    for column in (token_history.c.type, booking.c.status, outbox.c.status):
        for value, rows in database.counts_by(column).items():
            counts[f"{column.table.name}:{value}"] = rows
    booked = database.counts_by(booking.c.seat_id)
    counts["booked_seats"] = sum(1 for rows in booked.values() if rows)
    counts["seat:occupied"] = database.counts_by(seat.c.is_occupied).get(1, 0)
    return counts
