"""One session's statements at random: rows, types, counts, ids and errors of the real servers."""

from __future__ import annotations

import os

import pytest

from tests.contract.own_app.one_session import Figures, compare

STATEMENTS = 40
DIALECTS = ("mysql", "postgres")


def tried(servers, figures, dialect, seeds):
    found = Figures()
    with servers(dialect)() as real:
        for seed in seeds:
            compare(real, dialect, seed, STATEMENTS, found)
    figures(f"statements of one session, {dialect}", found.statements)
    figures(f"of these answered with an error, {dialect}", found.errors)
    figures(f"refused by the simulation and not counted, {dialect}", sum(found.refused.values()))
    figures(f"statements that differ, {dialect}", len(found.differences))
    assert not found.differences, told(found.differences)


def told(differences):
    lines = [f"{len(differences)} differ"]
    for seed, sql, values, theirs, ours, _ in differences[:5]:
        lines += [f"seed {seed}: {sql} {values}", f"  real      {theirs}", f"  simulated {ours}"]
    return "\n".join(lines)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_statements_get_the_real_servers_answers(servers, figures, dialect):
    tried(servers, figures, dialect, range(12))


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_thousands_of_statements_get_the_real_servers_answers(servers, figures, dialect):
    count = int(os.environ.get("TICKETSIM_SCHEDULES", "100"))
    tried(servers, figures, dialect, range(1_000, 1_000 + count))
