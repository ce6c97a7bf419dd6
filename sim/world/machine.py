"""The service's machine and the memory of the programs on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Host:
    """One machine: cores and memory shared by the processes on it."""

    cores: Annotated[
        float,
        Gt(0),
        Le(4_096),
        Setting("processor cores", "cores", "incident: unknown; 8 is a fair prior", 1, 128),
    ] = 8.0
    memory_mb: Annotated[
        float,
        Gt(0),
        Setting("memory", "MB", "incident: unknown; 16 GB is a fair prior", 1_024, 1e6),
    ] = 16_384.0
    speed: Annotated[
        float,
        Gt(0),
        Setting(
            "speed of one core relative to the measured machine",
            "",
            "assumed: a developer machine of the day is somewhat faster than a shared server core",
            0.25,
            4,
        ),
    ] = 1.0
    slice_s: Annotated[
        float,
        Ge(0),
        Setting(
            "time slice of the scheduler: when all cores are busy, a thread woken for a "
            "connection or a lock waits one slice for each thread that runs before it",
            "s",
            "Linux 6.12 and later: base_slice_ns (0.75 to 3 ms before); measured: a few of some "
            "9,000 borrows reach the timeout, hardly one at 0.5 ms, dozens at 1.5 ms",
            0.0003,
            0.004,
        ),
    ] = 0.0007
    wakes_at_average: Annotated[
        bool,
        Setting(
            "a woken thread is placed at the average virtual run time: half of the runnable "
            "threads run before it, each for one slice or for its remaining work if that is "
            "shorter. Off: all runnable threads run before it, each for a whole slice",
            source="Linux 6.6 and later: place_entity and pick_eevdf in kernel/sched/fair.c",
        ),
    ] = False
    run_queue: Annotated[
        bool,
        Setting(
            "threads run one at a time, each until it waits or has used up `slice_s`, in the order "
            "of Linux's scheduler; who is woken, also by an answer of database or Redis, waits for "
            "a turn, or interrupts a thread that has run more than the average. One core at most. "
            "Off: the runnable threads share the cores evenly at every instant",
            source="Linux 6.12 and later: pick_eevdf, place_entity, check_preempt_wakeup_fair and "
            "update_curr in kernel/sched/fair.c (sim/machines/run_queue.py)",
        ),
    ] = False
    speed_varies: Annotated[
        bool,
        Setting(
            "whether the service's speed drifts, as it did on the measured, shared machines: "
            "the speed factor changes every ten seconds, with the variation in the cost table",
            source="measured: docs/calibration.md, whole runs",
        ),
    ] = False
    system_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "memory of the operating system and of all programs that are not simulated",
            "MB",
            "assumed: desktop, editor and browser of a developer",
            0,
            32_768,
        ),
    ] = 4_096.0
    swap_slowdown: Annotated[
        float,
        Ge(1),
        Setting(
            "factor on all CPU work per unit of memory over-commitment "
            "(1 + (factor - 1) x share of the demand beyond memory)",
            "",
            "assumed: a page fault to flash storage costs about 100 us against 0.1 us",
            1,
            1_000,
        ),
    ] = 20.0
    on_memory_exhausted: Annotated[
        Literal["swap", "kill", "end_run"],
        Setting(
            "what happens when the processes need more memory than the machine has: slow "
            "down, kill the largest process, or the operator's end of the run",
            source="incident: unknown; measured: a 20,000-seat run was stopped at 20 GB",
        ),
    ] = "swap"
    swap_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "swap space; beyond memory and swap the largest process is killed",
            "MB",
            "assumed: equal to memory on a developer machine",
            0,
            262_144,
        ),
    ] = 16_384.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of the processes besides the load generator."""

    jvm_start_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "resident memory of the service just after its start",
            "MB",
            "measured: 0.54 to 0.7 GB in fresh services, jvm_rss_mb of the runs",
            128,
            32_768,
        ),
    ] = 600.0
    jvm_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "resident memory of the service once it has grown",
            "MB",
            "measured: 0.7 to 1.4 GB at -Xmx4g",
            256,
            32_768,
        ),
    ] = 1_400.0
    jvm_grown_after: Annotated[
        int,
        Gt(0),
        Setting(
            "requests over which the service's memory grows, evenly",
            "requests",
            "measured: most of the growth in the first 20 s of the runs, some 5,000 requests",
            100,
            1_000_000,
        ),
    ] = 5_000
    database_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "resident memory of the database",
            "MB",
            "InnoDB: 128 MB buffer pool and overhead",
            100,
            65_536,
        ),
    ] = 400.0
    broker_mb: Annotated[
        float,
        Ge(0),
        Setting("resident memory of the broker", "MB", "Kafka: 1 GB default heap", 0, 32_768),
    ] = 1_000.0
