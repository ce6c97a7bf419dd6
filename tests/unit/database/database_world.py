"""A small bank on simulated time, for tests of the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from sim.database import SimulatedDatabase, StatementWork
from sim.kernel.environment import Environment, Thread
from sim.stations.connection_pool import ConnectionPool

METADATA = MetaData()
account = Table(
    "account",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("owner", String(20), nullable=False, unique=True),
    Column("branch", Integer, nullable=False, index=True),
    Column("balance", Integer, nullable=False),
)
entry = Table(
    "entry",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False, index=True),
    Column("day", Integer, nullable=False),
    Column("slot", Integer),
    Column("amount", Integer, nullable=False),
    UniqueConstraint("account_id", "slot"),
    Index("ix_entry_day_amount", "day", "amount"),
)

OF_ID = account.c.id == bindparam("of_id")
BALANCE = select(account.c.balance).where(OF_ID)
BALANCE_LOCKED = BALANCE.with_for_update()
BALANCE_SHARED = BALANCE.with_for_update(read=True)
BALANCES = select(account.c.id, account.c.balance).order_by(account.c.id)
SET = update(account).where(OF_ID).values(balance=bindparam("to"))
ADD = update(account).where(OF_ID).values(balance=account.c.balance + bindparam("amount"))
TAKE = (
    update(account)
    .where(OF_ID, account.c.balance >= bindparam("amount"))
    .values(balance=account.c.balance - bindparam("amount"))
)
OPEN = insert(account)
CLOSE = delete(account).where(OF_ID)
BOOK = insert(entry)


class Meter:
    """Charges the same time for everything and keeps what it was told."""

    def __init__(self, env: Environment, statement_s: float = 0.0) -> None:
        self.env = env
        self.statement_s = statement_s
        self.end_s = 0.0
        self.calls: list[Any] = []
        self.on_statement: Callable[[], None] | None = None

    def begin(self, read_only: bool) -> None:
        self.calls.append(("begin", read_only))

    def statement(self, work: StatementWork) -> None:
        self.calls.append(work)
        if self.on_statement is not None:
            self.on_statement()
        self.env.sleep(self.statement_s)

    def end(self, committed: bool, wrote: bool) -> None:
        self.calls.append(("end", committed, wrote))
        self.env.sleep(self.end_s)

    @property
    def work(self) -> list[StatementWork]:
        return [call for call in self.calls if isinstance(call, StatementWork)]


class Bank:
    """`accounts` accounts with ids from 1, 100 each, and a database that can be used at once."""

    def __init__(
        self,
        accounts: int = 3,
        *,
        connections: int = 10,
        lock_wait_timeout_s: float = 50.0,
        memo_rows: int = 1_000,
        statement_s: float = 0.0,
    ) -> None:
        self.env = Environment()
        self.pool = ConnectionPool(self.env, connections, timeout_s=30.0)
        self.meter = Meter(self.env, statement_s)
        self.db = SimulatedDatabase(
            self.env,
            METADATA,
            METADATA.create_all,
            pool=self.pool,
            charge=self.meter,
            lock_wait_timeout_s=lock_wait_timeout_s,
            memo_rows=memo_rows,
        )
        self.db.seed_rows(
            account,
            [
                {"id": number, "owner": f"owner {number}", "branch": number % 10, "balance": 100}
                for number in range(1, accounts + 1)
            ],
        )
        self.outcome: dict[str, Any] = {}
        """What each thread returned or raised."""

    def thread(self, name: str, target: Callable[[], Any]) -> Thread:
        def run() -> None:
            try:
                self.outcome[name] = target()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
                self.outcome[name] = error

        return self.env.spawn(name, run)

    def run(self, **targets: Callable[[], Any]) -> dict[str, Any]:
        """Run every target as a thread, to the end."""
        for name, target in targets.items():
            self.thread(name, target)
        self.env.run()
        return self.outcome

    def at(self, time_s: float) -> None:
        """Sleep until a point in time, if it is still to come."""
        self.env.sleep(max(0.0, time_s - self.env.now))

    @property
    def balances(self) -> dict[int, int]:
        """Committed balances by account."""
        return {row[0]: row[1] for row in self.db.query(BALANCES)}

    @property
    def clean(self) -> bool:
        """Whether no connection, transaction or lock is left."""
        return self.pool.active == 0 and not self.db.open and len(self.db.locks) == 0
