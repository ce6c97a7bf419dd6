"""One table of all benchmarks at the end, and how much the machine itself varied meanwhile."""

import os
import platform
import time
from statistics import median

import pytest

from tests.benchmarks.scoreboard import Scoreboard

BOARD = pytest.StashKey[Scoreboard]()
YARDSTICK = pytest.StashKey[list[float]]()


def pytest_addoption(parser):
    """Add what can be chosen."""
    parser.addoption(
        "--full-size",
        action="store_true",
        help="the incident at full size and the largest crowd: many minutes more",
    )


def pytest_configure(config):
    """Begin an empty table."""
    config.stash[BOARD] = Scoreboard()
    config.stash[YARDSTICK] = []


@pytest.fixture
def board(request):
    """Where a benchmark puts what it measured."""
    return request.config.stash[BOARD]


@pytest.fixture
def full_size(request):
    """Whether to take the time for everything."""
    return request.config.getoption("--full-size")


@pytest.fixture(autouse=True)
def _yardstick(request):
    """Time the same piece of plain Python before and after each benchmark."""
    seconds = request.config.stash[YARDSTICK]
    seconds.append(_piece_of_work())
    yield
    seconds.append(_piece_of_work())


def _piece_of_work():
    began_s = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number & 7
    return time.perf_counter() - began_s


def pytest_benchmark_update_json(config, benchmarks, output_json):  # noqa: ARG001
    """Put the table into the JSON file too."""
    output_json["scoreboard"] = config.stash[BOARD].data()
    output_json["yardstick_s"] = config.stash[YARDSTICK]
    output_json["load_average"] = os.getloadavg()


def pytest_terminal_summary(terminalreporter, config):
    """Print the table."""
    board, yardstick = config.stash[BOARD], config.stash[YARDSTICK]
    if not board.rows:
        return
    best = min(yardstick)
    missed = sum(row.met is False for row in board.rows)
    judged = sum(row.met is not None for row in board.rows)
    terminalreporter.write_line("")
    terminalreporter.write_line(board.text())
    terminalreporter.write_line("")
    terminalreporter.write_line(
        f"{judged - missed} of {judged} goals met. {platform.python_implementation()} "
        f"{platform.python_version()}, {os.cpu_count()} cores; the same piece of plain Python took "
        f"{best * 1e3:.0f} ms at best, {median(yardstick) / best:.2f} times that in the median and "
        f"{max(yardstick) / best:.2f} times at worst; load average {os.getloadavg()[0]:.1f} over "
        "the last minute."
    )
