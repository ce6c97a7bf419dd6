"""What a search that found nothing could not have found, as its runs never came near it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from experiments.statistics.outcomes import is_failure
from experiments.statistics.steps import REFUSALS, counts_of
from experiments.studies.fuzz.trial import users_of
from sim.result import RunResult
from sim.world import World

_OF_EVERY_APPLICATION: Final = frozenset(
    {"transactions_left_open", "failures_unaccounted", "time_reversals", "overtaken"}
)
_FEWEST_AT_ONCE: Final = 2


def not_exercised(world: World, runs: Sequence[RunResult]) -> list[str]:
    """Remarks on runs of a search that broke nothing; none where there is nothing to say.

    Args:
        world: the world that the search varied.
        runs: every try; none where the search was stopped before the first was over, of which
            nothing can be said.
    """
    if not runs:
        return []
    return [*_without_invariants(world, runs), *_alone(world, runs), *_never_scarce(world, runs)]


def _without_invariants(world: World, runs: Sequence[RunResult]) -> Iterator[str]:
    own = {name for run in runs for name in run.invariants} - _OF_EVERY_APPLICATION
    if world.app.path and not own:
        what = f"{world.app.invariants} returned none" if world.app.invariants else "it is not set"
        yield (
            f"the application has no invariant of its own (app.invariants: {what}), so nothing "
            "was looked for but transactions left open. Return what must be 0, such as "
            '{"oversold": rows.count("SELECT ...")}'
        )


def _alone(world: World, runs: Sequence[RunResult]) -> Iterator[str]:
    measured = [run.most_at_once for run in runs if run.most_at_once is not None]
    if measured and max(measured) < _FEWEST_AT_ONCE:
        yield (
            "no two requests were ever worked on at the same time, so no race could happen. Let "
            f"people come closer together (customer.script), or more of them ({_users(world)})"
        )


def _never_scarce(world: World, runs: Sequence[RunResult]) -> Iterator[str]:
    answers = _answers(runs)
    if answers and all(is_failure(status) for status in answers):
        yield (
            f"every request failed ({_told(answers)}), so nothing was sold. Look at one run: "
            "ticketsim run --verbose"
        )
        return
    refused = sum(counts_of(run, list(run.outcomes))[1] for run in runs)
    lowest = _lowest(runs)
    ran_out = any(value <= 0 for value in lowest.values())
    stock = ", ".join(f"{name} {value:,}" for name, value in lowest.items())
    if ran_out or (refused and not lowest):
        return
    if refused:
        yield (
            f"what the service counts down never ran out (lowest: {stock}), so more could not be "
            f"sold than there was. {_scarcer(world)}"
        )
        return
    counted = f", and what the service counts down never ran out (lowest: {stock})" if stock else ""
    *most, last = sorted(REFUSALS)
    yield (
        f"nobody was ever refused: no answer {', '.join(most)} or {last} ({_told(answers)})"
        f"{counted}. Where there is enough for all, more cannot be sold than there is. "
        f"{_scarcer(world)}"
    )


def _answers(runs: Sequence[RunResult]) -> Counter[str]:
    answers: Counter[str] = Counter()
    for run in runs:
        for statuses in run.outcomes.values():
            answers.update(statuses)
    return answers


def _told(answers: Counter[str]) -> str:
    told = (f"{status} {count:,}" for status, count in answers.most_common())
    return f"answers: {', '.join(told)}" if answers else "there were no answers"


def _lowest(runs: Sequence[RunResult]) -> dict[str, int]:
    lowest: dict[str, int] = {}
    for run in runs:
        for name, value in run.lowest.items():
            lowest[name] = min(value, lowest.get(name, value))
    return dict(sorted(lowest.items()))


def _scarcer(world: World) -> str:
    if not world.app.path:
        return f"Set fewer catalogue.seats, or more {_users(world)}"
    where = f"in {world.app.prepare}" if world.app.prepare else "before the run"
    return (
        f"Put less on sale (--set 'app.env.NAME=\"2\"' where the service reads it there, or fewer "
        f"rows {where}), or let more people come ({_users(world)})"
    )


def _users(world: World) -> str:
    users = users_of(world)
    return f"load.vus, {users:,} now" if users > 1 else "load"
