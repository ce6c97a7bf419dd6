"""The verdict in words: what holds or fails, in which step and why, and what was sold to whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from experiments.statistics.saturation import FEWEST_UNITS, SEATS
from experiments.statistics.steps import STEPS, shares_of
from experiments.statistics.verdict import Failure, Outcome, ThresholdRow, Verdict
from experiments.views.report.advice import advice_lines
from experiments.views.report.explanations import broken, explained
from experiments.views.text.run_text import duration, number, percent, shown_threshold

WORDS: Final[Mapping[Outcome, str]] = {"holds": "HOLDS", "fails": "FAILS", "open": "NOT DECIDED"}
SENTENCES: Final[Mapping[Outcome, str]] = {
    "holds": "This on-sale holds.",
    "fails": "This on-sale fails.",
    "open": "Whether this on-sale holds is not decided.",
}
_MOST_FAILURES: Final = 5
_SHUT_OUT: Final = (
    "they waited to be let in until they left or the load ended: the limit is how many may be "
    "inside (catalogue.capacity) or let in a minute (policy.admissions_per_min)"
)
_ABOVE: Final = "  above its limit"


def verdict_lines(verdict: Verdict, width: int) -> Iterator[str]:
    """Failures, advice, what is open, seats, people and steps; the outcome is the caller's.

    Lines are those of a terminal of `width` columns; the caller breaks the sentences among them.
    """
    yield from failure_lines(verdict)
    for advice in advice_lines(verdict["failures"]):
        yield f"advice    {advice}"
    for advice in advice_on_refusals(verdict):
        yield f"advice    {advice}"
    if has_seats(verdict):
        yield f"seats     {seats_sentence(verdict)}"
        yield f"people    {people_sentence(verdict)}"
        if verdict["outcome"] == "holds" and verdict["people"]["shut_out"]:
            yield f"shut out  {_SHUT_OUT}{_uncounted(verdict)}"
    yield from step_lines(verdict, width)
    if verdict["observed_off"]:
        yield f"observed  not shown by these runs: {', '.join(verdict['observed_off'])}"


def advice_on_refusals(verdict: Verdict) -> Iterator[str]:
    """That a threshold fails only as it counts refusals, and how it leaves them out."""
    for failure in verdict["failures"]:
        if "refused_share" in failure and "unrefused_failed_share" in failure:
            yield (
                f"{percent(failure['refused_share'])} of the requests were refused (402, 403, 409, "
                "410), which http_req_failed counts as failed; of the others "
                f"{percent(failure['unrefused_failed_share'])} failed: "
                '"http_req_failed{refused:false}" judges those alone'
            )


def _uncounted(verdict: Verdict) -> str:
    """That nothing demands fewer people shut out, where that is so."""
    if any(row["name"].startswith("shut_out") for row in verdict["thresholds"]):
        return ""
    return "; no threshold of the config counts them (shut_out)"


def failure_lines(verdict: Verdict) -> Iterator[str]:
    """One line for each failure, the first five, and one for each thing that is not decided.

    Steps of buying that fail for the same reason share a line.
    """
    failures = _sentences(verdict["failures"])
    for sentence in failures[:_MOST_FAILURES]:
        yield f"failed    {sentence}"
    if len(failures) > _MOST_FAILURES:
        yield f"failed    and {len(failures) - _MOST_FAILURES} more (--verbose)"
    for reason in verdict["open"]:
        yield f"open      {reason}"


def all_failures(verdict: Verdict) -> list[str]:
    """Every failure in a sentence; steps of buying that fail for the same reason share one."""
    return _sentences(verdict["failures"])


def _sentences(failures: Sequence[Failure]) -> list[str]:
    """The failures as sentences, in their order; one for all steps with the same reason."""
    groups: dict[object, list[Failure]] = {}
    for place, failure in enumerate(failures):
        same = (failure["limit"], failure["cause"], failure["resource"])
        alone = failure["kind"] != "step" or not failure["cause"]
        groups.setdefault(place if alone else same, []).append(failure)
    return [
        failure_sentence(group[0]) if len(group) == 1 else _steps_sentence(group)
        for group in groups.values()
    ]


def _steps_sentence(failures: Sequence[Failure]) -> str:
    shares = ", ".join(f"{one['name']} {percent(one['value'] or 0.0)}" for one in failures)
    first, limit = failures[0], percent(failures[0]["limit"] or 0.0)
    causes = [round(100 * one["cause_share"]) for one in failures]
    some = f"{min(causes)} to {max(causes)} %" if min(causes) < max(causes) else f"{causes[0]} %"
    return (
        f"{shares} failed (limit {limit} each); {explained(first['cause'])}, {some} of them"
        + _behind(first)
    )


def failure_sentence(failure: Failure) -> str:
    """What failed, by how much, and why."""
    value = failure["value"]
    if failure["kind"] == "invariant":
        return _invariant_sentence(failure)
    if failure["kind"] == "sale":
        return failure["name"] + _why(failure)
    if failure["kind"] == "step":
        limit = percent(failure["limit"] or 0.0)
        return f"{failure['name']}: {percent(value or 0.0)} failed (limit {limit}){_why(failure)}"
    step = f", at {failure['step']}" if failure["step"] else ""
    shown = shown_threshold(failure["name"], value)
    size = " at full size" if failure.get("at_full_size") else ""
    return f"{failure['name']}: is {shown}{size}{step}{_why(failure)}"


def _invariant_sentence(failure: Failure) -> str:
    what = broken(failure["name"])
    if "worst" not in failure:
        return f"must never happen: {number(failure['value'])} {what}"
    return (
        f"must never happen: {number(failure['worst'])} {what}, in the worst run (it broke in "
        f"{failure['runs_broken']} runs; mean of all {number(failure['value'])})"
    )


def _why(failure: Failure) -> str:
    parts = []
    if failure["cause"]:
        share = f", {100 * failure['cause_share']:.0f} % of them" if failure["value"] else ""
        parts.append(f"{explained(failure['cause'])}{share}")
    return "".join(f"; {part}" for part in parts) + _behind(failure)


def _behind(failure: Failure) -> str:
    """The limit behind a failure, as the end of a sentence; nothing where none is known."""
    resource = failure["resource"]
    if resource == SEATS:
        return "; every seat was sold and paid for"
    if failure.get("rounded"):
        return (
            f"; {resource} has fewer than {FEWEST_UNITS} units at this scale: whether it is the "
            "limit at full size cannot be told"
        )
    return f"; the limit is {resource}" if resource else ""


def demand(failure: Failure) -> str:
    """The demand that is not met, in a few words."""
    if failure["kind"] == "step":
        return f"{failure['name']} failed"
    return broken(failure["name"]) if failure["kind"] == "invariant" else failure["name"]


def threshold_row(row: ThresholdRow) -> str:
    """One threshold: met or not, and its number."""
    if row["met"] is None:
        return f"{row['name']}: not decided: {row['reason']}"
    size = " at full size" if row["at_full_size"] else ""
    met = "met" if row["met"] else "NOT MET"
    return f"{row['name']}: {met}: {shown_threshold(row['name'], row['value'])}{size}"


def has_seats(verdict: Verdict) -> bool:
    """Whether the ticket service was simulated: an application of the user's own sells none."""
    return verdict["seats"]["on_sale"] > 0 or bool(STEPS.keys() & verdict["steps"].keys())


