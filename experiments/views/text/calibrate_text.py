"""The result of a calibration as text."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.errors import one_line
from experiments.studies.calibrate.fragment import described, interval_of
from experiments.studies.calibrate.study import FittedService


def render(found: FittedService) -> str:
    """The report as text, ending in a newline."""
    return "\n".join([*_report(found), ""])


def _report(found: FittedService) -> Iterator[str]:
    yield "service times of one user (second half of the file)"
    for distribution in found.service_times:
        yield f"  {described(distribution)}"
    yield "parameters"
    for estimate in found.parameters:
        known = f"identified: {interval_of(estimate)}" if estimate.identified else "not identified"
        yield f"  {estimate.name}: {known} ({estimate.why})"
    if found.remarks:
        yield "remarks"
        yield from (f"  {one_line(remark)}" for remark in found.remarks)
