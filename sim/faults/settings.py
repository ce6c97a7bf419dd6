"""The faults of a config, `[[faults]]`: each with its kind and time.

A fault happens once, at `at_s`, unless it says otherwise: `probability` lets the seed decide
whether it happens at all, `mean_interval_s` repeats it at random times. What is random is drawn
from a stream of its own for each fault, so that faults change neither arrivals nor one another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from model.setting import Setting

AtS = Annotated[
    float, Ge(0), Setting("when it happens, after the load began", "s", low=0, high=3_600)
]
OverS = Annotated[
    float, Ge(0), Setting("how long it takes, evenly; 0: all at once", "s", low=0, high=3_600)
]
Share = Annotated[float, Gt(0), Le(1), Setting("which share of them", low=0.001, high=1)]

_OUR_CHOICE = "ours: once, for certain, as long as nothing else is asked for"


@dataclass(frozen=True, slots=True)
class Occasion:
    """When a fault happens."""

    kind: str
    at_s: AtS
    mean_interval_s: Annotated[
        float,
        Ge(0),
        Setting(
            "it happens again and again, at random times with this mean interval "
            "(exponential), the first time after at_s; 0: once, at at_s",
            "s",
            _OUR_CHOICE,
            0,
            3_600,
        ),
    ] = field(default=0.0, kw_only=True)
    probability: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("probability that it happens when its time has come", "", _OUR_CHOICE, 0, 1),
    ] = field(default=1.0, kw_only=True)


@dataclass(frozen=True, slots=True)
class RedisRestart(Occasion):
    """Redis is killed and started again."""

    kind: Annotated[Literal["redis_restart"], Setting("Redis is killed and started again")]
    restart_after_s: Annotated[
        float, Ge(0), Setting("how long nobody listens on its port", "s", low=0, high=600)
    ] = 5.0
    lose_data: Annotated[
        bool,
        Setting("whether it comes back empty (no volume) instead of with the last snapshot"),
    ] = True


@dataclass(frozen=True, slots=True)
class RedisMemoryHog(Occasion):
    """Another program writes keys of its own into the same Redis."""

    kind: Annotated[Literal["redis_memory_hog"], Setting("other keys fill Redis")]
    keys: Annotated[int, Gt(0), Setting("how many keys, at full size", "keys", low=1, high=1e6)]
    value_bytes: Annotated[
        int,
        Gt(0),
        Le(512 * 1024**2),
        Setting("length of each value; Redis takes up to 512 MB", "bytes", low=1, high=1e8),
    ]
    over_s: OverS = 0.0
    ttl_s: Annotated[
        float, Ge(0), Setting("time to live of each key; 0: none", "s", low=0, high=86_400)
    ] = 0.0


@dataclass(frozen=True, slots=True)
class HostMemoryHog(Occasion):
    """Another program on the service's machine takes memory and keeps it."""

    kind: Annotated[Literal["host_memory_hog"], Setting("another program takes the host's memory")]
    memory_mb: Annotated[float, Gt(0), Setting("how much, at full size", "MB", low=1, high=262_144)]
    over_s: OverS = 0.0


@dataclass(frozen=True, slots=True)
class RedisPause(Occasion):
    """Redis answers nobody for a while: a slow command, a long fork, a stopped process.

    Commands wait, and run when it goes on; whoever waits longer than `service.redis_timeout_s`
    gives up, and the command is not run.
    """

    kind: Annotated[Literal["redis_pause"], Setting("Redis answers nobody for a while")]
    for_s: Annotated[
        float,
        Gt(0),
        Setting("how long", "s", "a fork of 10 GB: 0.1 s; KEYS on 10 M keys: seconds", 0.01, 600),
    ] = 5.0


@dataclass(frozen=True, slots=True)
class RedisLatency(Occasion):
    """The way to Redis is slow for a while: every command takes longer."""

    kind: Annotated[Literal["redis_latency"], Setting("every command takes longer for a while")]
    extra_s: Annotated[
        float,
        Gt(0),
        Setting("by how much, there and back", "s", "1 ms: another zone of a cloud", 0.0001, 5),
    ] = 0.001
    for_s: Annotated[
        float, Gt(0), Setting("how long", "s", "assumed: a busy neighbour's minute", 0.1, 3_600)
    ] = 60.0


