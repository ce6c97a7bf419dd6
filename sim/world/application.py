"""The user's own application, simulated instead of the ticket service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class HttpStub:
    """A stub of another HTTP service: its response time and its answers."""

    latency_s: Annotated[
        float, Ge(0), Setting("mean response time", "s", "assumed: a near service", 0, 30)
    ] = 0.05
    jitter_s: Annotated[
        float,
        Ge(0),
        Setting(
            "the response time is uniform between the mean minus this and the mean plus this",
            "s",
            "assumed",
            0,
            30,
        ),
    ] = 0.0
    status: Annotated[
        int,
        Ge(100),
        Le(599),
        Setting("HTTP status of the answer", "", "RFC 9110: success", 100, 599),
    ] = 200
    body: Annotated[str, Setting("body of the answer, JSON")] = "{}"
    fails: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("share of requests that are answered with fail_status", "", "assumed: none", 0, 1),
    ] = 0.0
    fail_status: Annotated[
        int,
        Ge(100),
        Le(599),
        Setting("HTTP status of the failed requests", "", "RFC 9110: unavailable", 100, 599),
    ] = 503
    refuses: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("share of connections that are refused", "", "assumed: none", 0, 1),
    ] = 0.0


@dataclass(frozen=True, slots=True)
class Background:
    """Processes beside the web server: workers of a queue, a scheduler."""

    run: Annotated[
        str,
        Setting(
            "package.module:function that a process runs on simulated time, such as a loop over "
            "BLPOP or the start of a scheduler; also an `async def`. A process whose function "
            "raises is started again after app.boot_s; one whose function returns is over"
        ),
    ]
    name: Annotated[
        str, Setting('name; its code is charged as the segments of the endpoint "background NAME"')
    ] = "worker"
    processes: Annotated[
        int, Gt(0), Le(64), Setting("how many of them", "processes", "assumed: one", 1, 64)
    ] = 1


@dataclass(frozen=True, slots=True)
class Application:
    """The application, the server that runs it, and what its own code costs."""

    wsgi: Annotated[
        str,
        Setting(
            "import path of the WSGI application, package.module:name; package.module:name() "
            "calls a factory. With neither wsgi nor asgi the ticket service is simulated"
        ),
    ] = ""
    asgi: Annotated[
        str,
        Setting(
            "import path of the ASGI application (FastAPI, Starlette), package.module:name; "
            "package.module:name() calls a factory"
        ),
    ] = ""
    workers: Annotated[
        int, Gt(0), Le(64), Setting("worker processes", "processes", "gunicorn: workers", 1, 64)
    ] = 1
    threads: Annotated[
        int,
        Gt(0),
        Le(1_000),
        Setting(
            "threads of each worker; 1 is gunicorn's sync worker, more its gthread worker",
            "threads",
            "gunicorn: threads",
            1,
            1_000,
        ),
    ] = 1
    backlog: Annotated[
        int,
        Gt(0),
        Setting(
            "connections that the kernel queues until a worker accepts them",
            "connections",
            "gunicorn: backlog",
            64,
            65_536,
        ),
    ] = 2_048
    worker_connections: Annotated[
        int,
        Gt(0),
        Setting(
            "most open connections of a gthread worker",
            "connections",
            "gunicorn: worker_connections",
            1,
            100_000,
        ),
    ] = 1_000
    keepalive_s: Annotated[
        float,
        Ge(0),
        Setting(
            "idle time after which a gthread worker closes a connection",
            "s",
            "gunicorn: keepalive",
            0,
            300,
        ),
    ] = 2.0
    timeout_s: Annotated[
        float,
        Ge(0),
        Setting(
            "a sync worker that works on one request for longer than this is killed and "
            "started again; 0: never",
            "s",
            "gunicorn: timeout",
            0,
            3_600,
        ),
    ] = 30.0
    timeout_keep_alive_s: Annotated[
        float,
        Ge(0),
        Setting(
            "idle time after which the server of an ASGI application closes a connection",
            "s",
            "uvicorn: timeout_keep_alive",
            0,
            300,
        ),
    ] = 5.0
    limit_concurrency: Annotated[
        int,
        Ge(0),
        Setting(
            "open connections or requests of one worker of an ASGI application, from which on the "
            "worker answers 503; 0: no limit",
            "connections",
            "uvicorn: limit_concurrency",
            0,
            1e6,
        ),
    ] = 0
    lifespan: Annotated[
        Literal["auto", "on", "off"],
        Setting(
            "whether an ASGI application's startup is run before the first request, as "
            "uvicorn: lifespan. auto: an application that does not know it is served without"
        ),
    ] = "auto"
    max_requests: Annotated[
        int,
        Ge(0),
        Setting(
            "requests after which a worker is started again; 0: never",
            "requests",
            "gunicorn: max_requests",
            0,
            1e6,
        ),
    ] = 0
    boot_s: Annotated[
        float,
        Ge(0),
        Setting(
            "time that a new worker process takes until it serves",
            "s",
            "assumed: a start under load; the imports of Flask, SQLAlchemy and redis-py alone were "
            "timed as 0.3 s of processor time",
            0.1,
            120,
        ),
    ] = 1.0
    worker_mb: Annotated[
        float,
        Gt(0),
        Setting(
            "resident memory of a worker process",
            "MB",
            "timed: a process that has imported Flask, SQLAlchemy, redis-py and PyJWT has 60 MB",
            10,
            4_000,
        ),
    ] = 60.0
    prepare: Annotated[
        str,
        Setting(
            "package.module:function that writes the rows and keys that exist before the "
            "run. It is called once, after the import and before the load, and takes no "
            "simulated time"
        ),
    ] = ""
    invariants: Annotated[
        str,
        Setting(
            "package.module:function that checks invariants. It gets the rows and the Redis "
            "keys and returns {name: violations}; every number must be 0"
        ),
    ] = ""
    env: Annotated[
        dict[str, str],
        Setting(
            "environment variables of the application; variants of a comparison usually change "
            "these"
        ),
    ] = field(default_factory=dict)
    background: Annotated[
        tuple[Background, ...],
        Setting("processes beside the web server, each with its own copy of the code"),
    ] = ()
    http: Annotated[
        dict[str, HttpStub], Setting("other HTTP services that the application calls, by host name")
    ] = field(default_factory=dict)
    segments: Annotated[
        dict[str, float],
        Setting(
            'processor time of the code between two waits, in seconds, by "endpoint | wait '
            'before | wait after"; `ticketsim calibrate --app` measures it'
        ),
    ] = field(default_factory=dict)
    factors: Annotated[
        dict[str, Annotated[float, Gt(0)]],
        Setting(
            "factor on the processor time of an endpoint's segments: that of the real "
            "service, divided by that measured here; `ticketsim calibrate --app --k6` finds "
            "it. `*` stands for all other endpoints"
        ),
    ] = field(default_factory=dict)
    request_cv: Annotated[
        float | None,
        Ge(0),
        Setting(
            "coefficient of variation of the processor time of one request around its mean. Not "
            "given: that of the measured ticket service",
            "",
            "ticketsim calibrate --app measures it",
            0,
            3,
        ),
    ] = None
    live_env: Annotated[
        dict[str, str],
        Setting(
            "environment variables by which the application finds the real servers of ticketsim "
            "live. {database} and {redis} stand for URLs; {database_host}, {database_port}, "
            "{database_user}, {database_password}, {database_name}, {redis_host} and {redis_port} "
            "for their parts. Not given: DATABASE_URL and REDIS_URL"
        ),
    ] = field(default_factory=dict)
    calibration_env: Annotated[
        dict[str, str],
        Setting(
            "environment variables while ticketsim live --calibrate measures: so that nobody "
            "waits and nothing is sold out"
        ),
    ] = field(default_factory=dict)
    nagle: Annotated[
        bool,
        Setting(
            "whether the body of an ASGI application's answer waits for the client's "
            "acknowledgement of its head: a round trip, and 44 ms more for a client that asks "
            "within 40 ms of the answer before. So it is under uvicorn with several workers on "
            "asyncio's own loop, and not with one worker or with uvloop; ticketsim live serves "
            "with asyncio's loop, and --calibrate sets this key",
            source="RFC 896 and RFC 1122, 4.2.3.2; Linux's TCP_DELACK_MIN; timed on Linux 6.18",
        ),
    ] = False
    accept_s: Annotated[
        float,
        Ge(0),
        Setting(
            "processor time that the main thread of a gthread worker takes for a request before a "
            "thread of its pool has it: to accept the connection, or to see that an open one is "
            "readable. It takes one after the other under the interpreter's lock, and the worker "
            "that comes first has a new connection. 0: no time, and the worker with the least work "
            "accepts",
            "s",
            "gunicorn 27: gthread.py, accept and run; ticketsim live --calibrate measures it",
            0,
            0.01,
        ),
    ] = 0.0
    interpreter_wake_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "time that a thread on a machine with free cores takes to run once it was woken for "
            "the interpreter's lock; another thread may take the lock meanwhile, and the woken "
            "one waits again behind all others. While all cores are busy, a thread that was woken "
            "by a request or an answer waits until half of the runnable ones had their turns. Not "
            "given: threads have lock and core in order, at once",
            "s",
            "CPython: ceval_gil.c; timed: 3 us, a byte through a pipe to a sleeping thread",
            0,
            0.001,
        ),
    ] = None
    cold_s: Annotated[
        dict[str, float],
        Setting(
            "processor time by endpoint that a request takes beyond its segments as long as its "
            "worker process has answered no such request: first imports, statements that are "
            "compiled, new connections. Not given: the code is warm. ticketsim live --calibrate "
            "measures it"
        ),
    ] = field(default_factory=dict)
    segment_s: Annotated[
        float,
        Ge(0),
        Setting(
            "processor time of a segment that was never measured",
            "s",
            "timed: median of the 33 segments of examples/flask_shop/segments.toml",
            1e-6,
            0.1,
        ),
    ] = 430e-6
    driver_statement_s: Annotated[
        float,
        Ge(0),
        Setting(
            "processor time of the real database driver per statement; the driver itself is "
            "not simulated",
            "s",
            "timed: PyMySQL with MariaDB, a SELECT of one row (docs/how-to/your-own-service.md)",
            0,
            0.001,
        ),
    ] = 30e-6
    driver_row_s: Annotated[
        float,
        Ge(0),
        Setting(
            "processor time of the real database driver per row that it returns",
            "s",
            "timed: PyMySQL with MariaDB, rows of three columns",
            0,
            0.0001,
        ),
    ] = 2e-6
    redis_command_s: Annotated[
        float,
        Ge(0),
        Setting(
            "processor time of redis-py's socket and parser per command; both are not simulated",
            "s",
            "timed: redis-py with redis-server (docs/how-to/your-own-service.md)",
            0,
            0.001,
        ),
    ] = 9e-6
    exception_s: Annotated[
        float,
        Ge(0),
        Setting(
            "processor time of logging one stack trace",
            "s",
            "timed: logging.exception to a file, 15 frames, Python 3.11",
            0,
            0.01,
        ),
    ] = 230e-6
    memory_limit_mb: Annotated[
        float,
        Gt(0),
        Setting(
            "the run ends with an error when the simulating process uses more real memory "
            "than this",
            "MB",
            "chosen: a machine of 8 GB stays usable",
            100,
            1e6,
        ),
    ] = 6_000.0
    patience_s: Annotated[
        float,
        Gt(0),
        Setting(
            "the run ends with an error when simulated time stands still for this much real "
            "time: the application is in an endless loop, or waits for a lock that no "
            "simulated thread releases",
            "s",
            "chosen: a hundred times the slowest request seen",
            1,
            3_600,
        ),
    ] = 20.0
    keep_modules: Annotated[
        Literal["auto", "yes", "no"],
        Setting(
            "import the application's modules only once, for all workers and runs; needed by "
            "libraries that keep modules in a registry, such as Django. auto: on if the "
            "application's modules are in Django's registry"
        ),
    ] = "auto"

    @property
    def path(self) -> str:
        """Import path of the application; empty where the ticket service is simulated."""
        return self.asgi or self.wsgi

    @property
    def key(self) -> str:
        """The key that names the application, as messages show it."""
        return "app.asgi" if self.asgi else "app.wsgi"
