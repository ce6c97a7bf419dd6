"""What a simulated world consists of, as one tree of frozen dataclasses.

`World` is the whole input of a run besides the seed. Every field says what it means, its unit,
where its default comes from and which range is plausible (`Setting`); limits that no value may
cross are `annotated_types` constraints. Sources are abbreviated: "incident" is the incident
report and its load description, "measured" the runs of the real system, "Tomcat", "HikariCP",
"k6", "InnoDB", "Spring", "Linux" the defaults in that software's documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from model.policy import Policy
from model.setting import Setting
from sim.customers.settings import Customer
from sim.faults.settings import Fault
from sim.load.settings import Load, RampingVUs
from sim.redis.settings import RedisSettings
from sim.search import Search


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is on sale and who may buy: the rows in the database before the run."""

    users: Annotated[
        int,
        Gt(0),
        Le(1_000_000),
        Setting(
            "registered users; virtual user k uses user id k",
            "users",
            "incident: 30,000 and 2 spare",
            1,
            1e6,
        ),
    ] = 30_002
    capacity: Annotated[
        int,
        Gt(0),
        Setting(
            "people let in at once (concert.capacity)",
            "people",
            "incident: 50 in the repository's sample data, 5,000 in the plan",
            1,
            50_000,
        ),
    ] = 5_000
    seats: Annotated[
        int,
        Gt(0),
        Le(1_000_000),
        Setting(
            "seats of the one schedule on sale", "seats", "incident: the plan's 20,000", 1, 200_000
        ),
    ] = 20_000
    seat_price: Annotated[
        int, Ge(0), Setting("price of a seat", "points", "assumed; points are ample", 0, 1e6)
    ] = 1_000
    user_points: Annotated[
        int,
        Ge(0),
        Setting("points each user starts with", "points", "measured: ample points", 0, 1e9),
    ] = 1_000_000
    opening_epoch_s: Annotated[
        int,
        Gt(0),
        Le(250_000_000_000),
        Setting(
            "wall-clock time of simulated second 0",
            "s since 1970",
            "incident: autumn 2024, any time serves",
            1e9,
            3e9,
        ),
    ] = 1_732_000_000
    opens_after_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "when the sale opens, after the load begins: before, people only line up; it has "
            "always been open when not given",
            "s",
            "incident: the sale was open before the load began",
            0,
            7_200,
        ),
    ] = None


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


@dataclass(frozen=True, slots=True)
class Pool:
    """The database connection pool."""

    connections: Annotated[
        int,
        Gt(0),
        Le(100_000),
        Setting("connections", "connections", "HikariCP: maximumPoolSize", 1, 1_000),
    ] = 10
    timeout_s: Annotated[
        float,
        Gt(0),
        Setting("longest wait for a connection", "s", "HikariCP: connectionTimeout", 0.25, 300),
    ] = 30.0
    barging: Annotated[
        bool,
        Setting(
            "whether a thread that asks just as a connection comes back goes before those that "
            "wait for one",
            source="HikariCP: ConcurrentBag; measured: few of very many borrows reach the timeout",
        ),
    ] = True
    slowdown: Annotated[
        float,
        Ge(1),
        Setting(
            "factor on how long a connection is away per borrow; above 1 only in scaled worlds",
            "",
            "1 by definition",
            1,
            1_000,
        ),
    ] = 1.0


@dataclass(frozen=True, slots=True)
class Database:
    """The relational database beyond its share of the host's CPU."""

    lock_wait_timeout_s: Annotated[
        float,
        Gt(0),
        Setting("longest wait for a row lock", "s", "InnoDB: innodb_lock_wait_timeout", 1, 3_600),
    ] = 50.0
    speed: Annotated[
        float,
        Gt(0),
        Setting(
            "speed of statements against the measured database", "", "1 = as measured", 0.01, 100
        ),
    ] = 1.0


