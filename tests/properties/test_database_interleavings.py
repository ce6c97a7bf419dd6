"""Random transactions, interleaved at random, against the same transactions one at a time.

Rows that a transaction touches are locked until its end, so every outcome must equal that of the
committed transactions run alone, in the order of their commits: each row count, each refusal,
each locking read, and the final rows. Plain reads must show the state as of the transaction's
first one, with its own changes on top, and an observer only what was committed.
"""
# ruff: noqa: ARG002 - every step of the model is called in the same way

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from model.errors import DeadlockError, LockTimeoutError
from tests.unit.database.database_world import (
    ADD,
    BALANCE,
    BALANCE_LOCKED,
    BALANCE_SHARED,
    BOOK,
    CLOSE,
    OPEN,
    SET,
    TAKE,
    Bank,
    account,
    entry,
)

ACCOUNTS = select(account).order_by(account.c.id)
ENTRIES = select(entry.c.id, entry.c.account_id).order_by(entry.c.id)
RAISE_BRANCH = (
    update(account)
    .where(account.c.branch == bindparam("of_branch"))
    .values(balance=account.c.balance + bindparam("amount"))
)
NEW_BRANCH = 99
"""Branch of accounts opened on the way: no write by branch can meet them as phantoms."""
SCRIPTED = 3
PLAIN = {"plain", "peek"}
"""Steps that take no locks."""


class GivesUpError(Exception):
    """A transaction that ends itself."""


@dataclass
class State:
    """The bank as plain Python."""

    accounts: dict[int, tuple[str, int, int]] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)

    def apply(self, step: tuple[Any, ...], answer: Any) -> tuple[Any, set[int], set[int]]:
        """Do one step; return what it should answer and the accounts and entries it touched."""
        return getattr(self, f"_{step[0]}")(*step[1:], answer=answer)

    def _balance(self, of_id: int) -> int | None:
        return self.accounts[of_id][2] if of_id in self.accounts else None

    def _change(self, of_id: int, amount: int) -> None:
        owner, branch, balance = self.accounts[of_id]
        self.accounts[of_id] = (owner, branch, balance + amount)

    def _read(self, of_id: int, *, answer: Any) -> Any:
        return self._balance(of_id), set(), set()

    _share = _read

    def _add(self, of_id: int, amount: int, *, answer: Any) -> Any:
        if of_id not in self.accounts:
            return 0, set(), set()
        self._change(of_id, amount)
        return 1, {of_id}, set()

    def _take(self, of_id: int, amount: int, *, answer: Any) -> Any:
        if of_id not in self.accounts or self.accounts[of_id][2] < amount:
            return 0, set(), set()
        self._change(of_id, -amount)
        return 1, {of_id}, set()

    def _double(self, of_id: int, *, answer: Any) -> Any:
        if of_id not in self.accounts:
            return None, set(), set()
        touched = {of_id} if self.accounts[of_id][2] else set()
        self._change(of_id, self.accounts[of_id][2])
        return self._balance(of_id), touched, set()

    def _branch(self, branch: int, amount: int, *, answer: Any) -> Any:
        found = {key for key, row in self.accounts.items() if row[1] == branch}
        for of_id in found:
            self._change(of_id, amount)
        return len(found), found, set()

    def _open(self, owner: str, of_id: int | None, *, answer: Any) -> Any:
        taken = any(row[0] == owner for row in self.accounts.values())
        if taken or of_id in self.accounts:
            return "refused", set(), set()
        # A generated id is whatever came out, as long as it is new.
        key = answer if of_id is None else of_id
        assert isinstance(key, int)
        assert key not in self.accounts
        self.accounts[key] = (owner, NEW_BRANCH, 0)
        return key, {key}, set()

    def _close(self, of_id: int, *, answer: Any) -> Any:
        if of_id in self.entries.values():
            return "refused", set(), set()
        gone = {of_id} & self.accounts.keys()
        self.accounts.pop(of_id, None)
        return len(gone), gone, set()

    def _book(self, of_id: int, *, answer: Any) -> Any:
        if of_id not in self.accounts:
            return "refused", set(), set()
        assert isinstance(answer, int)
        assert answer not in self.entries
        self.entries[answer] = of_id
        return answer, set(), {answer}


@dataclass
class Script:
    """One transaction: (pause before, step) in order, and how it ends."""

    start_s: float
    steps: list[tuple[float, tuple[Any, ...]]]
    gives_up: bool
    killed_s: float | None


@dataclass
class Trace:
    """What a transaction was answered, and between which commits."""

    answers: list[tuple[tuple[Any, ...], Any, int]] = field(default_factory=list)
    """(step, answer, commits when its first statement ran)."""
    ended: str = "killed"


