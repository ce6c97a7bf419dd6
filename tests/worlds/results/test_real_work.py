"""Fast, but not by leaving anything out: tokens verified, commands run, rows read and written."""

from collections import Counter

import pytest
from jwt.algorithms import HMACAlgorithm

import model.tokens
from model.tokens import TokenIssuer
from sim.make_result import make_result
from sim.redis.commands.connection import ServerConnection
from sim.run import play
from sim.service.charges import Charges
from sim.wiring import Parts
from tests.support.world_digest import BUSY


class Work:
    """What one run of `BUSY` did, counted where it is done."""

    def __init__(self):
        self.seen = Counter()
        self.signatures = Counter()
        self.times_checked = 0
        self.commands = 0
        self.statements = Counter()
        self.sql = Counter()
        self.run = None
        self.result = None

    def traced(self, sql):
        """Note what SQLite runs."""
        self.sql[sql.split(maxsplit=1)[0].lower()] += 1


@pytest.fixture(scope="module")
def work():
    counts = Work()
    with pytest.MonkeyPatch.context() as patch:
        _count_tokens(patch, counts)
        _count_statements(patch, counts)
        counts.run = run = Parts(BUSY, 1.0, 7)
        run.server.database.storage.raw.set_trace_callback(counts.traced)
        counts.sql.clear()
        play(run)
        run.server.database.storage.raw.set_trace_callback(None)
        counts.result = make_result(run)
        run.env.close()
    return counts


def _count_tokens(patch, counts):
    look, verify = TokenIssuer.verify, HMACAlgorithm.verify
    check = model.tokens.check_time_claims

    def looked_at(issuer, raw):
        # The others are words such as "undefined".
        if raw.count(".") == 2:
            counts.seen[raw] += 1
        return look(issuer, raw)

    def verified(algorithm, message, key, signature):
        counts.signatures[message] += 1
        return verify(algorithm, message, key, signature)

    def checked(claims, now_s, *rules):
        counts.times_checked += 1
        check(claims, now_s, *rules)

    patch.setattr(TokenIssuer, "verify", looked_at)
    patch.setattr(HMACAlgorithm, "verify", verified)
    patch.setattr(model.tokens, "check_time_claims", checked)


def _count_statements(patch, counts):
    charge, execute = Charges.statement, ServerConnection._execute

    def charged(charges, work):
        counts.statements[work.kind] += 1
        charge(charges, work)

    def executed(connection, *arguments):
        counts.commands += 1
        return execute(connection, *arguments)

    patch.setattr(Charges, "statement", charged)
    patch.setattr(ServerConnection, "_execute", executed)


def test_every_token_is_verified_when_it_is_first_seen(work):
    verified = {message.decode(): times for message, times in work.signatures.items()}
    assert verified == {token.rpartition(".")[0]: 1 for token in work.seen}
    assert len(verified) > 10


def test_the_times_of_a_token_are_checked_whenever_it_is_seen(work):
    assert work.times_checked == sum(work.seen.values()) > len(work.seen)


def test_every_command_that_was_charged_ran(work):
    redis = work.run.server.redis
    assert work.commands == redis.commands_processed > 100


def test_every_statement_that_was_charged_ran_or_was_answered_from_unchanged_tables(work):
    database = work.run.server.database
    for kind in ("insert", "update", "delete"):
        assert database.executed[kind] == work.statements[kind]
    assert database.executed["select"] + database.memo_hits == work.statements["select"]
    assert 0 < database.executed["select"] <= work.sql["select"]
    assert 0 < database.executed["insert"] <= work.sql["insert"]


def test_the_rows_are_in_the_tables(work):
    generated = work.result.outcomes["POST /v1/token/generation"].get("200", 0)
    assert work.result.tables["token_history"] >= generated > 0
    raw = work.run.server.database.storage.raw
    (rows,) = raw.execute("SELECT count(*) FROM token_history").fetchone()
    assert rows == work.result.tables["token_history"]
