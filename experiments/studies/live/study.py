"""A prediction, then the real thing: which measured numbers lie inside their predicted intervals.

The prediction is made, and written down, before the real programs begin. Both sides have the same
load, cut off at the same time.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from typing_extensions import TypedDict

from experiments.errors import ConfigError
from experiments.interop.k6_output import Output, read_output
from experiments.interop.k6_script import k6_script, load_s
from experiments.statistics.intervals import count_pi95, pi95, ranked_pi95
from experiments.studies.live.numbers import Numbers, of_requests, of_run
from experiments.studies.live.rig import Target, drive, served
from sim.load.settings import ConstantVUs, Load, OpeningCrowd, RampingArrivalRate, RampingVUs, Stage
from sim.run import simulate
from sim.world import World

REPLICATIONS: Final = 20
_SINGLE_S: Final = 30.0
_RAMP_S: Final = 30.0
_RAMP_USERS: Final = 60
_CALIBRATION_S: Final = _SINGLE_S + _RAMP_S


class Row(TypedDict):
    """One number; durations in milliseconds, failures as shares."""

    name: str
    simulated: float | None
    """The median of the replications; None if no replication has the number."""
    pi95: tuple[float, float] | None
    measured: float | None
    inside: bool | None
    """None where there is no interval or no measured number."""


class LiveResult(TypedDict):
    """What a live run found."""

    schema: int
    config: str
    scale: float
    seed: int
    replications: int
    load_s: float
    """How long the load was, on both sides."""
    calibration: str
    """The keys that the calibration set, as TOML; empty without a calibration."""
    rows: list[Row]
    inside: int
    judged: int


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live run is made: `at_most_s` bounds each load of the real load generator."""

    seed: int = 1
    replications: int = REPLICATIONS
    at_most_s: float = 120.0
    calibrates: bool = False
    keep: Path | None = None
    """A folder for the prediction, the scripts, the raw output and the logs; None keeps none."""


Predict = Callable[[World, int], Numbers]
Told = Callable[[str], None]


def live(
    target: Target,
    world: World,
    thresholds: Mapping[str, Sequence[str]],
    options: LiveOptions,
    *,
    calibrated: Callable[[Sequence[Output]], tuple[World, str]] | None = None,
    told: Told = lambda _text: None,
) -> LiveResult:
    """Predict, then run the real thing, then compare.

    Args:
        target: what is served.
        world: the target's world at the target's scale.
        thresholds: of the config; the script has those that k6 knows.
        options: how it is done.
        calibrated: makes the world that fits k6's output of the service, and the keys that it set
            as TOML; needed with `options.calibrates`.
        told: hears what is being done, a line each.

    Raises:
        ConfigError: the load cannot be run by k6.
        ProgramError: a real program is missing, failed, or is not on this machine.
    """
    load = cut(world.load, options.at_most_s)
    world = dataclasses.replace(world, load=load)
    script = _script(world, thresholds)
    with _folder(options.keep) as folder:
        keys = ""
        predicted_world = world
        if options.calibrates and calibrated is not None:
            told("calibrating: one user, then a ramp, against the real service")
            outputs = _calibration_runs(target, world, folder)
            predicted_world, keys = calibrated(outputs)
            predicted_world = dataclasses.replace(predicted_world, load=load)
        told(f"predicting: {options.replications} replications")
        predicted = [
            of_run(simulate(predicted_world, options.seed + number))
            for number in range(options.replications)
        ]
        (folder / "prediction.json").write_text(json.dumps(predicted, indent=1), "utf-8")
        told(f"running: the real programs, {load_s(load):g} s of load")
        with served(target, world, _fresh(folder, "real")) as url:
            output = drive(script, url, folder, at_most_s=load_s(load))
        measured = of_requests(read_output(str(output)).requests)
    rows = compared(predicted, measured)
    judged = [row["inside"] for row in rows if row["inside"] is not None]
    return LiveResult(
        schema=1,
        config=target.config,
        scale=target.scale,
        seed=options.seed,
        replications=options.replications,
        load_s=load_s(load),
        calibration=keys,
        rows=rows,
        inside=sum(judged),
        judged=len(judged),
    )


