"""What `fuzz` prints of a race in an application can be done as it is printed."""

from __future__ import annotations

import json
import shlex
import sys
import time
from textwrap import dedent

import pytest

import experiments.cli.fuzz as fuzz_command
from experiments.cli.main import main
from experiments.config.reading import load

ROUNDING_S = 0.001
"""Wall times are told in milliseconds."""
CODE = """
    def app(environ, start_response):
        import redis
        r = redis.Redis(host="cache")
        n = int(r.get("n") or 0)
        r.set("n", n + 1)
        r.incr("visits")
        start_response("200 OK", [])
        return [b"ok"]

    def customer(user):
        user.get("/")
        user.finish()

    def check(rows, keys):
        return {"visits / counted": max(0, int(keys["visits"] or 0) - int(keys["n"] or 0) - 1)}
"""
CONFIG = """
    name = "counter"
    python_path = "{code}"
    [app]
    wsgi = "fuzzed_counter:app"
    workers = 2
    threads = 2
    invariants = "fuzzed_counter:check"
    [customer]
    script = "fuzzed_counter:customer"
    [load]
    executor = "per-vu-iterations"
    vus = 4
    iterations = 1
    max_duration_s = 20.0
    [service]
    started_before_s = 2.0
"""


@pytest.fixture
def counter(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "fuzzed_counter.py").write_text(dedent(CODE))
    (folder / "counter.toml").write_text(dedent(CONFIG.format(code="code")))
    monkeypatch.chdir(folder)
    yield folder
    sys.modules.pop("fuzzed_counter", None)


@pytest.mark.parametrize("out", [None, "all of it"])
def test_the_printed_command_shows_the_violation_again(counter, capsys, out):
    more = ["--out", out] if out else []
    search = ["fuzz", "counter.toml", "--seeds", "20", "--workers", "1", *more]
    assert main(search) == 1
    lines = capsys.readouterr().out.splitlines()
    (again,) = (line for line in lines if line.strip().startswith("again: "))
    program, command, path, *rest = shlex.split(again.partition("again: ")[2])
    assert (program, command, rest) == ("ticketsim", "run", [])
    assert (counter / path).is_file()
    # The folder may be moved with all that is in it.
    assert load(path).header.python_path == ("../code" if out else "code")
    assert main([command, path, "--quiet"]) == 1
    assert "visits / counted broken" in capsys.readouterr().err


@pytest.mark.usefixtures("counter")
def test_the_wall_time_begins_with_the_command(capsys, monkeypatch):
    def slow(options):
        time.sleep(0.7)
        return read(options)

    read = fuzz_command.read_config
    monkeypatch.setattr(fuzz_command, "read_config", slow)
    began_s = time.monotonic()
    assert main(["fuzz", "counter.toml", "--seeds", "1", "--workers", "1", "--json"]) in {0, 1}
    result = json.loads(capsys.readouterr().out)
    assert 0.7 <= result["wall_seconds"] <= time.monotonic() - began_s + ROUNDING_S
