"""One run: a world and a seed in, a result out.

`play` tells what happens in which order, `sim.wiring` has the parts that it happens to, and
`sim.make_result` reads them afterwards.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.app.errors import ApplicationError, exited
from sim.kernel.errors import StuckCodeError, UserCodeError
from sim.make_result import make_result, other_metrics
from sim.measure.watched import EVERY_S, NOTHING, THRESHOLD_CROSSED, UnderWay, Watched
from sim.progress import Progress
from sim.result import COMPLETED, INTERRUPTED
from sim.scale import scaled
from sim.wiring import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sim.kernel.environment import Environment, Steps
    from sim.kernel.race_search import Stall
    from sim.measure.requests import Listener, Sample
    from sim.progress import OnProgress
    from sim.result import RunResult
    from sim.world import World

_PROGRESS_INTERVAL_S = 1.0
_JUDGED_EVERY_S = 10.0
_DRAIN_S = 60.0
_ALLOCATIONS_PER_COLLECTION = 200_000
_RESERVE_BYTES = 64_000_000
"""Kept for making the result of a run whose memory runs out; never touched, so never resident."""


def simulate(
    world: World,
    seed: int,
    *,
    scale: float = 1.0,
    progress: OnProgress | None = None,
    listener: Listener | None = None,
    sampler: Callable[[Sample], None] | None = None,
    watched: Watched = NOTHING,
    on_kernel: Callable[[Environment], None] | None = None,
) -> RunResult:
    """Run `world` once, at `scale` times its size (see `sim.scale`).

    `progress` is called once per simulated second; if it returns true the run ends there and its
    result is marked as interrupted. `listener` is told of every request as it ends, `sampler`
    all about it. `watched` says which percentiles to measure, and what ends the run early.
    `on_kernel` is given the kernel before anything happens; it may look at it from another thread.
    The result depends on the arguments only.
    """
    with _parts_of(scaled(world, scale), scale, seed, watched) as parts:
        parts.log.listener = listener
        parts.log.sampler = sampler
        if on_kernel is not None:
            on_kernel(parts.env)
        play(parts, progress)
        return make_result(parts)


def simulate_with_stalls(world: World, seed: int) -> tuple[RunResult, tuple[Stall, ...]]:
    """Run `world` once; return its result and the stalls that its threads met.

    With these stalls instead of random ones the world gives the same run again.
    """
    with _parts_of(world, 1.0, seed) as parts:
        play(parts)
        return make_result(parts), tuple(parts.server.stalls.made)


@contextmanager
def _parts_of(world: World, size: float, seed: int, watched: Watched = NOTHING) -> Iterator[Parts]:
    """Make the parts of a run, and end all of its threads afterwards."""
    with _seldom_garbage_collected():
        parts = _kind(world)(world, size, seed, watched)
        try:
            with parts.alive():
                yield parts
        finally:
            parts.close()


def _kind(world: World) -> type[Parts]:
    """The kind of parts for this world: the ticket service's, or an application's."""
    if not world.app.path:
        return Parts
    from sim.app.parts import ApplicationParts  # noqa: PLC0415 - its libraries are an extra

    return ApplicationParts


@contextmanager
def _seldom_garbage_collected() -> Iterator[None]:
    """Look for garbage cycles seldom: a run makes hardly any, and has a million live objects."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def play(parts: Parts, progress: OnProgress | None = None) -> None:
    """Let everything happen, from the start of the service to its last answer.

    A run whose memory runs out ends there, and what was measured is kept.
    """
    reserve = b""
    try:
        reserve = bytes(_RESERVE_BYTES)
        _play(parts, progress)
    except MemoryError:
        del reserve
        parts.load_ended_s = parts.load_ended_s or parts.env.now
        parts.end.early(INTERRUPTED)
        after_s = max(0.0, parts.env.now - parts.site.start_s)
        parts.end.note = (
            f"memory ran out after {after_s:.0f} s: the system gave no more; what was measured "
            "until then is kept"
        )


