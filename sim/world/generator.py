"""The load generator's program, connections and machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from model.setting import Setting
from sim.world.machine import Host


@dataclass(frozen=True, slots=True)
class Generator:
    """The load generator: its machine, its memory, its connections."""

    shares_host: Annotated[
        bool,
        Setting(
            "whether the load generator runs on the service's machine",
            source="incident: everything on one developer machine",
        ),
    ] = False
    host: Annotated[
        Host, Setting("the load generator's own machine, used unless it shares the service's")
    ] = field(default_factory=lambda: Host(cores=16.0, memory_mb=262_144.0))
    speed: Annotated[
        float,
        Gt(0),
        Setting(
            "speed of the load generator's code against that of the measured k6 and its script",
            "",
            "1 = as measured; ticketsim live --calibrate measures it",
            0.05,
            20,
        ),
    ] = 1.0
    vu_start_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "processor time of a user's first iteration beyond that of the others; not given: the "
            "measured value, at generator.speed",
            "s",
            "measured: docs/calibration.md, 4.9 ms; ticketsim live --calibrate measures it",
            0,
            0.05,
        ),
    ] = None
    beside_service: Annotated[
        bool,
        Setting(
            "whether the generator's cores and the service's cores are in one physical "
            "machine. If so, a generator that keeps its cores busy slows the service down by "
            "the cost table's factor",
            source="measured: docs/calibration.md, whole runs",
        ),
    ] = False
    scheduler: Annotated[
        Literal["go", "even"],
        Setting(
            "which users run first while finished users spin: in the order of Go's "
            "scheduler, or all users alike",
            source="Go 1.26: runtime/proc.go; k6 1.8: output/manager.go; generator_spin.csv",
        ),
    ] = "go"
    console_lines: Annotated[
        bool,
        Setting(
            "whether scripts write a console line per answer and per spinning iteration. All "
            "lines are written under one mutex, and a preempted user may hold that mutex",
            source="incident: its load script; logrus 1.9 entry.go",
        ),
    ] = True
    request_timeout_s: Annotated[
        float, Gt(0), Setting("longest wait for an answer", "s", "k6: 60 s", 1, 600)
    ] = 60.0
    dial_timeout_s: Annotated[
        float, Gt(0), Setting("longest wait for a connection", "s", "k6: 30 s", 1, 600)
    ] = 30.0
    dials_outlive_requests: Annotated[
        bool,
        Setting(
            "whether a dial goes on when its request has timed out, and its connection is kept "
            "for a later request. Off: it ends with its request",
            source="Go 1.23 and later: net/http transport.go, getConn",
        ),
    ] = True
    local_ports: Annotated[
        int,
        Gt(0),
        Setting(
            "local ports available for connections to one destination",
            "ports",
            "Linux: 28,232; macOS: 16,384",
            1_000,
            64_512,
        ),
    ] = 28_232
    connections: Annotated[
        Literal["kept", "per_iteration", "per_request"],
        Setting(
            "how long a user keeps its connection: until the service closes it, for one "
            "iteration (k6: noVUConnectionReuse), or for one request (k6: noConnectionReuse; "
            "HTTP/1.0)",
            source="k6: connections are kept",
        ),
    ] = "kept"
    max_rps: Annotated[
        float | None,
        Gt(0),
        Setting(
            "most requests per second of all users together; further requests wait before "
            "they are sent, and this wait is not measured. Not given: no limit",
            "requests/s",
            "k6: rps, no limit",
            1,
            1e6,
        ),
    ] = None
    min_iteration_s: Annotated[
        float,
        Ge(0),
        Setting(
            "shortest time from the start of an iteration to the start of the user's next "
            "iteration: after a shorter iteration the user waits; iteration_duration does "
            "not count the wait",
            "s",
            "k6: minIterationDuration, 0",
            0,
            3_600,
        ),
    ] = 0.0
    time_wait_s: Annotated[
        float,
        Ge(0),
        Setting(
            "how long a port stays in TIME-WAIT after the user closed the connection first",
            "s",
            "Linux: TCP_TIMEWAIT_LEN; macOS: 30 s, twice net.inet.tcp.msl",
            0,
            240,
        ),
    ] = 60.0
    tcp_tw_reuse: Annotated[
        Literal[0, 1, 2],
        Setting(
            "whether a port in TIME-WAIT can be used again after a second: 0 never, 1 always, 2 "
            "where network.one_way_s is 0 (the loopback device)",
            "",
            "Linux: net.ipv4.tcp_tw_reuse, 2 since 4.19; macOS has none, so 0",
            0,
            2,
        ),
    ] = 2
    mb_per_vu: Annotated[
        float | None,
        Ge(0),
        Setting("memory of one virtual user; not given: the measured value", "MB"),
    ] = None
    mb_per_body_mb: Annotated[
        float | None,
        Ge(0),
        Setting(
            "memory kept per megabyte of response bodies read and printed; not given: the "
            "measured value",
            "MB/MB",
        ),
    ] = None