ids = st.integers(1, SCRIPTED + 1)
amounts = st.integers(1, 150)
steps = st.one_of(
    st.tuples(st.just("read"), ids),
    st.tuples(st.just("share"), ids),
    st.tuples(st.just("add"), ids, amounts),
    st.tuples(st.just("take"), ids, amounts),
    st.tuples(st.just("double"), ids),
    st.tuples(st.just("branch"), st.integers(0, 1), amounts),
    st.tuples(
        st.just("open"), st.sampled_from(["owner 1", "x", "y"]), st.none() | st.integers(4, 6)
    ),
    st.tuples(st.just("close"), ids),
    st.tuples(st.just("book"), ids),
    st.tuples(st.just("plain")),
    st.tuples(st.just("peek"), ids),
)
timed = st.tuples(st.integers(0, 2).map(float), steps)
LOOKS = [(1.0, ("peek", of_id)) for of_id in range(1, SCRIPTED + 1)] + [(0.0, ("plain",))]
"""What a transaction sees when others had time to commit."""


def looking(body: list[Any], looks: bool) -> list[Any]:
    """Begin a view, do the steps, and look at everything at the end."""
    return [(0.0, ("peek", 1)), *body, *LOOKS] if looks else body


scripts = st.builds(
    Script,
    start_s=st.integers(0, 3).map(float),
    steps=st.builds(looking, st.lists(timed, min_size=1, max_size=6), st.booleans()),
    gives_up=st.sampled_from([False, False, True]),
    killed_s=st.none() | st.none() | st.floats(0.25, 8, width=16),
)


def give_up(script: Script) -> None:
    if script.gives_up:
        raise GivesUpError


class Teller:
    """Does steps on the database; the answers are those that `State` should give."""

    def __init__(self, connection: Any) -> None:
        self.execute = connection.execute

    def perform(self, step: tuple[Any, ...]) -> Any:
        try:
            return getattr(self, f"_{step[0]}")(*step[1:])
        except IntegrityError:
            return "refused"

    def _plain(self):
        rows = [tuple(row) for row in self.execute(ACCOUNTS)]
        return rows, [tuple(row) for row in self.execute(ENTRIES)]

    def _peek(self, of_id):
        return self.execute(BALANCE, {"of_id": of_id}).scalar_one_or_none()

    def _read(self, of_id):
        return self.execute(BALANCE_LOCKED, {"of_id": of_id}).scalar_one_or_none()

    def _share(self, of_id):
        return self.execute(BALANCE_SHARED, {"of_id": of_id}).scalar_one_or_none()

    def _add(self, of_id, amount):
        return self.execute(ADD, {"of_id": of_id, "amount": amount}).rowcount

    def _take(self, of_id, amount):
        return self.execute(TAKE, {"of_id": of_id, "amount": amount}).rowcount

    def _double(self, of_id):
        balance = self._read(of_id)
        if balance is None:
            return None
        self.execute(SET, {"of_id": of_id, "to": 2 * balance})
        return 2 * balance

    def _branch(self, branch, amount):
        return self.execute(RAISE_BRANCH, {"of_branch": branch, "amount": amount}).rowcount

    def _open(self, owner, of_id):
        row = {"owner": owner, "branch": NEW_BRANCH, "balance": 0}
        if of_id is not None:
            row["id"] = of_id
        return self.execute(OPEN, row).inserted_primary_key[0]

    def _close(self, of_id):
        return self.execute(CLOSE, {"of_id": of_id}).rowcount

    def _book(self, of_id):
        row = {"account_id": of_id, "day": 1, "amount": 1}
        return self.execute(BOOK, row).inserted_primary_key[0]


class Play:
    """All scripts on one bank, with an observer that looks on."""

    def __init__(self, scripts: list[Script], statement_s: float, memo_rows: int) -> None:
        self.bank = bank = Bank(
            SCRIPTED, statement_s=statement_s, memo_rows=memo_rows, lock_wait_timeout_s=20.0
        )
        bank.meter.end_s = 0.5
        bank.meter.on_statement = self._statement_ran
        self.commits_at_read: dict[str, int] = {}
        self.committed: list[int] = []
        bank.db.on_commit = lambda _: self.committed.append(int(bank.env.current.name))
        self.traces = [Trace() for _ in scripts]
        self.observed: list[tuple[int, Any]] = []
        for number, script in enumerate(scripts):
            thread = bank.env.spawn(str(number), self._thread(script, self.traces[number]))
            if script.killed_s is not None:
                bank.env.call_at(script.killed_s, thread.kill)
        bank.env.spawn("observer", self._observe)
        bank.env.run()

    def _statement_ran(self):
        # Time passes between a statement and its answer: remember what it could see.
        self.commits_at_read.setdefault(self.bank.env.current.name, len(self.committed))

    def _perform(self, connection, step):
        name = self.bank.env.current.name
        self.commits_at_read.pop(name, None)
        answer = Teller(connection).perform(step)
        return step, answer, self.commits_at_read[name]

    def _thread(self, script, trace):
        def run():
            self.bank.at(script.start_s)
            try:
                with self.bank.db.begin() as connection:
                    for pause_s, step in script.steps:
                        self.bank.env.sleep(pause_s)
                        trace.answers.append(self._perform(connection, step))
                    give_up(script)
                trace.ended = "committed"
            except GivesUpError:
                trace.ended = "gave up"
            except (DeadlockError, LockTimeoutError) as error:
                trace.ended = type(error).__name__

        return run

    def _observe(self):
        for _ in range(16):
            self.bank.env.sleep(0.7)
            with self.bank.db.begin(read_only=True) as connection:
                _, rows, commits = self._perform(connection, ("plain",))
                self.observed.append((commits, rows))

    @property
    def log(self):
        """Everything anybody could tell."""
        final = self.bank.db.final_rows()
        return [vars(trace) for trace in self.traces], self.observed, self.committed, final


