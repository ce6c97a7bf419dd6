"""The settings of a simulated world, as one tree of frozen dataclasses.

`World` is the whole input of a run besides the seed. Every field states its meaning, its unit, the
source of its default and its plausible range (`Setting`). Hard limits are `annotated_types`
constraints. Sources are abbreviated. "incident" is the incident report and its load description.
"measured" is the runs of the real system. "Tomcat", "HikariCP", "k6", "InnoDB", "Spring" and
"Linux" are the defaults in that software's documentation. "timed" is a loop on one machine, which
docs/how-to/your-own-service.md describes.
"""

from sim.world.application import Application, Background, HttpStub
from sim.world.broker import Broker
from sim.world.catalogue import Catalogue, Earlier
from sim.world.connection_pool import Pool
from sim.world.database import Database
from sim.world.generator import Generator
from sim.world.machine import Host, Memory
from sim.world.network import Network
from sim.world.service import OTHER_ENDPOINTS, RequestsBefore, Service, factor_of
from sim.world.world import World

__all__ = [
    "OTHER_ENDPOINTS",
    "Application",
    "Background",
    "Broker",
    "Catalogue",
    "Database",
    "Earlier",
    "Generator",
    "Host",
    "HttpStub",
    "Memory",
    "Network",
    "Pool",
    "RequestsBefore",
    "Service",
    "World",
    "factor_of",
]
