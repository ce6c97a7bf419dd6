"""The application server: threads, connections, and the requests it answered before the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from annotated_types import Ge, Gt, Le

from model.setting import Setting

OTHER_ENDPOINTS: Final = "*"
"""In a table of endpoints: all that are not named."""
_BEFORE = "measured: pool borrows before each load (docs/calibration.md); counts not per run"


def factor_of(factors: Mapping[str, float], endpoint: str) -> float:
    """The factor of an endpoint's processor time: its own, or that of all others, or 1."""
    return factors.get(endpoint, factors.get(OTHER_ENDPOINTS, 1.0))


@dataclass(frozen=True, slots=True)
class RequestsBefore:
    """Requests of each kind that the service answered before the load; they warmed up its code."""

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
        int,
        Gt(0),
        Setting(
            "worker threads, of all instances together", "threads", "Tomcat: maxThreads", 1, 2_000
        ),
    ] = 200
    accept_count: Annotated[
        int,
        Ge(0),
        Setting(
            "backlog of the listening socket. Once max_connections are open, Linux queues "
            "one connection more than this. 0 stands for 50, as in Java's ServerSocket",
            "connections",
            "Tomcat: acceptCount; measured: 10 + 6 connections at maxConnections 10, acceptCount 5",
            0,
            10_000,
        ),
    ] = 100
    max_connections: Annotated[
        int,
        Gt(0),
        Setting(
            "most connections served at the same time, of all instances together",
            "connections",
            "Tomcat: maxConnections",
            1,
            100_000,
        ),
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
            "share of connections that the service closes first, among those that end after "
            'an answer with "Connection: close". The side that closes first keeps its port '
            "in TIME-WAIT. The service always closes idle connections first",
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
            "how long before the load the service started; this sets when the sweep runs",
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
            "the load begins up to this much earlier or later, uniformly, drawn from the seed",
            "s",
            "none: an exact start; measured: 0.5 s of scatter between runs",
            0,
            60,
        ),
    ] = 0.0
    factors: Annotated[
        dict[str, Annotated[float, Gt(0)]],
        Setting(
            "factor on the service's own processor time for the requests of an endpoint, such as "
            '"GET /v1/token/check"; `*` stands for all other endpoints; none given: 1',
            source="1 = as measured; ticketsim live --calibrate measures that of another service",
        ),
    ] = field(default_factory=dict)
    warm: Annotated[
        bool,
        Setting(
            "start with code that is already compiled (hot) instead of warming up",
            source="measured: runs start cold",
        ),
    ] = False
    costs_uncertain: Annotated[
        bool,
        Setting(
            "each run draws its costs within their calibration errors. Replications then "
            "show how far a prediction may be off, not only how much runs scatter",
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
            "a measured run that is left out when the cost table is fitted, so that this run "
            "can be compared with it",
            source="none: every run that was measured for the calibration is used",
        ),
    ] = "none"
    null_monitor: Annotated[
        bool,
        Setting(
            "what a null dereference takes more than another logged exception is done by one "
            "thread at a time, under a monitor of the virtual machine. Off: by all at once",
            source="measured: while null dereferences are what most requests end with, their "
            "threads wait and those of other logged exceptions do not (docs/validation.md); "
            "OpenJDK 17: objectMonitor.cpp. What it guards there is not known",
        ),
    ] = False
    logs_gone_clients: Annotated[
        bool,
        Setting(
            "when the client has closed its connection, an answer that takes several writes "
            "is logged as an exception. Off: the answer is lost without a log record",
            source="measured: 1,374 AsyncRequestNotUsableException in C_literal_cap20000_3000, "
            "1,229 lists of seats timed out; Tomcat writes 8 KiB at a time",
        ),
    ] = True
    requests_before: Annotated[
        RequestsBefore, Setting("requests that warmed up the code before the load began")
    ] = field(default_factory=RequestsBefore)
    restart_after_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "time from when the kernel kills the service until the service is up again, with "
            "cold code. Not given: it stays down",
            "s",
            "incident: unknown; by hand, so not within a run",
        ),
    ] = None
