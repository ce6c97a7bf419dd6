"""Tables of the service. Times are whole epoch milliseconds.

Every foreign key has an index, because InnoDB makes this index by itself. Indexes change the cost
of statements and so the behaviour: `create_all` takes the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Index,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
)

from model.policy import Policy
from model.ports import Connection

RESERVED: Final = "RESERVED"
PAID: Final = "PAID"
CANCELLED: Final = "CANCELLED"
PENDING: Final = "PENDING"
PUBLISHED: Final = "PUBLISHED"

METADATA: Final = MetaData()

user = Table(
    "user",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", String(50), nullable=False),
)
user_point = Table(
    "user_point",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("user.id"), nullable=False, unique=True),
    Column("point", BigInteger, nullable=False),
)
concert = Table(
    "concert",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("title", String(100), nullable=False),
    Column("capacity", Integer, nullable=False),
)
"""`capacity`: most users let in at the same time."""
concert_schedule = Table(
    "concert_schedule",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("concert_id", ForeignKey("concert.id"), nullable=False, index=True),
    Column("concert_date", String(10), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("occupied_count", Integer, nullable=False),
)
"""`capacity`: seats of this date; `concert_date`: YYYY-MM-DD."""
seat = Table(
    "seat",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("schedule_id", ForeignKey("concert_schedule.id"), nullable=False, index=True),
    Column("row_no", Integer, nullable=False),
    Column("seat_no", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("is_occupied", Integer, nullable=False),
)
booking = Table(
    "booking",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("user_id", ForeignKey("user.id"), nullable=False, index=True),
    Column("seat_id", ForeignKey("seat.id"), nullable=False, index=True),
    Column("status", String(10), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
payment = Table(
    "payment",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("booking_id", ForeignKey("booking.id"), nullable=False, index=True),
    Column("user_id", ForeignKey("user.id"), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
outbox = Table(
    "outbox",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("topic", String(20), nullable=False),
    Column("payload", String(500), nullable=False),
    Column("status", String(10), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
)
token_history = Table(
    "token_history",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("concert_id", ForeignKey("concert.id"), nullable=False, index=True),
    Column("uuid", String(36), nullable=False),
    Column("type", String(6), nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)


def create_all(engine: Engine, policy: Policy) -> None:
    """Create tables and the indexes that the policy has, in an empty database."""
    METADATA.create_all(engine)
    for index in extra_indexes(policy):
        index.create(engine)


def extra_indexes(policy: Policy) -> list[Index]:
    """Indexes that only a repaired service has (not attached to the tables)."""
    wanted = []
    if policy.history_indexed:
        wanted.append(("ix_token_history_concert_uuid", token_history, ["concert_id", "uuid"]))
    if policy.seats_paged:
        columns = ["schedule_id", "is_occupied", "row_no", "seat_no"]
        wanted.append(("ix_seat_free", seat, columns))
    return [_detached_index(*index) for index in wanted]


def insert_row(connection: Connection, statement: Insert, row: Mapping[str, Any]) -> int:
    """Insert one row; return the id that the database gave it."""
    key = connection.execute(statement, row).inserted_primary_key
    if key is None:
        raise TypeError("the statement is not an INSERT of one row")
    return int(key[0])


def _detached_index(name: str, table: Table, columns: list[str]) -> Index:
    # An index attaches itself to its table; a copy of the table keeps it off the shared metadata.
    copy = table.to_metadata(MetaData())
    return Index(name, *(copy.c[column] for column in columns))
