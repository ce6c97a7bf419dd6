"""A prediction, then the real thing: which measured numbers lie inside their predicted intervals.

The prediction is made, and written down, before the real programs begin. Both sides have the same
load, cut off at the same time.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import TypedDict

from experiments.config.reading import Config
from experiments.config.reading import load as load_config
from experiments.errors import ConfigError, OptionError, OutputError
from experiments.interop.k6_output import read_output
from experiments.interop.k6_script import calibration_script, k6_script
from experiments.statistics.intervals import count_pi95, pi95, ranked_pi95
from experiments.studies.live import app_fit, ticket_fit
from experiments.studies.live.demand_fit import (
    BUSY,
    BUSY_ROUNDS,
    SINGLE,
    SINGLES,
    Fit,
    Measured,
    with_demands_times,
)
from experiments.studies.live.load_cut import cut_all
from experiments.studies.live.numbers import Numbers, kind_of, of_requests, of_run
from experiments.studies.live.rig import Target, check_programs, drive, served
from experiments.studies.live.spread import Deviations, drawn
from sim.kernel.random_streams import Streams
from sim.load.settings import (
    Load,
    length_s,
    loads_of,
)
from sim.run import simulate
from sim.scale import with_fewer_people
from sim.world import World

REPLICATIONS: Final = 20
_ROOMY: Final = (
    "catalogue.capacity=20000",
    "catalogue.seats=20000",
    "catalogue.opens_after_s=0.0",
)
"""For the calibration: nobody waits, and no seat is scarce."""
_FEWEST_USERS: Final = 20_000
_BASE_URL: Final = "http://127.0.0.1"


class LiveNumber(TypedDict):
    """One number; durations in milliseconds, failures as shares."""

    name: str
    simulated: float | None
    """The median of the replications; None if no replication has the number."""
    pi95: tuple[float, float] | None
    measured: float | None
    inside: bool | None
    """None where there is no interval or no measured number."""


class Prediction(TypedDict):
    """What is written down before the real programs run."""

    calibration: list[str] | None
    runs: list[Numbers]


class LiveResult(TypedDict):
    """What a live run found."""

    schema: int
    config: str
    scale: float
    seed: int
    replications: int
    load_s: float
    """How long the load was, on both sides."""
    calibration: list[str] | None
    """What the calibration fitted, as assignments of config keys; None without a calibration."""
    rows: list[LiveNumber]
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
    only_predicts: bool = False
    prediction: Path | None = None
    """A prediction of before; None predicts now."""


PREDICTION: Final = "prediction.json"
CALIBRATED: Final = "calibrated.toml"
Told = Callable[[str], None]


def live(target: Target, options: LiveOptions, *, told: Told = lambda _text: None) -> LiveResult:
    """Predict, then run the real thing, then compare.

    Args:
        target: what is served.
        options: how it is done.
        told: hears what is being done, a line each.

    Raises:
        ConfigError: the config is not valid, or its load cannot be run by k6.
        OutputError: the folder to keep files in is not empty or cannot be written to.
        ProgramError: a real program is missing, failed, or is not on this machine.
    """
    world = _world(target)
    loads = cut_all(loads_of(world.load), options.at_most_s)
    total_s = max(load.start_s + length_s(load) for load in loads)
    world = dataclasses.replace(world, load=loads)
    script = _script(world)
    if options.calibrates or not options.only_predicts:
        check_programs(target, world)
    measured: Numbers | None = None
    with _folder(options.keep) as folder:
        if options.prediction is not None:
            prediction = _read_prediction(options.prediction)
        else:
            prediction = _predict(target, world, options, folder, told)
        (folder / PREDICTION).write_text(json.dumps(prediction, indent=1), "utf-8")
        if not options.only_predicts:
            told(f"running the real programs: {total_s:g} s of load")
            with served(target, world, _fresh(folder, "real")) as url:
                driven = drive(script, url, folder, at_most_s=total_s)
            measured = of_requests(read_output(str(driven.output)).requests)
    rows = compared(prediction["runs"], measured)
    judged = [row["inside"] for row in rows if row["inside"] is not None]
    return LiveResult(
        schema=1,
        config=target.config,
        scale=target.scale,
        seed=options.seed,
        replications=len(prediction["runs"]),
        load_s=total_s,
        calibration=prediction["calibration"],
        rows=rows,
        inside=sum(judged),
        judged=len(judged),
    )


def _predict(
    target: Target, world: World, options: LiveOptions, folder: Path, told: Told
) -> Prediction:
    """Simulate the world's load, after a calibration if one is wanted."""
    fitted: tuple[str, ...] | None = None
    predicted = world
    deviations: Deviations = ()
    if options.calibrates:
        told("measuring one user, then several, on the real service")
        predicted, deviations, fitted = _calibrated(target, world, folder)
        for line in fitted:
            told(line)
    told(f"predicting: {options.replications} replications")
    runs = _predicted(dataclasses.replace(predicted, load=world.load), deviations, options)
    return Prediction(calibration=None if fitted is None else list(fitted), runs=runs)