def as_rows(state: State) -> tuple[list[Any], list[Any]]:
    accounts = [(of_id, *row) for of_id, row in sorted(state.accounts.items())]
    return accounts, sorted(state.entries.items())


def serial_states(play: Play) -> list[State]:
    """State after each number of commits, each transaction's answers checked on the way."""
    owners = {n: (f"owner {n}", n % 10, 100) for n in range(1, SCRIPTED + 1)}
    states = [State(accounts=owners)]
    for number in play.committed:
        state = copy.deepcopy(states[-1])
        for step, answer, _ in play.traces[number].answers:
            if step[0] not in PLAIN:
                assert state.apply(step, answer)[0] == answer, (number, step)
        states.append(state)
    return states


def check_plain_reads(trace: Trace, states: list[State]) -> None:
    """As of the first one, with the transaction's own rows as they are now."""
    snapshot = None
    done: list[tuple[Any, Any]] = []
    for step, answer, commits in trace.answers:
        if step[0] not in PLAIN:
            done.append((step, answer))
            continue
        if snapshot is None:
            snapshot = states[commits]
        now = copy.deepcopy(states[commits])
        own_accounts: set[int] = set()
        own_entries: set[int] = set()
        for earlier, its_answer in done:
            _, accounts, entries = now.apply(earlier, its_answer)
            own_accounts |= accounts
            own_entries |= entries
        own = {k: v for k, v in now.accounts.items() if k in own_accounts}
        # Two rows with one unique value cannot be shown: a row of its own hides the other's.
        owners = {row[0] for row in own.values()}
        others = {
            k: v
            for k, v in snapshot.accounts.items()
            if k not in own_accounts and v[0] not in owners
        }
        expected = State(
            {**others, **own},
            {**snapshot.entries, **{k: v for k, v in now.entries.items() if k in own_entries}},
        )
        wanted = as_rows(expected) if step[0] == "plain" else expected._balance(step[1])
        assert answer == wanted


@settings(max_examples=250)
@given(
    scripts=st.lists(scripts, min_size=2, max_size=4),
    statement_s=st.sampled_from([0.0, 0.25, 1.0]),
)
def test_interleaved_transactions_do_what_they_would_do_one_at_a_time(scripts, statement_s):
    play = Play(scripts, statement_s, memo_rows=1_000)
    states = serial_states(play)
    final = play.bank.db.final_rows()
    entries = [(row[0], row[1]) for row in final["entry"]]
    assert (final["account"], entries) == as_rows(states[-1])
    for trace in play.traces:
        check_plain_reads(trace, states)
    for commits, rows in play.observed:
        assert rows == as_rows(states[commits])
    assert play.bank.clean
    assert not play.bank.db.storage.has_history


@settings(max_examples=60)
@given(
    scripts=st.lists(scripts, min_size=2, max_size=4),
    statement_s=st.sampled_from([0.0, 0.25, 1.0]),
)
def test_remembered_results_change_nothing_but_the_number_of_executions(scripts, statement_s):
    remembering = Play(scripts, statement_s, memo_rows=1_000)
    forgetting = Play(scripts, statement_s, memo_rows=0)
    assert remembering.log == forgetting.log
    assert forgetting.bank.db.memo_hits == 0
    assert remembering.bank.db.memo_hits > 0
    assert remembering.bank.meter.calls == forgetting.bank.meter.calls


def test_the_generated_scripts_reach_every_ending():
    reached = set()

    @settings(max_examples=60, database=None)
    @given(scripts=st.lists(scripts, min_size=2, max_size=4))
    def collect(scripts):
        reached.update(trace.ended for trace in Play(scripts, 1.0, memo_rows=1_000).traces)

    collect()
    assert {"committed", "gave up", "killed", "DeadlockError"} <= reached
