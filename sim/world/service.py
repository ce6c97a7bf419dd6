"""The application server: threads, connections, what it did before the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from model.setting import Setting

_BEFORE = "measured: pool borrows before each load (docs/calibration.md); counts not per run"


@dataclass(frozen=True, slots=True)
class RequestsBefore:
    """Requests that the service answered before the load, of each kind: they warmed its code up."""

    generation: Annotated[
        int, Ge(0), Setting("token generations", "requests", _BEFORE, 0, 100_000)
    ] = 0
    check: Annotated[int, Ge(0), Setting("token checks", "requests", _BEFORE, 0, 100_000)] = 0
    dates: Annotated[int, Ge(0), Setting("lists of dates", "requests", _BEFORE, 0, 100_000)] = 0
    seats: Annotated[int, Ge(0), Setting("lists of seats", "requests", _BEFORE, 0, 100_000)] = 0


@dataclass(frozen=True, slots=True)
class Service:
    """The application server: its code, connector, worker threads, scheduler start."""

    code: Annotated[
        str,
        Setting(
            "import path of the service's class, package.module:Class, a subclass of "
            "model.service.TicketService; its code is run"
        ),
    ] = "model.service:TicketService"
    threads: Annotated[
        int, Gt(0), Setting("worker threads", "threads", "Tomcat: maxThreads", 1, 2_000)
    ] = 200
    accept_count: Annotated[
        int,
        Ge(0),
        Setting(
            "backlog of the listening socket: Linux queues one connection more than that once "
            "max_connections are open; 0 stands for 50, as in Java's ServerSocket",
            "connections",
            "Tomcat: acceptCount; measured: 10 + 6 connections at maxConnections 10, acceptCount 5",
            0,
            10_000,
        ),
    ] = 100
    max_connections: Annotated[
        int,
        Gt(0),
        Setting("connections served at once", "connections", "Tomcat: maxConnections", 1, 100_000),
    ] = 8_192
    keep_alive_requests: Annotated[
        int,
        Gt(0),
        Setting(
            "requests after which a connection is closed",
            "requests",
            "Tomcat: maxKeepAliveRequests",
            1,
            1_000_000,
        ),
    ] = 100
    closes_first_share: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting(
            "share of the connections closed after an answer that says so which the service closes "
            "before the client does, and then has in TIME-WAIT itself; idle ones it always closes",
            "",
            "assumed: 0, so that no port is free too early; measured: a race, 0.16 (the client "
            "asked for the end) to 0.65 with k6 1.8 and Tomcat 10.1, to 0.8 with a bare socket",
            0,
            1,
        ),
    ] = 0.0
    connection_timeout_s: Annotated[
        float,
        Gt(0),
        Setting(
            "idle time after which a connection is closed",
            "s",
            "Tomcat: connectionTimeout, also keepAliveTimeout",
            1,
            300,
        ),
    ] = 20.0
    async_threads: Annotated[
        int,
        Gt(0),
        Setting(
            "threads of the asynchronous task executor",
            "threads",
            "Spring Boot: task.execution.pool.core-size",
            1,
            200,
        ),
    ] = 8
    redis_timeout_s: Annotated[
        float,
        Gt(0),
        Setting("longest wait for an answer of Redis", "s", "Lettuce: commandTimeout", 0.1, 300),
    ] = 60.0
    started_before_s: Annotated[
        float,
        Ge(0),
        Setting(
            "how long before the load the service started; sets the phase of the sweep",
            "s",
            "measured: load started 20 s after the service",
            0,
            3_600,
        ),
    ] = 20.0
    start_jitter_s: Annotated[
        float,
        Ge(0),
        Setting(
            "the load begins up to so much earlier or later than that, uniformly, by the seed",
            "s",
            "none: an exact start; measured: 0.5 s of scatter between runs",
            0,
            60,
        ),
    ] = 0.0
    warm: Annotated[
        bool,
        Setting(
            "start with code already compiled (hot) instead of warming up",
            source="measured: runs start cold",
        ),
    ] = False
    costs_uncertain: Annotated[
        bool,
        Setting(
            "each run draws its costs within the errors of their calibration, so that replications "
            "tell how far a prediction may be off and not only how runs scatter",
            source="measured: standard errors and correlations of the fits (docs/calibration.md)",
        ),
    ] = False
    costs_without: Annotated[
        Literal[
            "none",
            "C_cap20000_1000",
            "C_cap20000_1000_r2",
            "C_cap20000_1000_r3",
            "C_cap50_1000",
            "C_cap50_1000_r2",
            "D_cap50_fix12",
            "D_cap50_sweep",
        ],
        Setting(
            "a measured run that the cost table is fitted without, for a comparison with this run",
            source="none: all that were measured for the calibration",
        ),
    ] = "none"
    one_log: Annotated[
        bool,
        Setting(
            "logged exceptions are written one after the other, under a lock with a queue that "
            "running threads overtake; off, they are written in parallel",
            source="measured: checks that log wait far longer than requests that do not, and "
            "connections are free meanwhile (docs/validation.md); logback: OutputStreamAppender "
            "writes under a ReentrantLock that is not fair",
        ),
    ] = False
    logs_gone_clients: Annotated[
        bool,
        Setting(
            "an answer that takes several writes and whose client has closed its connection is "
            "logged as an exception; off, it is lost without a trace",
            source="measured: 1,374 AsyncRequestNotUsableException in C_literal_cap20000_3000, "
            "1,229 lists of seats timed out; Tomcat writes 8 KiB at a time",
        ),
    ] = True
    requests_before: Annotated[
        RequestsBefore, Setting("what warmed the code up before the load began")
    ] = field(default_factory=RequestsBefore)
    restart_after_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "time from being killed by the kernel until it is up again, with cold code; never "
            "when not given",
            "s",
            "incident: unknown; by hand, so not within a run",
        ),
    ] = None
