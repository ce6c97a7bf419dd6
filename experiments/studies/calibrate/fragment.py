"""What was fitted as TOML that a config can include, and as the document of `calibrate --json`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict

from experiments.errors import one_line
from experiments.studies.calibrate.fits import Distribution, FittedParameter
from experiments.studies.calibrate.study import FittedService
from sim.world import Host


def fragment(found: FittedService) -> str:
    """The TOML that a config can include: keys of what was identified, all else as comments."""
    tables: defaultdict[str, list[str]] = defaultdict(list)
    names = ", ".join(Path(path).name for path in found.files)
    notes = [one_line(f"# From {names}.")]
    for estimate in found.parameters:
        table, _, key = estimate.name.rpartition(".")
        if not estimate.identified:
            notes.append(f"# {estimate.name}: not identified ({estimate.why}); the default stays.")
        elif table:
            tables[table].append(f"{key} = {_setting(estimate)}  # {interval_of(estimate)}")
        else:
            notes.append(f"# {estimate.name}: {interval_of(estimate)}; {estimate.why}.")
    notes += [f"# {described(distribution)}" for distribution in found.service_times]
    body = [f"\n[{table}]\n" + "\n".join(lines) for table, lines in tables.items()]
    return "\n".join([*notes, *body, ""])


def _setting(estimate: FittedParameter) -> str:
    value = estimate.value or 0.0
    if estimate.name == "pool.connections":
        return str(max(1, round(value)))
    return f"{value:.4g}"


def interval_of(estimate: FittedParameter) -> str:
    """The value and its interval in words."""
    return f"{estimate.value:.3g}, 95 % interval {estimate.low:.3g} to {estimate.high:.3g}"


def described(fit: Distribution) -> str:
    """A distribution of service times in one line."""
    return (
        f"{fit.name}: {fit.family}, mean {fit.mean_ms:.3g} ms ({fit.mean_low_ms:.3g} to "
        f"{fit.mean_high_ms:.3g}), CV {fit.cv:.2g} ({fit.cv_low:.2g} to {fit.cv_high:.2g}), "
        f"{fit.requests} requests, Kolmogorov-Smirnov distance {fit.ks:.2f}"
    )


class CalibrateResult(TypedDict):
    """What `calibrate --json` prints."""

    schema: Literal[1]
    files: list[str]
    service_times: list[Distribution]
    parameters: list[FittedParameter]
    host_cores_kept: float
    remarks: list[str]
    """What of the files could not be used, and why."""
    fragment: str
    """TOML that a config can include."""


def document_of(found: FittedService, text: str) -> CalibrateResult:
    """What `calibrate --json` prints; `text` is the fragment."""
    return {
        "schema": 1,
        "files": found.files,
        "service_times": found.service_times,
        "parameters": found.parameters,
        "host_cores_kept": Host().cores,
        "remarks": found.remarks,
        "fragment": text,
    }