@dataclass(frozen=True, slots=True)
class RedisConnectionsDropped(Occasion):
    """Redis's connections are cut: a proxy restarts, a firewall forgets, a client is evicted.

    Every connection is cut once, at once: commands on their way fail unrun. For `for_s` after
    that, `share` of all commands lose their connection too.
    """

    kind: Annotated[
        Literal["redis_connections_dropped"], Setting("connections to Redis are cut, for a while")
    ]
    for_s: Annotated[
        float,
        Ge(0),
        Setting("how long more are cut; 0: only once", "s", "assumed: a moment", 0, 600),
    ] = 0.0
    share: Share = 1.0
    after_command: Annotated[
        bool,
        Setting(
            "whether the commands cut during for_s have run, so that only their answer is lost: "
            "the caller cannot know"
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class DatabasePause(Occasion):
    """The database answers nobody for a while: a checkpoint, a backup's lock, a failover.

    Statements and commits wait with the connections and row locks that they have.
    """

    kind: Annotated[Literal["database_pause"], Setting("the database answers nobody for a while")]
    for_s: Annotated[
        float,
        Gt(0),
        Setting("how long", "s", "FLUSH TABLES WITH READ LOCK: seconds; failover: 30 s", 0.01, 600),
    ] = 5.0


@dataclass(frozen=True, slots=True)
class DatabaseDeadlock(Occasion):
    """Transactions are rolled back as victims of deadlocks with somebody else's."""

    kind: Annotated[
        Literal["database_deadlock"],
        Setting("the next transactions that write are rolled back to end deadlocks"),
    ]
    transactions: Annotated[
        int,
        Gt(0),
        Setting("how many", "", "measured: a handful per thousand bookings", 1, 1_000),
    ] = 1


@dataclass(frozen=True, slots=True)
class DatabaseRowsLocked(Occasion):
    """Somebody else's transaction locks every row of a table for a while.

    Whoever wants to write one of them waits, and fails after `database.lock_wait_timeout_s`.
    """

    kind: Annotated[
        Literal["database_rows_locked"],
        Setting("another session locks all rows of a table for a while"),
    ]
    table: Annotated[
        Literal["seat", "concert_schedule", "user_point", "booking", "outbox", "token_history"],
        Setting("which table"),
    ] = "concert_schedule"
    for_s: Annotated[
        float,
        Gt(0),
        Setting("how long", "s", "assumed: an UPDATE by hand, not committed at once", 0.1, 3_600),
    ] = 60.0


@dataclass(frozen=True, slots=True)
class DatabaseDiskFull(Occasion):
    """The database's disk is full for a while: no row can be inserted (InnoDB: error 1114).

    Rows are still read, changed in place and deleted: the redo log has its space already.
    """

    kind: Annotated[Literal["database_disk_full"], Setting("no row can be inserted for a while")]
    for_s: Annotated[
        float,
        Gt(0),
        Setting("how long", "s", "assumed: until somebody deletes a log file", 0.1, 3_600),
    ] = 60.0


@dataclass(frozen=True, slots=True)
class JvmPause(Occasion):
    """The service stands still for a while: a full garbage collection.

    What it has asked of others goes on without it; its clock and its timeouts run on.
    """

    kind: Annotated[Literal["jvm_pause"], Setting("the service stands still for a while")]
    for_s: Annotated[
        float,
        Gt(0),
        Setting("how long", "s", "a full collection of a few GB: a second or so", 0.01, 120),
    ] = 1.0


@dataclass(frozen=True, slots=True)
class ServicePause(Occasion):
    """All processes of the service stand still for a while, whatever language it is written in.

    As a stopped container, or a virtual machine that moves to another host. What they have asked
    of others goes on without them; their clocks and timeouts run on.
    """

    kind: Annotated[
        Literal["service_pause"],
        Setting("the service's processes stand still for a while: a container that was stopped"),
    ]
    for_s: Annotated[
        float,
        Gt(0),
        Setting("how long", "s", "assumed: a machine that moves is away for a second", 0.01, 120),
    ] = 1.0


@dataclass(frozen=True, slots=True)
class GeneratorStarved(Occasion):
    """Another program takes the processors of the load generator's machine for a while."""

    kind: Annotated[
        Literal["generator_starved"],
        Setting("another program takes the load generator's processors for a while"),
    ]
    threads: Annotated[
        float,
        Gt(0),
        Setting(
            "its busy threads, at full size; the generator keeps cores / (cores + threads)",
            "threads",
            "assumed: nine times the generator's 16 cores leave it a tenth",
            1,
            10_000,
        ),
    ] = 144.0
    for_s: Annotated[
        float, Gt(0), Setting("how long", "s", "assumed: a build on the same machine", 0.1, 3_600)
    ] = 60.0


@dataclass(frozen=True, slots=True)
class NetworkLoss(Occasion):
    """Messages between two programs are lost for a while, and sent again.

    A lost segment is sent again after 0.2 s, doubled each time (Linux: TCP_RTO_MIN), a lost
    connection attempt as `sim.network.connector` says; timeouts of whoever waits run on.
    """

    kind: Annotated[Literal["network_loss"], Setting("messages between two programs are lost")]
    between: Annotated[
        Literal["generator-service", "service-redis", "service-database"],
        Setting("which two"),
    ] = "generator-service"
    share: Share = 1.0
    for_s: Annotated[
        float, Gt(0), Setting("how long", "s", "assumed: a switch that restarts", 0.01, 3_600)
    ] = 30.0


@dataclass(frozen=True, slots=True)
class ClockSkew(Occasion):
    """The service's clock is wrong for a while; Redis, the database and the clients have theirs.

    It steps, as when a machine's time is set by hand or by an impatient NTP daemon.
    """

    kind: Annotated[Literal["clock_skew"], Setting("the service's clock is wrong for a while")]
    offset_s: Annotated[
        float,
        Setting(
            "how far it is ahead; negative: behind", "s", "NTP steps above 0.128 s", -7_200, 7_200
        ),
    ] = 1.0
    for_s: Annotated[
        float,
        Ge(0),
        Setting("how long, then it steps back; 0: for good", "s", "assumed: for good", 0, 3_600),
    ] = 0.0


@dataclass(frozen=True, slots=True)
class SecondInstance(Occasion):
    """A second instance of the service is started beside the first and stays.

    It has a scheduler, a connection pool, threads and a cache of its own, on the same machine,
    database and Redis; its code is as warm as the first one's.
    """

    kind: Annotated[
        Literal["second_instance"], Setting("a second instance of the service is started")
    ]
    takes_requests: Annotated[
        bool,
        Setting(
            "whether every other connection goes to it, as behind a load balancer; otherwise it "
            "only runs its scheduler"
        ),
    ] = True


Fault = (
    RedisRestart
    | RedisMemoryHog
    | HostMemoryHog
    | RedisPause
    | RedisLatency
    | RedisConnectionsDropped
    | DatabasePause
    | DatabaseDeadlock
    | DatabaseRowsLocked
    | DatabaseDiskFull
    | JvmPause
    | ServicePause
    | GeneratorStarved
    | NetworkLoss
    | ClockSkew
    | SecondInstance
)
"""Told apart by `kind`."""
