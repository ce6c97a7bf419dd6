"""The result of a gate as text, as Markdown for a pull request, and as JUnit XML."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Final
from xml.etree import ElementTree as ET

from experiments.statistics.quantities import QUANTITIES
from experiments.statistics.uncertainty import in_words
from experiments.studies.gate.decision import Check, GateResult, Outcome
from experiments.views.report.advice import advice_lines
from experiments.views.text.run_text import (
    NARROWEST,
    WIDEST,
    number,
    shown_threshold,
    words,
    wrapped,
)
from experiments.views.text.verdict_text import (
    advice_on_refusals,
    has_seats,
    headline,
    people_sentence,
    scale_words,
    seats_sentence,
)

_WORDS: dict[Outcome, str] = {"pass": "pass", "fail": "FAIL", "inconclusive": "not decided"}
HEADS: Final[Mapping[Outcome, str]] = {
    "pass": "PASSES",
    "fail": "FAILS",
    "inconclusive": "NOT DECIDED",
}
_MOST_ADVISED: Final = 3
_MOST_REPLICATIONS: Final = 1_000
"""More than this is no advice: the number lies on its limit."""


def render(result: GateResult, width: int = WIDEST) -> str:
    """The whole gate as plain text, for a terminal of so many columns."""
    width = max(NARROWEST, min(width, WIDEST))
    about = [
        f"seed {result['seed']}",
        f"{result['replications']} replications",
        scale_words(result["scale"]),
    ]
    lines = [
        *wrapped(f"{result['config']}: ", words(conclusion(result)), width, " "),
        *wrapped(" " * 10, words(", ".join(part for part in about if part)), width, " "),
    ]
    if result["partial"]:
        lines.append("PARTIAL: interrupted; this is what was measured so far")
    verdict = result.get("verdict")
    if verdict is not None:
        told = [("by means  ", headline("", verdict).removeprefix(": "))]
        told += [("next      ", text) for text in next_steps(result)]
        if has_seats(verdict):
            told.append(("seats     ", seats_sentence(verdict)))
            told.append(("people    ", people_sentence(verdict)))
        for label, text in told:
            lines += wrapped(label, words(text), width, " ")
    for check in result["checks"]:
        label = f"  {_WORDS[check['outcome']]:<13}"
        lines += wrapped(label, words(check["name"]), width, " ")
        lines += wrapped(" " * len(label), words(_found(check)), width, " ")
    rule = (
        f"false alarms and false passes of the whole: at most {result['false_alarm_rate']:.0%}; "
        f"decisions at {', '.join(map(str, result['looks']))} replications"
    )
    for line in (rule, *unknown_lines(result)):
        lines += wrapped("", words(line), width, " ")
    lines.append(f"digest {result['digest'][:16]}   wall time {result['wall_seconds']:.1f} s")
    return "\n".join(lines) + "\n"


def conclusion(result: GateResult) -> str:
    """What the gate says, and how that goes with the verdict on the means."""
    head = HEADS[result["outcome"]]
    rounded = result.get("rounded", [])
    if result["outcome"] == "pass" and rounded:
        are = "are" if len(rounded) > 1 else "is"
        return (
            f"{head} at this scale; {' and '.join(rounded)} {are} rounded there: no proof for full "
            "size"
        )
    verdict = result.get("verdict")
    if result["outcome"] != "inconclusive" or verdict is None:
        return head
    open_checks = [check for check in result["checks"] if check["outcome"] == "inconclusive"]
    count = f"{len(open_checks)} of {len(result['checks'])} checks"
    if verdict["outcome"] == "fails":
        return f"{head}: the means fail, and {count} may be chance"
    return f"{head}: the means hold, and {count} may be chance"


def next_steps(result: GateResult) -> list[str]:
    """What to do where the gate does not pass: advice on limits, or how many replications."""
    if result["outcome"] == "pass":
        return []
    verdict = result.get("verdict")
    if result["outcome"] == "fail" and verdict is not None:
        return [*advice_lines(verdict["failures"]), *advice_on_refusals(verdict)]
    found = [
        f"{check['name']}: {_to_decide(check)}"
        for check in result["checks"]
        if check["outcome"] == "inconclusive" and check["kind"] != "baseline"
    ]
    return found[:_MOST_ADVISED]


def _to_decide(check: Check) -> str:
    """About how many replications decide a check, by the width of its bounds so far."""
    value, limits = check["value"], check["bounds"]
    if value is None:
        return "no samples: nobody came so far; look at the steps with ticketsim run"
    if limits is None:
        return "at least 3 replications decide (--replications)"
    gap, half = abs(value - check["limit"]), (limits[1] - limits[0]) / 2
    needed = check["replications"] * (half / gap) ** 2 if gap else float("inf")
    limit = in_check_unit(check, check["limit"])
    if needed > _MOST_REPLICATIONS:
        return f"the mean lies on the limit of {limit}: more runs hardly decide; move the limit"
    # The next power of two or so: a normal approximation tells no more than the order.
    more = max(2 * check["replications"], math.ceil(needed))
    return f"about {more} replications decide (--replications {more}), or a limit further away"


def unknown_lines(result: GateResult) -> list[str]:
    """Where something is unknown: how much of the spread that is, and how many worlds pass."""
    lines = list(result.get("warnings", []))
    if "uncertainty" in result:
        lines += in_words(result["uncertainty"], QUANTITIES)
    shares = [
        f"{name} is met in {share:.0%} of the worlds"
        for name, share in result.get("met_in_worlds", {}).items()
    ]
    return [*lines, *(["By itself: " + "; ".join(shares) + "."] if shares else [])]


def _found(check: Check) -> str:
    """The evidence for a check, in one line."""
    if check["value"] is None:
        return check["reason"]
    shown = functools.partial(in_check_unit, check)
    what = "difference" if check["kind"] == "baseline" else "mean"
    size = " at full size" if check.get("at_full_size") else ""
    bounds = ""
    if check["bounds"] is not None:
        low, high = check["bounds"]
        if check["kind"] != "baseline" and low < 0.0 <= check["value"]:
            # Shares, counts and durations are never negative; a bound by Student's t can be.
            low = 0.0
        bounds = f", bounds {shown(low)} to {shown(high)}"
    return (
        f"{what} {shown(check['value'])}{size}{_ratio(check)}{bounds}, "
        f"{check['replications']} replications: {check['reason']}"
    )


def _ratio(check: Check) -> str:
    ratio = check.get("ratio")
    return "" if ratio is None else f" ({ratio:.2f} times the baseline)"


def in_check_unit(check: Check, value: float) -> str:
    """A number in the unit of the check's metric; a share in per cent, a duration in its unit."""
    sign = "-" if value < 0 else ""
    text = shown_threshold(check["name"], abs(value))
    return sign + (text if text[-1].isalpha() or text.endswith("%") else _number(abs(value)))


