"""One seed, one digest: in every process, for every PYTHONHASHSEED, first run or second."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.app.conftest import EXAMPLES

DIGEST = """
import sys
from experiments.config.reading import load
from sim.run import simulate
world = load(sys.argv[1], sys.argv[2:]).world
found = {simulate(world, 3).digest for _ in range(2)}
sys.stderr.write(" ".join(found))
"""


def digest(shop, hash_seed, *sets):
    """The digests of two runs in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, str(EXAMPLES / shop / "shop.toml"), *sets],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("shop", "sets"),
    [
        ("flask_shop", ["load.vus=8"]),
        ("flask_shop", ["load.vus=8", 'app.env.DATABASE_URL="postgresql+psycopg2://u@db/shop"']),
        ("django_shop", ["load.vus=8"]),
        ("django_shop", ["load.vus=8", 'app.env.DB_ENGINE="django.db.backends.postgresql"']),
    ],
    ids=["flask on mysql", "flask on postgres", "django on mysql", "django on postgres"],
)
def test_two_runs_in_two_processes_have_one_digest(shop, sets):
    first, second = digest(shop, "0", *sets), digest(shop, "4242", *sets)
    assert len(first) == 1
    assert first == second
