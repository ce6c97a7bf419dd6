"""An application that hangs or dies midway: what was measured until then is kept, and marked."""

from __future__ import annotations

import json
import sys
from textwrap import dedent

import pytest

from experiments.cli.main import main

APP = """
    served = []

    def app(environ, start_response):
        served.append(1)
        if len(served) == 5:
            {ends}
        start_response("200 OK", [])
        return [b"ok"]
"""
CUSTOMER = """
    def customer(user):
        user.sleep(float(user.id))
        user.get("/")
        user.finish()
"""
CONFIG = """
    name = "halfway"
    python_path = "."
    [app]
    wsgi = "halfway:app"
    patience_s = 1.0
    [customer]
    script = "halfway_customer:customer"
    [load]
    executor = "per-vu-iterations"
    vus = 12
    iterations = 1
    max_duration_s = 60.0
    [service]
    started_before_s = 1.0
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the application, which ends in a way of its own; gives exit code, JSON and errors."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "halfway_customer.py").write_text(dedent(CUSTOMER))
    (tmp_path / "halfway.toml").write_text(dedent(CONFIG))

    def runs(ends):
        for name in ("halfway", "halfway_customer"):
            sys.modules.pop(name, None)
        (tmp_path / "halfway.py").write_text(dedent(APP.format(ends=ends)))
        code = main(["run", "halfway.toml", "--out", "kept", "--json", "--quiet"])
        told = capsys.readouterr()
        return code, json.loads(told.out), told.err

    return runs


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ("while True: pass", "app.patience_s"),
        ("import sys; sys.exit(3)", "SystemExit(3)"),
        ("import os; os._exit(3)", "os._exit(3)"),
        ("import os; os.fork()", "os.fork()"),
    ],
    ids=["hangs", "exits", "ends its process", "forks"],
)
def test_the_four_answers_before_it_are_kept_and_the_run_is_marked(
    run, tmp_path, capsys, ends, words
):
    code, summary, told = run(ends)
    assert code == 1
    assert words in told
    assert "halfway.py:7" in told
    assert summary["partial"]
    assert summary["verdict"]["outcome"] == "open"
    assert summary["runs"][0]["ended"] == "failed"
    assert summary["outcomes"] == {"GET /": {"200": 4}}

    kept = tmp_path / "kept"
    assert json.loads((kept / "manifest.json").read_text())["partial"]
    assert json.loads((kept / "summary.json").read_text())["outcomes"] == summary["outcomes"]
    assert main(["report", "kept", "--quiet"]) == 0
    assert words in (kept / "report.html").read_text("utf-8")
    capsys.readouterr()
