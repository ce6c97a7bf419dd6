"""Programs that some tests need, and settings that make every test repeatable."""

import os
import shutil

import hypothesis
import pytest

PROGRAMS = {"redis_server": "redis-server", "browser": "chromium"}

hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is absent, or fail it where the programs are promised."""
    for marker, program in PROGRAMS.items():
        if item.get_closest_marker(marker) and shutil.which(program) is None:
            reason = f"no {program} on the path"
            if os.environ.get("TICKETSIM_REQUIRE_PEERS") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
