"""Applications on simulated time: the shop of the examples, and small ones written by a test."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest

from sim.load.settings import PerVUIterations
from sim.run import simulate
from sim.world import Application, Host, Service, World

EXAMPLES = Path(__file__).parents[2] / "examples"
_numbers = itertools.count()


@pytest.fixture
def run_app(tmp_path, monkeypatch):
    """Run an application written as text: `run(code, customer=..., **keys of [app])`."""
    number = next(_numbers)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(code, customer, *, users=1, seed=1, world=None, max_s=120.0, **app):
        name, script = f"own_app_{number}", f"own_customer_{number}"
        (tmp_path / f"{name}.py").write_text(dedent(code))
        (tmp_path / f"{script}.py").write_text(dedent(customer))
        for old in (name, script):
            sys.modules.pop(old, None)
        kind = "asgi" if app.pop("is_asgi", False) else "wsgi"
        settings = {kind: f"{name}:app", "threads": 4} | app
        for key in ("prepare", "invariants"):
            if settings.get(key, "").startswith(":"):
                settings[key] = name + settings[key]
        settings["background"] = tuple(
            replace(each, run=name + each.run) for each in settings.get("background", ())
        )
        base = world or World()
        return simulate(
            replace(
                base,
                app=Application(**settings),
                customer=replace(base.customer, script=f"{script}:customer"),
                load=PerVUIterations(
                    "per-vu-iterations", vus=users, iterations=1, max_duration_s=max_s
                ),
                host=Host(cores=2.0),
                service=Service(started_before_s=1.0),
            ),
            seed,
        )

    return run


@pytest.fixture
def run_asgi(run_app):
    """Run an ASGI application written as text, as `run_app`."""
    return partial(run_app, is_asgi=True)
