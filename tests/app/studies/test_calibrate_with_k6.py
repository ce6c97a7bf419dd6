"""`calibrate --app --k6`: the true service's own times become factors that a run charges."""

from __future__ import annotations

import json
import sys
import tomllib
from textwrap import dedent

import pytest

from experiments.cli.main import main

CODE = """
    import hashlib

    def app(environ, start_response):
        import redis
        redis.Redis(host="cache").incr("visits")
        for _ in range(200):
            hashlib.sha256(b"x" * 1000).digest()
        start_response("200 OK", [])
        return [b"ok"]

    def customer(user):
        user.get("/items/7")
        user.post("/orders")
"""
CONFIG = """
    name = "timed"
    python_path = "."
    {include}
    [app]
    wsgi = "timed_shop:app"
    request_cv = 0.0
    [customer]
    script = "timed_shop:customer"
    [load]
    executor = "per-vu-iterations"
    vus = 1
    iterations = 20
    max_duration_s = 60.0
    [service]
    started_before_s = 1.0
"""
HEADER = "metric_name,timestamp,metric_value,method,name,status,url"


@pytest.fixture
def timed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "timed_shop.py").write_text(dedent(CODE))
    (tmp_path / "timed.toml").write_text(dedent(CONFIG.format(include="")))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("timed_shop", None)


def k6_file(folder, milliseconds, *requests):
    """One user's output: each request ten times."""
    rows = [HEADER]
    for second in range(10):
        rows += [
            f"http_req_duration,{1_700_000_000 + second},{milliseconds},{method},{name},200,{url}"
            for method, name, url in requests
        ]
    (folder / "single.csv").write_text("\n".join(rows) + "\n")
    return "single.csv"


def durations(capsys):
    assert main(["run", "timed.toml", "--json", "--quiet"]) == 0
    run = json.loads(capsys.readouterr().out)
    return {
        endpoint: run["metrics"][f"http_req_duration{{endpoint:{endpoint}}}"]["med"]
        for endpoint in ("GET /items/{id}", "POST /orders")
    }


def test_factors_make_the_simulated_service_as_slow_as_the_true_one(timed, capsys):
    addresses = [
        ("GET", "http://shop:8000/items/7", "http://shop:8000/items/7"),
        ("POST", "POST /orders", "http://shop:8000/orders"),
        ("GET", "GET /health", "http://shop:8000/health"),
    ]
    single = k6_file(timed, 40.0, *addresses)
    command = ["calibrate", "--app", "timed.toml", "--k6", single, "--out", "segments.toml"]
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "GET /health: in the k6 output, and called by no simulated customer" in told
    found = tomllib.loads((timed / "segments.toml").read_text())["app"]
    assert set(found["factors"]) == {"GET /items/{id}", "POST /orders"}
    assert all(factor > 1.0 for factor in found["factors"].values())
    (timed / "timed.toml").write_text(dedent(CONFIG.format(include='include = ["segments.toml"]')))
    assert durations(capsys) == pytest.approx(dict.fromkeys(found["factors"], 40.0), rel=0.05)


def test_names_of_a_script_are_told_by_a_file(timed, capsys):
    single = k6_file(timed, 40.0, ("GET", "look", "http://shop:8000/items/7"))
    (timed / "names.toml").write_text('look = "GET /items/{id}"\n')
    command = ["calibrate", "--app", "timed.toml", "--k6", single, "--names", "names.toml"]
    assert main([*command, "--json", "--quiet"]) == 0
    assert set(json.loads(capsys.readouterr().out)["factors"]) == {"GET /items/{id}"}


def test_a_name_that_is_no_endpoint_is_refused(timed, capsys):
    single = k6_file(timed, 40.0, ("GET", "look", "http://shop:8000/items/7"))
    (timed / "names.toml").write_text('look = "items"\n')
    command = ["calibrate", "--app", "timed.toml", "--k6", single, "--names", "names.toml"]
    assert main(command) == 104
    assert 'an endpoint as results name it, such as "GET /items/{id}"' in capsys.readouterr().err