def compared(predicted: Sequence[Numbers], measured: Numbers) -> list[Row]:
    """Each number of either side: the prediction's median and interval, and the measured value."""
    names = list(dict.fromkeys([*measured, *(name for run in predicted for name in run)]))
    return [_row(name, predicted, measured.get(name)) for name in names]


def _row(name: str, predicted: Sequence[Numbers], measured: float | None) -> Row:
    counted = name.startswith(("requests", "failed"))
    # No request of a kind is a count of zero, but it is no latency.
    values = [run.get(name, 0.0) for run in predicted] if counted else []
    values = values or [run[name] for run in predicted if name in run]
    interval = ranked_pi95(values)
    if interval is None:
        interval = count_pi95(values) if name.startswith("requests") else pi95(values)
    if measured is None and counted:
        measured = 0.0
    inside = None
    if interval is not None and measured is not None:
        inside = interval[0] <= measured <= interval[1]
    return Row(
        name=name,
        simulated=statistics.median(values) if values else None,
        pi95=interval,
        measured=measured,
        inside=inside,
    )


def cut(load: Load, at_most_s: float) -> Load:
    """The load up to a time; unchanged if it ends before.

    Raises:
        ConfigError: the executor has no time at which it could be cut.
    """
    if load_s(load) <= at_most_s:
        return load
    if isinstance(load, RampingVUs | RampingArrivalRate):
        start = load.start_vus if isinstance(load, RampingVUs) else load.start_rate
        return dataclasses.replace(load, stages=_cut_stages(load.stages, start, at_most_s))
    if isinstance(load, OpeningCrowd):
        raise ConfigError(
            "",
            "load.duration_s",
            f"longer than --at-most {at_most_s:g}s, and a crowd cannot be cut short; "
            "allowed: a shorter load, or a longer --at-most",
            value=f"{load.duration_s:g}",
        )
    if hasattr(load, "max_duration_s"):
        return dataclasses.replace(load, max_duration_s=at_most_s)
    return dataclasses.replace(load, duration_s=at_most_s)


def _cut_stages(stages: Sequence[Stage], start: float, at_most_s: float) -> tuple[Stage, ...]:
    kept: list[Stage] = []
    left_s, level = at_most_s, start
    for stage in stages:
        if stage.duration_s >= left_s:
            reached = level + (stage.target - level) * left_s / (stage.duration_s or 1.0)
            kept.append(Stage(left_s, round(reached)))
            break
        kept.append(stage)
        left_s -= stage.duration_s
        level = stage.target
    return tuple(kept)


def _calibration_runs(target: Target, world: World, folder: Path) -> list[Output]:
    """k6's output of one user, and of a ramp, against a service of its own each."""
    ramp = RampingVUs(stages=(Stage(_RAMP_S, _RAMP_USERS),), graceful_ramp_down_s=0.0)
    loads: list[Load] = [ConstantVUs("constant-vus", _SINGLE_S), ramp]
    # Without thought, so that every endpoint is asked often.
    busy = dataclasses.replace(
        world.customer,
        think_low_s=0.0,
        think_high_s=0.0,
        poll_interval_s=0.01,
        retry_interval_s=0.01,
        stops_when_done=False,
    )
    outputs = []
    for number, load in enumerate(loads):
        asked = dataclasses.replace(world, load=load, customer=busy)
        with served(target, world, _fresh(folder, f"calibration-{number}")) as url:
            path = drive(_script(asked, {}), url, folder, at_most_s=_CALIBRATION_S)
        outputs.append(read_output(str(path)))
    return outputs


def _script(world: World, thresholds: Mapping[str, Sequence[str]]) -> str:
    return k6_script(
        world,
        thresholds,
        base_url="http://127.0.0.1",
        timeout_s=world.generator.request_timeout_s,
    )


class _folder:
    """The folder to keep files in, or a temporary one."""

    def __init__(self, keep: Path | None) -> None:
        self._keep = keep
        self._temporary: Any = None

    def __enter__(self) -> Path:
        if self._keep is not None:
            self._keep.mkdir(parents=True, exist_ok=True)
            return self._keep
        self._temporary = tempfile.TemporaryDirectory(prefix="ticketsim-")
        return Path(self._temporary.name)

    def __exit__(self, *error: object) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()


def _fresh(folder: Path, name: str) -> Path:
    fresh = folder / name
    fresh.mkdir()
    return fresh