def _number(value: float) -> str:
    """Small numbers, as shares are, with enough digits to compare them with a limit."""
    return f"{value:.4g}" if abs(value) < 1 else number(value)


def markdown(result: GateResult) -> str:
    """The gate as a Markdown summary."""
    lines = [
        f"### ticketsim gate: {result['config']}: {conclusion(result)}",
        "",
        *_verdict(result),
        "| | check | value | bounds | replications | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for check in result["checks"]:
        value = "no samples" if check["value"] is None else in_check_unit(check, check["value"])
        bounds = (
            ""
            if check["bounds"] is None
            else " to ".join(in_check_unit(check, end) for end in check["bounds"])
        )
        name = check["name"].replace("|", "\\|")
        lines.append(
            f"| {_WORDS[check['outcome']]} | `{name}` | {value} | {bounds} "
            f"| {check['replications']} | {check['reason']} |"
        )
    lines += [
        "",
        (
            f"Seed {result['seed']}, scale {result['scale']:g}; false alarms at most "
            f"{result['false_alarm_rate']:.0%}; digest `{result['digest'][:16]}`."
        ),
    ]
    return "\n".join(lines) + "\n"


def _verdict(result: GateResult) -> list[str]:
    verdict = result.get("verdict")
    if verdict is None:
        return []
    steps = [f"- next: {text}" for text in next_steps(result)]
    return [headline("by the means", verdict), "", *steps, *([""] if steps else [])]


def junit(result: GateResult) -> str:
    """The gate as JUnit XML: a check that fails is a failure, an inconclusive one an error."""
    counts = {
        "tests": len(result["checks"]),
        "failures": sum(check["outcome"] == "fail" for check in result["checks"]),
        "errors": sum(check["outcome"] == "inconclusive" for check in result["checks"]),
    }
    attributes = {name: str(count) for name, count in counts.items()}
    root = ET.Element("testsuites", attributes)
    suite = ET.SubElement(
        root,
        "testsuite",
        {**attributes, "name": "ticketsim gate", "time": f"{result['wall_seconds']:.3f}"},
    )
    for check in result["checks"]:
        case = ET.SubElement(
            suite, "testcase", {"classname": result["config"], "name": check["name"]}
        )
        if check["outcome"] != "pass":
            tag = "failure" if check["outcome"] == "fail" else "error"
            entry = ET.SubElement(case, tag, {"type": check["outcome"], "message": _found(check)})
            entry.text = f"{check['name']}\n{_found(check)}"
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def workflow_commands(result: GateResult, path: str) -> Iterator[str]:
    """Workflow commands that mark a pull request where a check did not pass.

    Args:
        result: what the gate found.
        path: the config file that the marks are put on.
    """
    for check in result["checks"]:
        if check["outcome"] != "pass":
            level = "error" if check["outcome"] == "fail" else "warning"
            place = f"file={_escaped(path, property_=True)},title=ticketsim gate"
            yield f"::{level} {place}::{_escaped(check['name'])}: {_escaped(_found(check))}"


def _escaped(text: str, *, property_: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property_ else text