def seats_sentence(verdict: Verdict) -> str:
    """Seats sold of those on sale, the four numbers, and when they were sold out."""
    seats = verdict["seats"]
    standing, on_sale, paid, reserved, held, cancelled = (
        _full(count, verdict)
        for count in (
            seats["standing"],
            seats["on_sale"],
            seats["paid"],
            seats["standing"] - seats["paid"],
            seats["held"],
            seats["cancelled"],
        )
    )
    text = (
        f"{standing} of {on_sale} sold at the end ({paid} paid, {reserved} reserved); "
        f"held {held} times, {cancelled} cancelled"
    )
    after_s = seats["sold_out_after_s"]
    if after_s is None:
        return text
    runs = verdict["replications"]
    some = f" in {seats['sold_out_runs']} of {runs} runs" if seats["sold_out_runs"] < runs else ""
    return f"{text}; none free for the first time {duration(1e3 * after_s)} after the opening{some}"


def people_sentence(verdict: Verdict) -> str:
    """What became of the people."""
    people = verdict["people"]
    return (
        f"{_full(people['came'], verdict)} came, {_full(people['got_in'], verdict)} got in, "
        f"{_full(people['lost_patience'], verdict)} lost patience; "
        f"{_full(people['shut_out'], verdict)} shut out while seats were free"
    )


def scale_words(scale: float) -> str:
    """What a reader must know of counts below full size; nothing at full size."""
    if scale >= 1:
        return ""
    return (
        f"at {scale:g} of the size; seats, people and thresholds that grow with size are "
        "extrapolated to full size"
    )


def _full(count: float, verdict: Verdict) -> str:
    return number(round(count / min(1.0, verdict["scale"])))


def step_lines(verdict: Verdict, width: int) -> Iterator[str]:
    """A small table: requests of each step as simulated, and shares of them.

    Where the terminal is too narrow for the table, a sentence for each step.
    """
    if not verdict["steps"]:
        return
    names = max(8, *map(len, verdict["steps"]))
    head = f"{'step':<{names}}  {'requests':>9} {'answered':>9} {'refused':>9} {'failed':>9}"
    fits = len(head) + len(_ABOVE) <= width
    if fits:
        yield head
    for name, counts in verdict["steps"].items():
        requests = number(round(counts["requests"]))
        shares = shares_of(counts)
        mark = _ABOVE if counts["failed_share"] > counts["limit"] else ""
        if fits:
            cells = " ".join(f"{percent(share):>9}" for share in shares)
            yield f"{name:<{names}}  {requests:>9} {cells}{mark}"
        else:
            answered, refused, failed = map(percent, shares)
            yield (
                f"{name:<8}  {requests} requests, {answered} answered, {refused} refused, "
                f"{failed} failed{mark.replace('  ', ', ')}"
            )


def headline(name: str, verdict: Verdict) -> str:
    """One line: the config, the outcome and the first reason."""
    reasons: Sequence[str] = all_failures(verdict) or verdict["open"]
    # Demands are counted and not sentences, as in the column "not met".
    count = len(verdict["failures"] or verdict["open"])
    told = 1 if len(reasons) > 1 else count
    more = f" (and {count - told} more)" if count > told else ""
    reason = f": {reasons[0]}{more}" if reasons else ""
    return f"{name}: {WORDS[verdict['outcome']]}{reason}"
