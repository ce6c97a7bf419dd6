"""What was fitted as TOML that a config can include, and as the document of `calibrate --json`."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import Literal, cast

from typing_extensions import TypedDict

from experiments.errors import one_line
from experiments.studies.calibrate.fits import Distribution, Estimate
from experiments.studies.calibrate.study import Calibration
from sim.world import Host


def fragment(found: Calibration) -> str:
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


def _setting(estimate: Estimate) -> str:
    value = estimate.value or 0.0
    if estimate.name == "pool.connections":
        return str(max(1, round(value)))
    return f"{value:.4g}"


def interval_of(estimate: Estimate) -> str:
    """The value and its interval in words."""
    return f"{estimate.value:.3g}, 95 % interval {estimate.low:.3g} to {estimate.high:.3g}"


def described(fit: Distribution) -> str:
    """A distribution of service times in one line."""
    return (
        f"{fit.name}: {fit.family}, mean {fit.mean_ms:.3g} ms ({fit.mean_low_ms:.3g} to "
        f"{fit.mean_high_ms:.3g}), CV {fit.cv:.2g} ({fit.cv_low:.2g} to {fit.cv_high:.2g}), "
        f"{fit.requests} requests, Kolmogorov-Smirnov distance {fit.ks:.2f}"
    )


class Fitted(TypedDict):
    """One distribution of service times, in milliseconds, and its 95 % intervals."""

    name: str
    requests: int
    family: str
    mean_ms: float
    mean_low_ms: float
    mean_high_ms: float
    cv: float
    cv_low: float
    cv_high: float
    ks: float
    """Kolmogorov-Smirnov distance."""


class Parameter(TypedDict):
    """One parameter, and its 95 % interval if these files tell it."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    why: str
    identified: bool


class CalibrateResult(TypedDict):
    """What `calibrate --json` prints."""

    schema: Literal[1]
    files: list[str]
    service_times: list[Fitted]
    parameters: list[Parameter]
    host_cores_kept: float
    remarks: list[str]
    """What of the files could not be used, and why."""
    fragment: str
    """TOML that a config can include."""


def document_of(found: Calibration, text: str) -> CalibrateResult:
    """What `calibrate --json` prints; `text` is the fragment."""
    return {
        "schema": 1,
        "files": found.files,
        "service_times": [_fitted(fit) for fit in found.service_times],
        "parameters": [_parameter(estimate) for estimate in found.parameters],
        "host_cores_kept": Host().cores,
        "remarks": found.remarks,
        "fragment": text,
    }


def _fitted(fit: Distribution) -> Fitted:
    return cast("Fitted", dataclasses.asdict(fit))


def _parameter(estimate: Estimate) -> Parameter:
    fields = {**dataclasses.asdict(estimate), "identified": estimate.identified}
    return cast("Parameter", fields)
