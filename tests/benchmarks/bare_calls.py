"""What a run asks of PyJWT, Redis and SQL, written down, and done again without simulated time.

`Recorder` notes the calls of every request of a run while it happens. `replay` makes the same
calls in the same order against a new Redis and a new database: tokens through the service's own
`TokenIssuer`, commands through the same direct dispatch, the service's Core statements through
SQLAlchemy, each transaction begun and committed.
"""

import random
import time
from collections import defaultdict
from statistics import median

import sqlalchemy
from sqlalchemy.pool import StaticPool

from model.schema import METADATA, create_all
from model.tokens import TokenIssuer
from sim.database.database import SimulatedDatabase, Transaction
from sim.kernel.environment import Environment, Waiter
from sim.machines.cpu import Process
from sim.redis.client import ClientConnection
from sim.redis.server import RedisServer
from sim.redis.settings import RedisSettings
from sim.service.host import Server
from sim.service.initial_data import fill_tables

KEY = b"0123456789abcdef0123456789abcdef"


class Recorder:
    """Notes calls while a run goes on; `install` with a `pytest.MonkeyPatch`."""

    def __init__(self):
        self.requests: list[tuple[str, list]] = []
        """(endpoint, its calls) in the order in which requests ended; "" for all other work."""
        self.visits = 0
        """How often a thread computed, waited or slept."""
        self._env = None
        self._calls: dict[object, list] = {}
        self._statements: dict[Transaction, list] = {}

    def install(self, patch):
        """Put notes before everything that is counted."""
        self._note_tokens(patch)
        self._note_commands(patch)
        self._note_transactions(patch)
        self._note_requests(patch)
        for owner, name in ((Process, "compute"), (Waiter, "wait"), (Environment, "sleep")):
            self._count(patch, owner, name)

    def _note(self, *call):
        """Put a call down for the request that the current thread is serving."""
        thread = None if self._env is None else self._env.current
        calls = self._calls.get(thread)
        if calls is None:
            self.requests.append(("", [call]))
        else:
            calls.append(call)

    def _count(self, patch, owner, name):
        inner = getattr(owner, name)

        def counted(*arguments):
            self.visits += 1
            return inner(*arguments)

        patch.setattr(owner, name, counted)

    def _note_tokens(self, patch):
        verify, mint = TokenIssuer.verify, TokenIssuer.mint

        def verified(issuer, raw):
            self._note("verify", raw, issuer._clock.now())
            return verify(issuer, raw)

        def minted(issuer, **claims):
            self._note("mint", claims)
            return mint(issuer, **claims)

        patch.setattr(TokenIssuer, "verify", verified)
        patch.setattr(TokenIssuer, "mint", minted)

    def _note_commands(self, patch):
        run, run_transaction = ClientConnection.run, ClientConnection.run_transaction

        def ran(link, args, **options):
            self._note("command", args)
            return run(link, args, **options)

        def ran_transaction(link, commands):
            self._note("transaction", list(commands))
            return run_transaction(link, commands)

        patch.setattr(ClientConnection, "run", ran)
        patch.setattr(ClientConnection, "run_transaction", ran_transaction)

    def _note_transactions(self, patch):
        execute, leave = Transaction.execute, Transaction.__exit__

        def executed(transaction, statement, parameters=None):
            self._statements.setdefault(transaction, []).append((statement, parameters))
            return execute(transaction, statement, parameters)

        def left(transaction, kind, error, traceback):
            leave(transaction, kind, error, traceback)
            self._note("sql", self._statements.pop(transaction, []))

        patch.setattr(Transaction, "execute", executed)
        patch.setattr(Transaction, "__exit__", left)

    def _note_requests(self, patch):
        serve, init = Server.serve, SimulatedDatabase.__init__

        def served(server, exchange, service, charges):
            thread = self._env.current
            calls = self._calls[thread] = []
            serve(server, exchange, service, charges)
            del self._calls[thread]
            self.requests.append((exchange.endpoint, calls))

        def made(database, env, *arguments, **options):
            self._env = env
            init(database, env, *arguments, **options)

        patch.setattr(Server, "serve", served)
        patch.setattr(SimulatedDatabase, "__init__", made)


class _HandClock:
    def __init__(self):
        self.now_s = 0.0

    def now(self):
        return self.now_s


class _Fillable:
    """A real database as `fill_tables` wants it."""

    def __init__(self, connection):
        self._connection = connection

    def seed_rows(self, table, rows):
        self._connection.execute(table.insert(), rows)


class Bare:
    """A new Redis and a new database, as a world has them before anyone comes."""

    def __init__(self, world):
        self._clock = _HandClock()
        self._issuer = TokenIssuer(KEY, self._clock)
        self._redis_s = world.catalogue.opening_epoch_s
        server = RedisServer(
            clock=lambda: self._clock.now_s or self._redis_s,
            rng=random.Random(1),
            settings=RedisSettings(),
        )
        client = server.client(None)
        self._command = client.execute_command
        self._link = ClientConnection(server, None, client.get_encoder())
        engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool)
        create_all(engine, world.policy)
        assert METADATA.tables
        with engine.begin() as connection:
            fill_tables(_Fillable(connection), world.catalogue)
        self._engine = engine
        self._connection = engine.connect()

    def make(self, calls):
        """Make the calls of one request."""
        for call in calls:
            kind = call[0]
            if kind == "command":
                self._try(self._command, *call[1])
            elif kind == "transaction":
                self._link.run_transaction(call[1])
            elif kind == "verify":
                self._clock.now_s = call[2]
                self._try(self._issuer.verify, call[1])
            elif kind == "mint":
                self._issuer.mint(**call[1])
            else:
                with self._connection.begin():
                    for statement, parameters in call[1]:
                        result = self._connection.execute(statement, parameters)
                        if result.returns_rows:
                            result.all()

    @staticmethod
    def _try(function, *arguments):
        """Make a call that may be refused, as it was in the run."""
        try:
            function(*arguments)
        except Exception:  # noqa: BLE001 - the same refusal as in the run, which handled it
            return


def replay(world, requests):
    """Make the calls of all requests; return endpoint -> seconds of each of its requests."""
    bare = Bare(world)
    seconds = defaultdict(list)
    for endpoint, calls in requests:
        began_s = time.perf_counter()
        bare.make(calls)
        seconds[endpoint].append(time.perf_counter() - began_s)
    return seconds


def medians_us(seconds):
    """Endpoint -> median microseconds."""
    return {name: median(values) * 1e6 for name, values in seconds.items()}
