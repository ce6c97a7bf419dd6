"""The result of a search for races as text."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator

from experiments.studies.fuzz.result import Finding, FuzzResult


def render(result: FuzzResult, width: int) -> str:
    """The result as text, ending in a newline."""
    return "\n".join(_lines(result, width)) + "\n"


def _lines(result: FuzzResult, width: int) -> Iterator[str]:
    partial = " (PARTIAL)" if result["partial"] else ""
    made, seeds = f"{result['tries']:,} tries made", f"{result['seeds']:,} seeds asked for"
    yield f"{result['config']}: {made}, {seeds}{partial}"
    faults = ", ".join(f"{kind} {count:,}" for kind, count in result["faults"].items())
    yield from _filled("faults injected", faults or "none", width)
    broken = ", ".join(f"{names} {count:,}" for names, count in result["violations"].items())
    yield from _filled("violations", broken or "none", width)
    for remark in result["not_exercised"]:
        yield from _filled("not exercised", remark, width)
    for finding in result["findings"]:
        yield ""
        yield from _finding(finding, width)
    yield ""
    yield f"digest {result['digest'][:16]}   wall time {result['wall_seconds']:.1f} s"


def _filled(name: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        f"{name}: {text}", width, initial_indent="  ", subsequent_indent=" " * (len(name) + 4)
    )


def _finding(finding: Finding, width: int) -> Iterator[str]:
    names = ", ".join(finding["broken"])
    yield f"BROKEN: {names}"
    yield (
        f"  found by seed {finding['seed']}, try {finding['found_after_tries']:,}, "
        f"after {finding['found_after_seconds']:.1f} s"
    )
    faults = ", ".join(finding["faults"]) or "no fault"
    kind = "smallest case" if finding["smallest"] else "smallest case found in time"
    yield (
        f"  {kind}: {finding['users']} users, {faults}, a thread held up "
        f"{finding['stalls']} times (after {finding['shrinking_runs']:,} runs)"
    )
    yield f"  again: ticketsim run {shlex.quote(finding['replay'])}"
    for line in finding["schedule"]:
        yield f"    {line}" if len(line) + 4 <= width else f"    {line[: width - 7]}..."
