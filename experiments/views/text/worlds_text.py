"""The summary of a run over worlds, held beside what was observed: the verdict first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from experiments.statistics.quantities import QUANTITIES
from experiments.statistics.reproduction import FEWEST
from experiments.statistics.summary import RunSummary, unexplained
from experiments.statistics.uncertainty import in_words
from experiments.views.text.run_text import LIMITS, number, scale_suffix, shown_as, words, wrapped
from experiments.views.text.verdict_text import WORDS

_WORDS: Final[Mapping[str, str]] = {
    "NotAdmittedError": "the token was valid and no longer in Redis",
    "NotValidTokenError": "the token was refused",
    "MalformedTokenError": "the load script had kept an error for a token",
    "TokenExistsError": "the user was locked out: the history still held a token that was gone",
    "PoolTimeoutError": "no database connection came free in 30 s",
    "DialTimeout": "no connection to the service came about in 30 s",
    "RequestTimeout": "no answer came in 60 s",
    "SeatTakenError": "somebody else had the seat: everybody takes the first free one",
    "SeatLockedError": "somebody else was booking the seat: everybody takes the first free one",
    "NullDereferenceError": "the check of a waiting token always fails",
    "TypeMismatchError": "the load script paid for a booking that it did not have",
    "RequestCancelled": "the load was stopped meanwhile",
    "ExpiredTokenError": "the token had expired",
    "PortsExhausted": "the load generator had no local port left",
}
_MARKS: Final = {True: "reproduced", False: "NOT REPRODUCED", None: "not told at this scale"}
_AT_SCALE: Final = {**_MARKS, True: "within, at this scale"}
_MOST_FIXES: Final = 3
_WORTH_TELLING: Final = 0.01
"""Share of the failed requests below which a cause is left out."""


def render(summary: RunSummary, width: int) -> str:
    """The page of a run whose worlds are held beside what was observed.

    Means over worlds that differ say little: what the worlds have in common is the result. Lines
    are at most `width` long.
    """
    found = summary["reproduction"]
    parts = [
        _verdict(summary, found, width),
        _table(found, _MARKS if summary["scale"] >= 1 else _AT_SCALE),
        ["what happened", *_happened(found, width)],
        ["what would help", *_helps(found, width)],
        ["how sure that is", *_sure(summary, width)],
        [f"digest {summary['digest'][:16]}   wall time {summary['wall_seconds']:.1f} s"],
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _verdict(summary: RunSummary, found: Mapping[str, Any], width: int) -> Iterator[str]:
    rows = found["rows"]
    told = {name: row for name, row in rows.items() if row["reproduced"] is not None}
    missed = [name for name, row in told.items() if not row["reproduced"]]
    scale = scale_suffix(summary["scale"])
    said = f": the on-sale {WORDS[summary['verdict']['outcome']]}" if "verdict" in summary else ""
    yield f"{summary['config']}{said} ({found['worlds']} worlds, seed {summary['seed']}{scale})"
    if summary["partial"]:
        yield "PARTIAL: interrupted; this is what was measured so far"
    count = (
        f"{len(told) - len(missed)} of {len(rows)} observations, each by itself, lie within 95 % "
        "of the worlds."
    )
    if summary["scale"] < 1:
        line = f"AT SCALE {summary['scale']:g}, WHICH SHOWS LITTLE OF THE INCIDENT: {count}"
    else:
        line = f"REPRODUCED: {count}"
    if missed:
        line += f" NOT REPRODUCED: {', '.join(missed)}."
    if len(told) < len(rows):
        names = ", ".join(name for name in rows if name not in told)
        line += f" NOT TOLD AT THIS SCALE, as fewer than {FEWEST} events are expected: {names}."
    if summary["scale"] < 1:
        line += (
            " The other counts are extrapolated; whether full size gives the same is not known: "
            "run without --scale."
        )
    yield from wrapped("", words(line), width, " ")


def _table(found: Mapping[str, Any], marks: Mapping[bool | None, str]) -> Iterator[str]:
    rows = found["rows"]
    longest = max(map(len, rows))
    share = "95 % of worlds" if found["worlds"] > 38 else "all worlds"  # noqa: PLR2004 (by rank)
    yield f"{'':<{longest}}{'observed':>12}{'median':>12}  {share:<24}"
    for name, row in rows.items():
        show = shown_as(row["metric"])
        observed = LIMITS[None if row["bound"] == "equal" else row["bound"]] + show(row["observed"])
        between = "-" if row["low"] is None else f"{show(row['low'])} to {show(row['high'])}"
        mark = marks[row["reproduced"]]
        yield f"{name:<{longest}}{observed:>12}{show(row['median']):>12}  {between:<24}{mark}"


def _happened(found: Mapping[str, Any], width: int) -> Iterator[str]:
    """Three sentences, from what the worlds have in common."""
    facts = found["happened"]
    people, requests = _range(facts["people"]), _range(facts["requests"])
    sentences = [f"At most {people} people were at work at a time and made {requests} requests."]
    causes = [
        f"{cause['share']:.0%} at {cause['endpoint']}, as {_words(cause['error'])}"
        for cause in facts["causes"][:3]
        if cause["share"] >= _WORTH_TELLING
    ]
    if causes:
        sentences.append(f"Of the failed requests the median world has {'; '.join(causes)}.")
    sentences.append(
        f"The service's own cleanup, which ran {_range(facts['cleanups'])} times, deleted "
        f"{_range(facts['tokens_deleted'])} tokens from Redis (in {facts['deleting_worlds']:.0%} "
        "of the worlds it deleted some; in "
        f"{facts['memory_worlds']:.0%} memory took tokens and the cleanup none)."
    )
    for sentence in sentences:
        yield from wrapped("  ", sentence.split(), width, " ")


def _range(middle: tuple[float, float, float]) -> str:
    median, low, high = middle
    if low == high:
        return number(round(median))
    return f"{number(round(median))} ({number(round(low))} to {number(round(high))})"


def _words(error: str) -> str:
    return _WORDS.get(error, error)


def _helps(found: Mapping[str, Any], width: int) -> Iterator[str]:
    fixes = found.get("fixes", [])
    if not fixes:
        line = "Not on record for these worlds: ticketsim compare incident --replications 10"
        yield from wrapped("  ", line.split(), width, " ")
        return
    choices = [one for one in fixes if not one["stopgap"]]
    for one in _few(choices):
        start = f"  - for {one['cost']:g} days of work: "
        yield from wrapped(start, _fix(one).split(), width, " ")
    for one in (one for one in fixes if one["stopgap"]):
        yield from wrapped("  - stopgap: ", _fix(one).split(), width, " ")
    line = "(as recorded by `ticketsim compare incident` over these worlds; docs/fixes.md)"
    yield from wrapped("  ", line.split(), width, " ")


def _few(choices: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The cheapest choice, one in the middle, and the best."""
    if len(choices) <= _MOST_FIXES:
        return list(choices)
    return [choices[0], choices[len(choices) // 2], choices[-1]]


def _fix(one: Mapping[str, Any]) -> str:
    low, high = one["bookings_90"]
    return (
        f"{one['name']}, {one['description']}: {round(one['bookings']):+d} seats sold in the "
        f"median world ({round(low):+d} to {round(high):+d} in 90%), failed requests "
        f"{round(100 * one['failed']):+d} "
        f"points; fewer failures in {one['helps']:.0%} of the worlds, more in {one['harms']:.0%}"
    )


def _sure(summary: RunSummary, width: int) -> Iterator[str]:
    if "uncertainty" in summary:
        text = " ".join(in_words(summary["uncertainty"], QUANTITIES[:4]))
        yield from wrapped("  ", text.split(), width, " ")
    # What single observations lack stands in the table.
    shown = unexplained(summary["observed"])
    for remark in summary["warnings"]:
        if remark in shown:
            continue
        yield from wrapped("  - ", remark.split(), width, " ")