def _read_prediction(path: Path) -> Prediction:
    try:
        found: Prediction = json.loads(path.read_text("utf-8"))
        _ = [dict(run) for run in found["runs"]], found["calibration"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OptionError("prediction", f"{path}: no {PREDICTION} of ticketsim live") from error
    return found


def _world(target: Target) -> World:
    """The config's world with its people scaled, on this machine.

    The service is Python: its code does not get faster with use, as the measured system's does.
    """
    return with_fewer_people(_config(target).world, target.scale)


def _config(target: Target) -> Config:
    here = [
        f"host.cores={float(_cores())}",
        "host.speed_varies=true",
        "service.warm=true",
        "generator.shares_host=true",
        "generator.console_lines=false",
        # Delays of a search for races are no part of the real service.
        "search.stall_probability=0.0",
    ]
    return load_config(target.config, [*target.assignments, *here])


def _cores() -> int:
    """Cores that this process may use, and so the programs that it starts."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _predicted(world: World, deviations: Deviations, options: LiveOptions) -> list[Numbers]:
    """The numbers of each replication. Each draws what the calibration does not know.

    Raises:
        ConfigError: a run ended with an error, such as one of the application.
    """
    found = []
    for number in range(options.replications):
        seed = options.seed + number
        factors = drawn(deviations, Streams(seed).stream("calibration"))
        one = with_demands_times(world, factors) if deviations else world
        result = simulate(one, seed)
        if result.failure:
            raise ConfigError("", world.app.key if world.app.path else "customer", result.failure)
        found.append(of_run(result))
    return found


def _calibrated(
    target: Target, world: World, folder: Path
) -> tuple[World, Deviations, tuple[str, ...]]:
    """The target's world with what the real service tells, what stays unknown, what to tell."""
    if world.app.path:
        fit, text = _fit_of_application(target, world, folder)
    else:
        fit, text = _fit_of_ticket_service(target, world, folder)
    (folder / CALIBRATED).write_text(text, "utf-8")
    return fit.world, fit.deviations, tuple(fit.told)


def _fit_of_application(target: Target, world: World, folder: Path) -> tuple[Fit, str]:
    roomy = app_fit.roomy(world)

    def measured(load: Load, name: str, *arguments: str) -> Measured:
        return _measured(target, roomy, load, _fresh(folder, f"calibration-{name}"), arguments)

    singles = [measured(SINGLE, f"single-{n}") for n in range(SINGLES)]
    rounds = [measured(BUSY, f"busy-{n}") for n in range(BUSY_ROUNDS)]
    fresh = None
    if world.app.wsgi and world.app.threads > 1:
        fresh = measured(BUSY, "connections", app_fit.NEW_CONNECTIONS)
    newcomers = measured(app_fit.NEWCOMERS, "newcomers")
    loads = app_fit.Loads(singles, rounds, fresh, newcomers)
    fit = app_fit.fitted(_config(target), world, loads, folder)
    return fit, app_fit.fragment(fit.world)


def _fit_of_ticket_service(target: Target, world: World, folder: Path) -> tuple[Fit, str]:
    # The config's own load may want more of them; a single one of the calibration wants few.
    users = max(_FEWEST_USERS, _world(dataclasses.replace(target, scale=1.0)).catalogue.users)
    changes = (*target.assignments, *_ROOMY, f"catalogue.users={users}")
    whole = dataclasses.replace(target, scale=1.0, assignments=changes)
    catalogue = _world(whole).catalogue

    def roomy(world: World) -> World:
        return dataclasses.replace(world, catalogue=catalogue)

    def measured(load: Load, name: str) -> Measured:
        return _measured(whole, roomy(world), load, _fresh(folder, f"calibration-{name}"))

    singles = [measured(SINGLE, f"single-{n}") for n in range(SINGLES)]
    rounds = [measured(BUSY, f"busy-{n}") for n in range(BUSY_ROUNDS)]
    fit = ticket_fit.fitted(world, singles, rounds, roomy, folder)
    return fit, ticket_fit.fragment(fit.world)


def _measured(
    target: Target, world: World, load: Load, folder: Path, arguments: Sequence[str] = ()
) -> Measured:
    """A calibration's load on a service of its own."""
    timeout_s = world.generator.request_timeout_s
    script = calibration_script(world, load, base_url=_BASE_URL, timeout_s=timeout_s)
    with served(target, world, folder) as url:
        driven = drive(script, url, folder, at_most_s=length_s(load), arguments=arguments)
    return Measured(read_output(str(driven.output)), driven.taken)


def compared(predicted: Sequence[Numbers], measured: Numbers | None) -> list[LiveNumber]:
    """Each number of either side: the prediction's median and interval, and the measured value.

    Without measured numbers nothing is judged.
    """
    real = measured or {}
    names = list(dict.fromkeys([*real, *(name for run in predicted for name in run)]))
    rows = [_row(name, predicted, real.get(name)) for name in names]
    if measured is None:
        for row in rows:
            row["measured"] = row["inside"] = None
    return rows


def _row(name: str, predicted: Sequence[Numbers], measured: float | None) -> LiveNumber:
    kind = kind_of(name)
    counted = kind != "duration"
    # No request of a kind is a count of zero, but it is no latency.
    values = [run.get(name, 0.0) for run in predicted] if counted else []
    values = values or [run[name] for run in predicted if name in run]
    interval = ranked_pi95(values)
    if interval is None:
        interval = count_pi95(values) if kind == "count" else pi95(values)
    if measured is None and counted:
        measured = 0.0
    inside = None
    if interval is not None and measured is not None:
        inside = interval[0] <= measured <= interval[1]
    return LiveNumber(
        name=name,
        simulated=statistics.median(values) if values else None,
        pi95=interval,
        measured=measured,
        inside=inside,
    )


def _script(world: World) -> str:
    return k6_script(
        world,
        {},
        base_url=_BASE_URL,
        timeout_s=world.generator.request_timeout_s,
    )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder to keep files in, or a temporary one."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ticketsim-") as name:
            yield Path(name)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise OutputError(f"--out {keep}: not empty; allowed: a new or empty folder")
    except OSError as error:
        raise OutputError(f"--out {keep}: {error.strerror}") from error
    yield keep


def _fresh(folder: Path, name: str) -> Path:
    fresh = folder / name
    fresh.mkdir()
    return fresh
