"""Programs that some tests need, and settings that make every test repeatable."""

import os

import hypothesis
import pytest

from experiments.interop.programs import find_program

PROGRAMS = {
    "redis_server": "redis-server",
    "browser": "chromium",
    "mariadb": "mariadbd",
    "postgresql": "postgres",
    "k6": "k6",
}

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is absent, or fail it where the programs are promised."""
    for marker, program in PROGRAMS.items():
        if item.get_closest_marker(marker) and find_program(program) is None:
            reason = f"no {program} on the path"
            if os.environ.get("TICKETSIM_REQUIRE_PEERS") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
