"""The relational database on simulated time; start reading in `database`."""

from sim.database.costs import StatementWork
from sim.database.database import (
    ConnectionPool,
    SimulatedDatabase,
    StatementCharge,
    Transaction,
)
from sim.database.statements import UnsupportedStatementError

__all__ = [
    "ConnectionPool",
    "SimulatedDatabase",
    "StatementCharge",
    "StatementWork",
    "Transaction",
    "UnsupportedStatementError",
]