@dataclass(frozen=True, slots=True)
class Broker:
    """The message broker behind the outbox."""

    available: Annotated[
        bool,
        Setting("whether sends succeed", source="incident: unknown; measured runs had a broker"),
    ] = True
    send_s: Annotated[
        float,
        Ge(0),
        Setting(
            "time of one acknowledged send",
            "s",
            "assumed: one loopback round trip with acks=1",
            0.0001,
            1,
        ),
    ] = 0.002
    max_block_s: Annotated[
        float,
        Ge(0),
        Setting(
            "how long a send blocks while the broker is away", "s", "Kafka: max.block.ms", 0, 300
        ),
    ] = 60.0
    listener_fails_probability: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting(
            "probability that the service's own listener fails on every event of the run, tries it "
            "nine times more and logs each attempt",
            "",
            "incident: nothing of it is reported; measured: 3 of 7 runs, all events of a run or "
            "none",
            0,
            1,
        ),
    ] = 0.0


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
            "speed of one core against the machine that was measured",
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
            "time slice: when all cores are busy, a thread woken for a connection or a lock waits "
            "for one of each thread that is to run before it",
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
            "a woken thread is placed at the average virtual run time: half of the runnable ones "
            "go before it, each for a slice or for what it has left to do if that is less; off, "
            "all of them go before it, for a whole slice",
            source="Linux 6.6 and later: place_entity and pick_eevdf in kernel/sched/fair.c",
        ),
    ] = False
    speed_varies: Annotated[
        bool,
        Setting(
            "whether the service's speed drifts as on the measured, shared machines: a new factor "
            "every ten seconds, its variation from the cost table",
            source="measured: docs/calibration.md, whole runs",
        ),
    ] = False
    system_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "memory of the operating system and everything not simulated",
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
            "what happens when the processes need more than the memory: slow down, kill the "
            "largest process, or the operator's end of the run",
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
    """What the processes beside the load generator hold."""

    jvm_start_mb: Annotated[
        float,
        Ge(0),
        Setting(
            "resident memory of the service when it has started",
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
            "requests over which it grows, evenly",
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


@dataclass(frozen=True, slots=True)
class Generator:
    """The load generator: its machine, its memory, its connections."""

    shares_host: Annotated[
        bool,
        Setting(
            "whether it runs on the service's machine",
            source="incident: everything on one developer machine",
        ),
    ] = False
    host: Annotated[Host, Setting("its own machine, when it has one")] = field(
        default_factory=lambda: Host(cores=16.0, memory_mb=262_144.0)
    )
    beside_service: Annotated[
        bool,
        Setting(
            "whether its cores are neighbours of the service's in one machine: when it fills them "
            "the service's own work takes longer, by the cost table's factor",
            source="measured: docs/calibration.md, whole runs",
        ),
    ] = False
    request_timeout_s: Annotated[
        float, Gt(0), Setting("longest wait for an answer", "s", "k6: 60 s", 1, 600)
    ] = 60.0
    dial_timeout_s: Annotated[
        float, Gt(0), Setting("longest wait for a connection", "s", "k6: 30 s", 1, 600)
    ] = 30.0
    local_ports: Annotated[
        int,
        Gt(0),
        Setting(
            "local ports towards one destination",
            "ports",
            "Linux: 28,232; macOS: 16,384",
            1_000,
            64_512,
        ),
    ] = 28_232
    connections: Annotated[
        Literal["kept", "per_iteration", "per_request"],
        Setting(
            "how long a user keeps its connection: as long as the service does, for an iteration "
            "(k6: noVUConnectionReuse), or for a request (k6: noConnectionReuse; HTTP/1.0)",
            source="k6: connections are kept",
        ),
    ] = "kept"
    time_wait_s: Annotated[
        float,
        Ge(0),
        Setting(
            "how long a port is taken after its user closed the connection first",
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
            source="Linux: net.ipv4.tcp_tw_reuse, 2 since 4.19; macOS has none, so 0",
        ),
    ] = 2
    mb_per_vu: Annotated[
        float | None,
        Ge(0),
        Setting("memory of one virtual user; the measured table's when not given", "MB"),
    ] = None
    mb_per_body_mb: Annotated[
        float | None,
        Ge(0),
        Setting(
            "memory kept per megabyte of response bodies read and printed; the measured table's "
            "when not given",
            "MB/MB",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Network:
    """Between load generator and service."""

    one_way_s: Annotated[
        float,
        Ge(0),
        Setting(
            "one-way delay beyond that of the loopback device, which the cost table has",
            "s",
            "incident: everything on one machine",
            0,
            0.5,
        ),
    ] = 0.0
    loss: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("probability that a connection attempt is lost", "", "loopback loses none", 0, 0.2),
    ] = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything a run depends on besides the seed."""

    policy: Annotated[Policy, Setting("behaviour of the service: one switch per defect")] = field(
        default_factory=Policy
    )
    customer: Annotated[Customer, Setting("behaviour of the load script's customers")] = field(
        default_factory=Customer
    )
    load: Annotated[Load, Setting("arrivals: one of the load generator's executors")] = field(
        default_factory=RampingVUs
    )
    catalogue: Annotated[Catalogue, Setting("what is on sale")] = field(default_factory=Catalogue)
    service: Annotated[Service, Setting("application server")] = field(default_factory=Service)
    pool: Annotated[Pool, Setting("database connection pool")] = field(default_factory=Pool)
    database: Annotated[Database, Setting("database")] = field(default_factory=Database)
    redis: Annotated[RedisSettings, Setting("Redis server")] = field(default_factory=RedisSettings)
    broker: Annotated[Broker, Setting("message broker")] = field(default_factory=Broker)
    host: Annotated[Host, Setting("the service's machine")] = field(default_factory=Host)
    memory: Annotated[Memory, Setting("memory of the processes on the service's machine")] = field(
        default_factory=Memory
    )
    generator: Annotated[Generator, Setting("load generator")] = field(default_factory=Generator)
    network: Annotated[Network, Setting("network")] = field(default_factory=Network)
    faults: Annotated[tuple[Fault, ...], Setting("what goes wrong, and when")] = ()
    search: Annotated[
        Search, Setting("other orders of events, and how closely invariants are watched")
    ] = field(default_factory=Search)
