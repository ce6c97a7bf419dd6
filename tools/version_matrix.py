"""Install the wheel beside other versions of an application's libraries, and run both shops there.

    python -m tools.version_matrix [--only NUMBER]...

Each row of `MATRIX` is a new environment in a temporary folder: the wheel, the row's versions, the
examples. The Flask shop runs on MySQL and PostgreSQL, the Django shop on both, twice each: equal
digests, no seat sold twice where rows are locked, no errors. Prints a Markdown table. A Python that
is not there is said so: interpreters are looked for on the path and in pyenv's folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_TIMEOUT_S: Final = 1_500.0
_SHOWN: Final = ("flask", "django", "sqlalchemy", "redis")


@dataclass(frozen=True)
class Row:
    """One environment: a Python, and what is installed there beside the wheel."""

    python: str
    packages: tuple[str, ...]


MATRIX: Final = (
    Row(
        "3.11",
        ("flask==2.0.*", "werkzeug<2.1", "django==4.2.*", "sqlalchemy==2.0.*", "redis==5.0.*"),
    ),
    Row("3.11", ("flask==2.3.*", "django==5.0.*", "sqlalchemy==2.0.*", "redis==5.3.*")),
    Row("3.12", ("flask==3.0.*", "django==5.1.*", "sqlalchemy==2.1.*", "redis==6.*")),
    Row("3.13", ("flask==3.1.*", "django==5.2.*", "sqlalchemy==2.1.*", "redis==7.*")),
    Row("3.13", ("flask", "django", "sqlalchemy", "redis", "psycopg[binary]")),
    Row("3.14", ("flask", "django", "sqlalchemy", "redis")),
)
_CHECK: Final = """
import sys
from importlib import metadata
from experiments.config.reading import load
from sim.app.versions import check_versions, untried_versions
from sim.run import simulate

check_versions()
shop, *sets = sys.argv[1:]
always = ["load.vus=10", "app.patience_s=600", 'app.env.SHOP_LOCKS_SEATS="1"']
world = load(shop, [*always, *sets]).world
first, second = (simulate(world, 1) for _ in range(2))
assert first.ended == "completed", first.failure
assert not first.exceptions, first.exceptions
assert first.digest == second.digest
assert first.invariants["oversold"] == 0
assert sum(row.get("201", 0) for row in first.outcomes.values()) > 0
versions = " ".join(metadata.version(name) for name in ("flask", "django", "sqlalchemy", "redis"))
sys.stderr.write("\\n" + versions + "|" + "; ".join(untried_versions()))
"""
_SHOPS: Final = (
    ("flask_shop", ()),
    ("flask_shop", ('app.env.DATABASE_URL="postgresql+psycopg2://u@db/shop"',)),
    ("django_shop", ()),
    ("django_shop", ('app.env.DB_ENGINE="django.db.backends.postgresql"',)),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the matrix; the exit code is the number of rows that failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=int, action="append", help="number of a row, from 1")
    options = parser.parse_args(arguments)
    wanted = options.only or range(1, len(MATRIX) + 1)
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = _wheel(folder)
        print("| Python | Flask | Django | SQLAlchemy | redis-py | result |")
        print("| --- | --- | --- | --- | --- | --- |", flush=True)
        for number in wanted:
            versions, result = _tried(MATRIX[number - 1], wheel, folder / str(number))
            failed += not result.startswith("works")
            print(f"| {' | '.join((*versions, result))} |", flush=True)
    return failed


def _wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def _interpreter(version: str) -> str | None:
    """A Python of this version, on the path or in pyenv's folder."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if found:
        return str(found[-1])
    return shutil.which(f"python{version}")


def _tried(row: Row, wheel: Path, folder: Path) -> tuple[tuple[str, ...], str]:
    python = _interpreter(row.python)
    if python is None:
        return (row.python, *("" for _ in _SHOWN)), "not tried: there is no such Python here"
    # Where it is asked for, another driver of PostgreSQL takes the place of psycopg2.
    driver = (
        () if any(each.startswith("psycopg") for each in row.packages) else ("psycopg2-binary",)
    )
    uv = [str(Path(sys.executable).parent / "uv"), "--quiet"]
    venv = folder / "bin" / "python"
    try:
        subprocess.run(
            [*uv, "venv", "--python", python, str(folder)], check=True, timeout=_TIMEOUT_S
        )
        install = [
            *uv,
            "pip",
            "install",
            "--python",
            str(venv),
            f"{wheel}[app]",
            "pymysql",
            *driver,
        ]
        subprocess.run([*install, *row.packages], check=True, timeout=_TIMEOUT_S)
        found = [_shop(venv, *shop) for shop in _SHOPS]
    except subprocess.CalledProcessError as error:
        words = [line for line in (error.stderr or "").splitlines() if line.strip()]
        return (row.python, *row.packages[:4]), f"fails: {words[-1] if words else error}"
    versions, _, remark = found[0].partition("|")
    return (row.python, *versions.split()), f"works{': ' if remark else ''}{remark}"


def _shop(python: Path, shop: str, sets: tuple[str, ...]) -> str:
    """Run one shop in the environment; returns versions and remarks."""
    if (
        sets
        and "psycopg2" in sets[0]
        and not list(python.parents[1].glob("lib/*/site-packages/psycopg2"))
    ):
        sets = (sets[0].replace("psycopg2", "psycopg"),)
    done = subprocess.run(
        [str(python), "-P", "-c", _CHECK, str(ROOT / "examples" / shop / "shop.toml"), *sets],
        cwd=python.parents[1],
        env={**os.environ, "PYTHONPATH": "", "XDG_CACHE_HOME": str(python.parents[1] / "cache")},
        check=True,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    return done.stderr.splitlines()[-1]


if __name__ == "__main__":
    sys.exit(main())
