"""The whole world of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from model.policy import Policy
from model.setting import Setting
from sim.customers.settings import Customer
from sim.faults.settings import Fault
from sim.kernel.race_search import Search
from sim.load.settings import Loads, RampingVUs
from sim.processes.settings import UserProcess
from sim.redis.settings import RedisSettings
from sim.world.application import Application
from sim.world.broker import Broker
from sim.world.catalogue import Catalogue
from sim.world.connection_pool import Pool
from sim.world.database import Database
from sim.world.generator import Generator
from sim.world.machine import Host, Memory
from sim.world.network import Network
from sim.world.service import Service


@dataclass(frozen=True, slots=True)
class World:
    """Everything a run depends on besides the seed."""

    policy: Annotated[Policy, Setting("behaviour of the service: one switch per defect")] = field(
        default_factory=Policy
    )
    customer: Annotated[Customer, Setting("behaviour of the customers in the load script")] = field(
        default_factory=Customer
    )
    load: Annotated[
        Loads, Setting("arrivals: one executor of the load generator, or a list of executors")
    ] = field(default_factory=RampingVUs)
    catalogue: Annotated[Catalogue, Setting("the concert on sale, its seats and its users")] = (
        field(default_factory=Catalogue)
    )
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
    app: Annotated[
        Application, Setting("your own application, simulated instead of the ticket service")
    ] = field(default_factory=Application)
    faults: Annotated[tuple[Fault, ...], Setting("faults, and when each begins")] = ()
    processes: Annotated[
        tuple[UserProcess, ...], Setting("your own processes, which watch and operate the world")
    ] = ()
    search: Annotated[
        Search,
        Setting("search for races: other orders of events, and how closely invariants are watched"),
    ] = field(default_factory=Search)