def _play(parts: Parts, progress: OnProgress | None) -> None:
    try:
        _start_programs(parts)
        _start_load(parts)
        if progress is not None:
            parts.env.process(_report(parts, progress))
        if parts.watched.stops:
            parts.env.process(_judge(parts))
        parts.env.run(until=parts.executor.all_done)
    except (UserCodeError, StuckCodeError, ApplicationError) as error:
        parts.end.failed(error)
    except SystemExit as error:
        parts.end.failed(UserCodeError(exited(error)))
    except MemoryError:
        raise
    except Exception as error:
        failure = parts.user_processes.failure_of(error)
        if failure is None:
            raise
        parts.end.failed(failure)
    parts.load_ended_s = parts.env.now
    if parts.end.reason == COMPLETED:
        _drain(parts)


def _start_programs(parts: Parts) -> None:
    """Start the service with its scheduler and the machines, and let them run until the load."""
    parts.server.start()
    parts.generator.start()
    parts.interference.start()
    parts.programs.start()
    if parts.load_begins_s > 0.0:
        parts.env.run(until=parts.load_begins_s)


def _start_load(parts: Parts) -> None:
    """Start the users, and with them the measurements and the clock of the faults."""
    parts.site.start_s = parts.env.now
    parts.series.start()
    if parts.inspection is not None:
        parts.inspection.start()
    parts.faults.start()
    parts.executor.start()
    parts.user_processes.start()
    parts.generator.initialised_vus = parts.executor.allocated_vus


def _drain(parts: Parts) -> None:
    """Let the service finish what it has begun; nobody waits for the answers any more."""
    env, server = parts.env, parts.server
    give_up_s = env.now + _DRAIN_S
    while server.busy and env.now < give_up_s:
        env.run(until=env.now + 1.0)


def _judge(parts: Parts) -> Steps:
    """Look at the thresholds that end the load, as often as k6 does, until one is crossed.

    As in k6 the load ends there, and what is under way is interrupted, without a graceful period.
    """
    while not parts.crossed:
        yield parts.env.timeout(EVERY_S)
        parts.crossed = _crossed(parts)
    parts.end.early(THRESHOLD_CROSSED)


def _crossed(parts: Parts) -> str:
    """The threshold that is crossed now, and when; empty if none is."""
    now_s = parts.env.now - parts.site.start_s
    so_far = _so_far(parts, now_s)
    for stop in parts.watched.stops:
        if stop.not_before_s <= now_s and stop.is_crossed(so_far):
            return (
                f"{stop.name}: crossed after {now_s:g} s; abortOnFail ended the load there, and "
                "interrupted what was under way"
            )
    return ""


def _so_far(parts: Parts, now_s: float) -> UnderWay:
    return UnderWay(now_s, parts.log, parts.loads.logs, lambda: other_metrics(parts, now_s))


def _report(parts: Parts, progress: OnProgress) -> Steps:
    """Tell how far the run is, now and once per simulated second, until asked to end the run."""
    while not progress(_progress_of(parts)):
        yield parts.env.timeout(_PROGRESS_INTERVAL_S)
        _note_failing(parts)
    parts.end.early(INTERRUPTED)


def _note_failing(parts: Parts) -> None:
    """Note for whoever watches the run what it already fails in, every ten simulated seconds."""
    judge, now_s = parts.watched.judge, parts.env.now - parts.site.start_s
    if judge and now_s >= _JUDGED_EVERY_S and now_s % _JUDGED_EVERY_S < _PROGRESS_INTERVAL_S:
        parts.failing = judge(_so_far(parts, now_s))


def _progress_of(parts: Parts) -> Progress:
    start_s = parts.site.start_s
    exceptions = parts.server.charges.exception_counts()
    return Progress(
        now_s=parts.env.now - start_s,
        end_s=parts.executor.end_s - start_s,
        requests=parts.log.requests,
        failed=parts.log.failed,
        vus=parts.executor.active_vus,
        waiting=parts.watch.waiting(),
        top_exception=exceptions.most_common(1)[0][0] if exceptions else "",
        failing=parts.failing,
    )


__all__ = ["Progress", "play", "simulate", "simulate_with_stalls"]
