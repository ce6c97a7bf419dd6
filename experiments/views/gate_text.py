"""What a gate found, for people, for a pull request and for build servers."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from experiments.studies.gate.checks import Check, GateResult, Outcome
from experiments.views.run_text import number

_WORDS: dict[Outcome, str] = {"pass": "pass", "fail": "FAIL", "inconclusive": "inconclusive"}


def render(result: GateResult) -> str:
    """The whole gate as plain text."""
    scale = f", scale {result['scale']:g}" if result["scale"] < 1 else ""
    lines = [
        (
            f"{result['config']}: seed {result['seed']}{scale}, "
            f"{result['replications']} replications: {_WORDS[result['outcome']]}"
        )
    ]
    if result["partial"]:
        lines.append("PARTIAL: interrupted; this is what was measured so far")
    for check in result["checks"]:
        lines += [f"  {_WORDS[check['outcome']]:<13}{check['name']}", f"  {'':<13}{_found(check)}"]
    lines.append(
        f"false alarms and false passes of the whole: at most {result['false_alarm_rate']:.0%}; "
        f"decisions at {', '.join(map(str, result['looks']))} replications"
    )
    lines.append(f"digest {result['digest'][:16]}   wall time {result['wall_seconds']:.1f} s")
    return "\n".join(lines) + "\n"


def _found(check: Check) -> str:
    """What a check rests on, in a line."""
    if check["value"] is None:
        return check["reason"]
    what = "difference" if check["kind"] == "baseline" else "mean"
    bounds = ""
    if check["bounds"] is not None:
        low, high = check["bounds"]
        bounds = f", bounds {_number(low)} to {_number(high)}"
    return (
        f"{what} {_number(check['value'])}{bounds}, {check['replications']} replications: "
        f"{check['reason']}"
    )


def _number(value: float) -> str:
    """Small numbers, as shares are, with enough digits to compare them with a limit."""
    return f"{value:.4g}" if abs(value) < 1 else number(value)


def markdown(result: GateResult) -> str:
    """The gate as a Markdown summary."""
    lines = [
        f"### ticketsim gate: {result['config']}: {_WORDS[result['outcome']]}",
        "",
        "| | check | value | bounds | replications | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for check in result["checks"]:
        value = "no samples" if check["value"] is None else _number(check["value"])
        bounds = "" if check["bounds"] is None else " to ".join(map(_number, check["bounds"]))
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
