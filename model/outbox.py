"""Events to the broker: written in the transaction they report, and sent after its commit.

Every event is delivered at least once. The asynchronous executor sends an event right after its
commit. If the send fails, the scheduler sends the event again.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, insert, select, update

from model.clock import Clock, to_ms
from model.errors import OutboxRowMissingError
from model.ports import Broker, Connection, Database, ExceptionLog, Runtime
from model.schema import PENDING, PUBLISHED, insert_row, outbox

ASYNC_LOGGER: Final = "SimpleAsyncUncaughtExceptionHandler"

_INSERT: Final = insert(outbox)
_SELECT: Final = select(outbox.c.id, outbox.c.status).where(
    outbox.c.id == bindparam("event_id"), outbox.c.topic == bindparam("event_topic")
)
_MARK: Final = (
    update(outbox)
    .where(outbox.c.id == bindparam("event_id"))
    .values(status=bindparam("new_status"))
)
_SELECT_PENDING: Final = (
    select(outbox.c.id, outbox.c.topic, outbox.c.payload)
    .where(outbox.c.status == PENDING)
    .order_by(outbox.c.id)
)


class Outbox:
    """The table of events and their way to the broker."""

    def __init__(
        self, database: Database, broker: Broker, runtime: Runtime, clock: Clock, log: ExceptionLog
    ) -> None:
        self._database = database
        self._broker = broker
        self._runtime = runtime
        self._clock = clock
        self._log = log

    def add(self, connection: Connection, topic: str, payload: str) -> int:
        """Write an event in the caller's transaction; return its id."""
        row = {
            "topic": topic,
            "payload": payload,
            "status": PENDING,
            "created_at": to_ms(self._clock.now()),
        }
        return insert_row(connection, _INSERT, row)

    def publish_later(self, topic: str, payload: str, marked_id: int, *, own_id: bool) -> None:
        """Send an event and mark it, on the asynchronous executor.

        With `own_id` False, `marked_id` is the id of another row. If that row is not found, the
        service tries to mark the event as failed, with the same wrong id.
        """

        def task() -> None:
            try:
                self._publish(topic, payload, marked_id, own_id=own_id)
            except Exception as error:  # noqa: BLE001 - no caller waits for a task: log every error
                self._log.exception(ASYNC_LOGGER, error)

        self._runtime.submit(task)

    def retry_pending(self) -> None:
        """Send every event that is not marked yet, oldest first; blocks until all were tried.

        Raises `BrokerUnavailableError` after the last one if any could not be sent.
        """
        with self._database.begin(read_only=True) as connection:
            pending = connection.execute(_SELECT_PENDING).all()
        failure: Exception | None = None
        for event in pending:
            try:
                self._broker.send(event.topic, event.payload)
            except Exception as error:  # noqa: BLE001 - the other events are still tried
                failure = error
                continue
            self._mark(event.id, event.topic)
        if failure is not None:
            raise failure

    def _publish(self, topic: str, payload: str, marked_id: int, *, own_id: bool) -> None:
        self._broker.send(topic, payload)
        if own_id:
            self._mark(marked_id, topic)
            return
        try:
            self._mark(marked_id, topic)
        except OutboxRowMissingError:
            self._mark(marked_id, topic)

    def _mark(self, event_id: int, topic: str) -> None:
        found = {"event_id": event_id, "event_topic": topic}
        with self._database.begin() as connection:
            row = connection.execute(_SELECT, found).first()
            if row is None:
                raise OutboxRowMissingError(f"{topic} {event_id}")
            connection.execute(_MARK, {"event_id": event_id, "new_status": PUBLISHED})
