"""Sweep, gate, compare and report of an application: what is told of it is true of it."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from experiments.cli.main import main
from experiments.config.reading import load
from experiments.errors import ViolationError
from experiments.studies.fuzz.violations import raise_if_broken
from tests.app.conftest import EXAMPLES

FOLDER = EXAMPLES / "flask_shop"
SHOP = [str(FOLDER / "shop.toml"), "--set", "load.vus=10", "--workers", "1"]
TICKETS = re.compile(
    r"sold|\bpaid\b|never let in|shut out|got in|booked|tokens issued|goodput|The queue"
    r"|connection pool"
)


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Run a command with --out; gives its exit code, its text and the text of its report."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def tell(*arguments):
        out = str(tmp_path / "out")
        code = main([*arguments, "--out", out])
        text = capsys.readouterr().out
        assert main(["report", out, "--quiet"]) == 0
        html = (tmp_path / "out" / "report.html").read_text("utf-8")
        page = re.sub(r"<(style|script|svg).*?</\1>", "", html, flags=re.DOTALL)
        return code, text, re.sub(r"<[^>]+>", " ", page)

    return tell


def test_a_sweep_has_a_line_for_each_point_and_no_seats(told):
    two = ["--param", "app.workers=1,2", "--replications", "1"]
    code, text, page = told("sweep", *SHOP, *two)
    assert code == 0
    assert "app.workers  verdict      requests failed        p95" in text
    assert len(re.findall(r"^ +[12]  HOLDS +\d+\.\d+ % +\S+$", text, re.MULTILINE)) == 2
    assert not TICKETS.search(text + page)


def test_a_gate_judges_an_application_by_its_thresholds(told):
    limit = ["--replications", "3", "--budget", "3", "--set"]
    met = told("gate", *SHOP, *limit, 'thresholds={http_req_failed=["rate<0.9"]}')
    assert met[0] == 0
    assert "flask-shop: PASSES" in met[1]
    assert not TICKETS.search(met[1] + met[2])


def test_a_gate_of_an_application_fails_where_a_threshold_is_not_met(told):
    limit = ["--replications", "3", "--budget", "3", "--set"]
    code, text, _ = told("gate", *SHOP, *limit, 'thresholds={http_req_duration=["p(95)<1"]}')
    assert code == 99
    assert "flask-shop: FAIL" in text


def test_compare_ranks_variants_by_answers_and_not_by_seats(told):
    variants = ["--variants", str(FOLDER / "variants.toml"), "--replications", "3"]
    code, text, page = told("compare", *SHOP, *variants)
    assert code == 0
    heads = r"rank +variant +verdict +not met +broken +buying failed +refused +p95"
    assert re.search(heads, text)
    assert "rank: fewest invariants broken, fewest demands not met, then buying failed" in " ".join(
        text.split()
    )
    assert not TICKETS.search(text + page)


def test_the_report_of_a_run_tells_of_requests_and_not_of_people_let_in(told):
    code, text, page = told("run", *SHOP[:3])
    assert code == 0
    assert "POST /seats/{id}/book" in page
    assert "processor times" in page
    assert re.search(r"the service&#x27;s worker threads\s+16 |worker threads\s+16 ", page)
    assert not TICKETS.search(text + page)


def test_a_broken_invariant_of_an_application_names_no_policy():
    config = load(str(FOLDER / "shop.toml"), ["load.vus=300"])
    run = SimpleNamespace(ended="finished", invariants={"oversold": 2}, seed=7)
    with pytest.raises(ViolationError, match=r"seed 7: oversold broken; .*--seed 7") as found:
        raise_if_broken(config, 1.0, {0: run})
    assert "policy" not in str(found.value)
