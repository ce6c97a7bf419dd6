"""A library of a version never tried is told once; one known not to work is refused."""

from __future__ import annotations

import importlib
from importlib import metadata

import pytest

from experiments.cli.main import main
from sim.app import versions
from tests.app.conftest import EXAMPLES

RUN = ["run", str(EXAMPLES / "flask_shop" / "shop.toml"), "--set", "load.vus=2", "--quiet"]


@pytest.fixture
def pretend(monkeypatch):
    """Let a library say that it has another version."""
    real = metadata.version

    def set_version(library, version):
        monkeypatch.setattr(
            metadata, "version", lambda name: version if name == library else real(name)
        )

    return set_version


def test_the_installed_versions_were_tried(capsys):
    assert {"redis", "sqlalchemy", "flask", "django"} <= versions.installed().keys()
    assert main(RUN) == 0
    assert "never tried" not in capsys.readouterr().err


def test_a_version_that_was_never_tried_is_told_once(pretend, capsys):
    pretend("redis", "9.0.1")
    assert main(RUN) == 0
    told = capsys.readouterr().err
    assert told.count("redis 9.0.1 was never tried with this version of ticketsim") == 1


def test_a_version_that_is_known_not_to_work_is_an_error(pretend, capsys):
    pretend("sqlalchemy", "1.4.54")
    assert main(RUN) == 104
    assert "sqlalchemy 1.4.54 is not supported; allowed: 2 or newer" in capsys.readouterr().err


HELD = [(module, name) for module, names in versions._HELD.items() for name in names]


@pytest.mark.parametrize(("module", "name"), HELD, ids=".".join)
def test_each_name_that_the_seams_hold_on_to_is_missed_when_it_is_gone(module, name, monkeypatch):
    versions.check_versions()
    *path, last = name.split(".")
    gone = importlib.import_module(module)
    for part in path:
        gone = getattr(gone, part)
    stand_in = _Without(gone, last)
    if path:
        holder = importlib.import_module(module)
        monkeypatch.setattr(holder, path[0], stand_in)
    else:
        real = importlib.import_module
        monkeypatch.setattr(
            versions.importlib,
            "import_module",
            lambda wanted: stand_in if wanted == module else real(wanted),
        )
    with pytest.raises(versions.VersionError, match=f"{module}.{name} is not there any more"):
        versions.check_versions()


class _Without:
    """A module or class that lacks one name."""

    def __init__(self, whole, name):
        self._whole, self._name = whole, name

    def __getattr__(self, name):
        if name == self._name:
            raise AttributeError(name)
        return getattr(self._whole, name)


def test_a_name_that_is_gone_ends_the_command_before_the_run(monkeypatch, capsys):
    monkeypatch.setitem(versions._HELD, "redis.connection", ("Connection.no_such_name",))
    assert main(RUN) == 104
    assert "redis.connection.Connection.no_such_name is not there" in capsys.readouterr().err
