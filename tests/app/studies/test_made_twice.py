"""An application whose runs differ is told so, with the first request that differs."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from experiments.cli.main import main

CONFIG = """
    name = "twice"
    python_path = "."
    [app]
    wsgi = "{name}:app"
    [customer]
    script = "{name}_customer:customer"
    [load]
    executor = "per-vu-iterations"
    vus = 2
    iterations = 1
    max_duration_s = 60.0
    [service]
    started_before_s = 1.0
"""
CUSTOMER = "def customer(user):\n    user.get('/')\n    user.finish()\n"
SAME = """
    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"same"]
"""
# Outside the application's own folder, so it is not imported anew.
OTHER = """
    import json
    def app(environ, start_response):
        json.calls = getattr(json, "calls", 0) + 1
        start_response("200 OK" if json.calls % 3 else "404 Not Found", [])
        return [b"other"]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(name, code):
        (tmp_path / f"{name}.py").write_text(dedent(code))
        (tmp_path / f"{name}_customer.py").write_text(CUSTOMER)
        path = tmp_path / f"{name}.toml"
        path.write_text(dedent(CONFIG.format(name=name)))
        return str(path)

    return write


def test_a_repeatable_application_is_checked_once(project, tmp_path, capsys):
    path = project("twice_same", SAME)
    assert main(["run", path, "--quiet"]) == 0
    markers = list((tmp_path / "cache").rglob("made-twice/*"))
    assert len(markers) == 1
    assert main(["run", path, "--quiet"]) == 0
    assert "differ" not in capsys.readouterr().err


def test_the_first_request_that_differs_is_named(project, capsys):
    assert main(["run", project("twice_other", OTHER), "--quiet"]) == 1
    told = capsys.readouterr().err
    assert "two runs of the application differ" in told
    assert "GET /" in told
