"""Real database servers, one of each kind for all tests, and the figures of what was tried."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.support import database_servers

_FIGURES = pytest.StashKey()
PROGRAMS = {"mysql": "mariadbd", "postgres": "postgres"}


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """`servers(dialect)` connects to a real server, which is started when first asked for."""
    required = bool(os.environ.get("TICKETSIM_REQUIRE_PEERS"))
    with ExitStack() as stack:
        started = {}

        def get(dialect):
            program = PROGRAMS[dialect]
            if database_servers.find(program) is None:
                assert not required, f"{program} is not there"
                pytest.skip(f"no {program}")
            if dialect not in started:
                start = {"mysql": database_servers.mariadb, "postgres": database_servers.postgres}
                folder = tmp_path_factory.mktemp(dialect)
                started[dialect] = stack.enter_context(start[dialect](folder))
            return started[dialect]

        yield get


@pytest.fixture
def figures(request):
    """`figures(name, number)` adds to a number that is told when all tests are over."""
    known = request.config.stash.setdefault(_FIGURES, Counter())

    def add(name, number):
        known[name] += number

    return add


def pytest_terminal_summary(terminalreporter, config):
    known = config.stash.get(_FIGURES, None)
    if known:
        terminalreporter.section("beside real servers")
        for name, number in sorted(known.items()):
            terminalreporter.line(f"{number:8,} {name}")
