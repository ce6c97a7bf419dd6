"""What `k6 inspect` (v1.3.0) printed about some scripts, as configs."""

import json
import re
from pathlib import Path
from typing import Final

import pytest

from experiments.cli.main import main
from experiments.config.reading import load
from experiments.errors import ConfigError
from experiments.interop.import_k6 import OPTIONS, imported, read_options
from experiments.interop.names_file import read_names
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
)
from sim.run import simulate

DATA = Path(__file__).parents[2] / "data" / "k6"
SHORTCUTS, SCENARIOS = DATA / "inspect-shortcuts.json", DATA / "inspect-scenarios.json"


def imported_world(tmp_path, source, *options):
    out = tmp_path / "mine.toml"
    assert main(["import-k6", str(source), "--out", str(out), *options]) == 0
    return load(str(out))


def test_a_script_with_stages_and_thresholds(tmp_path, capsys):
    config = imported_world(tmp_path, SHORTCUTS)

    assert config.world.load == RampingVUs(
        stages=(Stage(300, 20_000), Stage(600, 30_000), Stage(600, 30_000), Stage(300, 0)),
        start_vus=1,
    )
    assert config.world.catalogue.users == 30_000
    assert config.world.generator.connections == "per_request"
    assert config.world.generator.max_rps == 100
    assert config.header.thresholds.keys() == {"http_req_failed", "http_req_duration"}
    (duration,) = config.header.thresholds["http_req_duration"]
    assert (duration.threshold, duration.abortOnFail) == ("p(95)<500", True)

    told = capsys.readouterr().err.splitlines()
    assert "left out: maxRedirects = 4: the service redirects nobody" in told
    assert "left out: batch = 15: users send one request at a time" in told
    assert any("count>5" in line and "metric of the script's own" in line for line in told)
    assert any("no endpoint is known for name" in line for line in told)
    # The config says so, too.
    assert all(f"# L{line[1:]}" in (tmp_path / "mine.toml").read_text() for line in told)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "a",
            ConstantVUs("constant-vus", duration_s=30, vus=10, graceful_stop_s=5, start_s=10.0),
        ),
        ("b", RampingVUs("ramping-vus", (Stage(90, 10), Stage(0, 0)), 3, 0.0)),
        ("c", PerVUIterations("per-vu-iterations", 4, 7, 120)),
        ("d", SharedIterations("shared-iterations", 4, 70, 120)),
        ("e", ConstantArrivalRate("constant-arrival-rate", 600, 30, 5, 60, 50)),
        ("f", RampingArrivalRate("ramping-arrival-rate", (Stage(120, 100),), 5, 5, 1)),
    ],
)
def test_every_executor(tmp_path, capsys, name, expected):
    config = imported_world(tmp_path, SCENARIOS, "--scenario", name)
    assert config.world.load == expected
    others = capsys.readouterr().err.count("not the scenario that was asked for")
    assert others == 6


def test_what_cannot_be_simulated_is_refused_by_name(capsys):
    assert main(["import-k6", str(SCENARIOS), "--scenario", "g"]) == 104
    told = capsys.readouterr().err
    assert 'scenarios.g.executor = "externally-controlled": cannot be simulated' in told
    assert main(["import-k6", str(SCENARIOS), "--scenario", "h"]) == 104
    assert "no scenario h; allowed: a, b, c, d, e, f, g" in capsys.readouterr().err


def test_what_belongs_to_a_scenario_and_is_left_out_is_listed():
    found = imported(json.loads(SCENARIOS.read_text()), "options.json", "a")
    assert [line.partition(" =")[0] for line in found.left_out if "scenarios.a" in line] == [
        "scenarios.a.exec",
        "scenarios.a.env",
        "scenarios.a.tags",
    ]


@pytest.mark.parametrize("name", ["requirements", "empty"])
def test_it_runs(tmp_path, name):
    config = imported_world(tmp_path, DATA / f"inspect-{name}.json")
    assert simulate(config.world, 1).metrics["http_reqs"]["count"] > 0


def test_a_byte_order_mark_and_windows_line_ends_are_no_error(tmp_path):
    text = SHORTCUTS.read_text().replace("\n", "\r\n")
    source = tmp_path / "windows.json"
    source.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert imported_world(tmp_path, source).world.load.start_vus == 1


def test_an_existing_file_is_not_overwritten(tmp_path, capsys):
    out = tmp_path / "mine.toml"
    out.write_text("mine")
    assert main(["import-k6", str(SHORTCUTS), "--out", str(out)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "line 1: not valid JSON"),
        ('{"vus": 1,\n', "line 2: not valid JSON"),
        ("[]", "not the options of a script"),
        ('{"metrics": {}}', "not the options of a script"),
        ('{"vus": NaN}', "NaN is no number"),
        ("[" * 100_000, "not valid JSON"),
        ('{"vus": "5", "duration": "30s"}', 'vus = "5": allowed: a whole number'),
        ('{"vus": 1.5, "duration": "30s"}', "vus = 1.5"),
        ('{"vus": true, "duration": "30s"}', "vus = true"),
        ('{"vus": -1, "duration": "30s"}', "vus = -1"),
        ('{"vus": 0, "duration": "30s"}', "vus = 0: allowed: a whole number from 1"),
        ('{"vus": 1, "duration": "soon"}', 'duration = "soon"'),
        ('{"vus": 1, "duration": "-3s"}', 'duration = "-3s"'),
        ('{"vus": 1, "scenarios": [1]}', "scenarios = [1]"),
        ('{"scenarios": {"a": 1}}', "allowed: a table of tables"),
        ('{"scenarios": {"a": {"executor": ["x"]}}}', "scenarios.a.executor"),
        ('{"scenarios": {"a": {}}}', "scenarios.a.executor"),
        ('{"stages": [{"duration": "3s", "target": "many"}]}', 'stages[0].target = "many"'),
        ('{"stages": 7}', "stages = 7"),
        ('{"vus": 1, "thresholds": []}', "thresholds = []"),
        ('{"vus": 1, "thresholds": {"http_reqs": "count>1"}}', "a list of thresholds"),
        ('{"vus": 1, "thresholds": {"http_reqs": [5]}}', "allowed: texts such as"),
        ('{"scenarios": {"a": {"executor": "constant-vus"}}}', "scenarios.a.duration: missing"),
        ('{"duration": "1s", "iterations": 2, "stages": [{"duration": "1s", "target": 1}]}', "tog"),
        ('{"executionSegment": "1/2:1/4", "vus": 4, "duration": "9s"}', "executionSegment ="),
        (
            '{"vus": 1, "thresholds": {"http_reqs": ["count<ten"]}}',
            "thresholds.http_reqs.threshold",
        ),
        ('{"vus": 1, "thresholds": {"http_reqs": ["p(95)<10"]}}', "an aggregation that k6 has"),
        ('{"vus": 5, "iterations": 2}', "iterations = 2: allowed: at least as many as vus = 5"),
    ],
)
def test_what_k6_would_not_print_is_refused_in_one_line(tmp_path, capsys, text, named):
    source = tmp_path / "options.json"
    source.write_text(text)
    assert main(["import-k6", str(source)]) == 104
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert named in told.err


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path, capsys):
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00{")
    for name in ("binary.json", "missing.json"):
        assert main(["import-k6", str(tmp_path / name)]) == 104
        assert "cannot be read" in capsys.readouterr().err


def test_a_huge_file_is_refused():
    with pytest.raises(Exception, match="more than 10,000,000 characters"):
        read_options(" " * 10_000_001, "options.json")


def told_of(options, **more):
    """The config's table and the lines about what is left out."""
    found = imported(options, "options.json", **more)
    return found.table, found.left_out


def test_k6_accepts_a_pool_of_no_users_and_so_does_the_import():
    scenario = {"executor": "constant-arrival-rate", "rate": 1, "duration": "5s"}
    table, left_out = told_of({"scenarios": {"a": {**scenario, "preAllocatedVUs": 0, "maxVUs": 5}}})
    assert (table["load"]["pre_allocated_vus"], table["catalogue"]["users"]) == (0, 5)
    assert left_out == []


def test_a_threshold_keeps_its_delay():
    threshold = {"threshold": "rate<.5", "abortOnFail": True, "delayAbortEval": "1m0s"}
    table, _ = told_of({"vus": 1, "thresholds": {"http_req_failed": [threshold]}})
    assert table["thresholds"] == {
        "http_req_failed": [{**threshold, "delayAbortEval": "60s"}],
    }


def test_a_metric_of_the_script_that_has_the_name_of_one_of_ours_is_the_scripts():
    table, left_out = told_of({"vus": 1, "thresholds": {"waiting_time": ["p(95)<600"]}})
    assert "thresholds" not in table
    assert left_out == ['thresholds.waiting_time: "p(95)<600": a metric of the script\'s own']


def test_every_threshold_that_is_left_out_is_listed_whole():
    tags = [f"http_req_duration{{type:{name}}}" for name in ("API", "static")]
    _, left_out = told_of({"vus": 1, "thresholds": {tag: ["p(95)<500"] for tag in tags}})
    assert len(set(left_out)) == 2
    assert all(tag in line for tag, line in zip(tags, left_out, strict=True))


def test_stages_beside_a_duration_are_refused_and_told_which_k6_looks_at_first(tmp_path, capsys):
    source = tmp_path / "options.json"
    source.write_text('{"duration": "30s", "stages": [{"duration": "10s", "target": 5}]}')
    assert main(["import-k6", str(source)]) == 104
    told = capsys.readouterr().err
    assert 'duration = "30s" and stages together' in told
    assert "duration alone, which k6 looks at first, or stages alone" in told


HARMLESS = {
    "rps": 0,
    "batch": 0,
    "batchPerHost": 6,
    "paused": False,
    "setupTimeout": "1m0s",
    "minIterationDuration": "0s",
    "noConnectionReuse": False,
    "dns": {"ttl": "5m0s", "select": "random", "policy": "preferIPv4"},
    "hosts": {},
    "tlsAuth": None,
    "maxRedirects": 10,
}


def test_harmless_defaults_are_no_alarm():
    scenario = {"executor": "constant-vus", "duration": "5s", "startTime": "0s", "env": {}}
    table, left_out = told_of({**HARMLESS, "scenarios": {"a": {**scenario, "tags": None}}})
    assert left_out == []
    assert set(table) == {"name", "load", "catalogue"}


def test_nothing_is_lost_silently():
    _, left_out = told_of(
        {
            "vus": 1,
            "vuss": 3,
            "userAgent": "mine/1.0",
            "thresholds": {"http_req_failed": [], "checks": ["rate>.9"]},
        }
    )
    assert 'userAgent = "mine/1.0": does not change the load' in left_out
    assert "vuss = 3: no option of k6; did you mean vus?" in left_out
    assert any("thresholds.http_req_failed = []" in line for line in left_out)
    assert any("checks" in line and "not measured" in line for line in left_out)


def test_all_faults_are_listed_under_the_names_of_k6(tmp_path, capsys):
    source = tmp_path / "options.json"
    scenario = {"executor": "ramping-arrival-rate", "timeUnit": "0s", "prealocatedVUs": 5}
    source.write_text(json.dumps({"rps": -1, "scenarios": {"a": scenario}}))
    assert main(["import-k6", str(source)]) == 104
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    for fault in (
        "scenarios.a.prealocatedVUs = 5: no such option; did you mean preAllocatedVUs?",
        "scenarios.a.preAllocatedVUs: missing",
        "scenarios.a.stages: missing",
        'scenarios.a.timeUnit = "0s"',
        "rps = -1",
    ):
        assert fault in told


WARM_UP = {"executor": "constant-vus", "vus": 3, "duration": "10s", "tags": {"kind": "api"}}
SPIKE = {
    "executor": "constant-arrival-rate",
    "rate": 20,
    "duration": "5s",
    "preAllocatedVUs": 10,
    "startTime": "12s",
    "exec": "buy",
}
PARALLEL = {
    "scenarios": {"warm-up": WARM_UP, "spike": SPIKE},
    "thresholds": {
        "http_req_failed{scenario:spike}": ["rate<0.1"],
        "http_req_duration{kind:api}": ["p(99.9)<500"],
        "http_reqs{scenario:gone}": ["count>1"],
    },
}


def test_several_scenarios_are_several_loads_at_once(tmp_path):
    names = tmp_path / "names.toml"
    names.write_text('[scripts]\nbuy = "tests.support.world_customers:asks_for_tokens"\n')
    source = tmp_path / "options.json"
    source.write_text(json.dumps(PARALLEL))
    config = imported_world(tmp_path, source, "--names", str(names))
    warm_up, spike = config.world.load
    assert (warm_up.scenario, warm_up.start_s, warm_up.script) == ("warm-up", 0.0, None)
    assert (spike.scenario, spike.start_s) == ("spike", 12.0)
    assert spike.script == "tests.support.world_customers:asks_for_tokens"
    assert config.world.catalogue.users == 13
    assert set(config.header.thresholds) == {
        "http_req_failed{scenario:spike}",
        "http_req_duration{scenario:warm-up}",
    }
    run = simulate(config.world, 1)
    assert run.metrics["iterations{scenario:spike}"]["count"] == pytest.approx(100, abs=1)


def test_the_scenario_that_is_imported_selects_every_request():
    table, left_out = told_of(PARALLEL, scenario="spike")
    assert table["thresholds"] == {"http_req_failed": ["rate<0.1"]}
    assert any("no scenario that is imported has kind" in line for line in left_out) or any(
        "no tag kind" in line for line in left_out
    )


def test_a_load_that_cannot_be_simulated_is_told_to_be_missing():
    other = {"executor": "externally-controlled", "vus": 5, "duration": "10s"}
    table, left_out = told_of({"scenarios": {"a": WARM_UP, "b": other}})
    assert "scenario" not in table["load"]
    assert any(
        "scenarios.b.executor" in line and "its load is missing" in line for line in left_out
    )


@pytest.mark.parametrize(
    ("tag", "endpoint"),
    [
        ("name:GET /v1/token/check", "GET /v1/token/check"),
        ("name:my place", "GET /v1/token/check"),
        ("group:::my place", "GET /v1/token/check"),
        ("name:elsewhere", None),
    ],
)
def test_names_of_requests_are_endpoints_by_themselves_or_by_a_file(tmp_path, tag, endpoint):
    names = tmp_path / "names.toml"
    names.write_text('"my place" = "check"\n')
    metric = f"http_req_failed{{{tag}}}"
    table, left_out = told_of(
        {"vus": 1, "thresholds": {metric: ["rate<0.1"]}}, names=read_names(str(names))
    )
    if endpoint is None:
        assert metric in left_out[0]
    else:
        assert list(table["thresholds"]) == [f"http_req_failed{{endpoint:{endpoint}}}"]


def test_a_file_of_names_that_names_no_endpoint_is_refused(tmp_path):
    names = tmp_path / "names.toml"
    names.write_text('"my place" = "GET /v1/token/chek"\n')
    with pytest.raises(ConfigError, match="did you mean GET /v1/token/check"):
        read_names(str(names))


@pytest.mark.parametrize(
    ("segment", "vus", "rate"),
    [("0:1/4", 3, 5.0), ("1/4:1/2", 2, 5.0), ("50%:1", 5, 10.0), ("0.5", 5, 10.0), ("0:1", 10, 20)],
)
def test_an_execution_segment_is_its_share_of_the_load(segment, vus, rate):
    users, _ = told_of({"vus": 10, "duration": "5s", "executionSegment": segment})
    arrivals, _ = told_of({"executionSegment": segment, "scenarios": {"a": SPIKE}})
    assert (users["load"]["vus"], arrivals["load"]["rate"]) == (vus, rate)


def test_limits_of_requests_and_iterations_are_keys_of_the_generator():
    table, left_out = told_of(
        {"vus": 1, "rps": 50, "minIterationDuration": "2s", "noVUConnectionReuse": True}
    )
    assert table["generator"] == {
        "connections": "per_iteration",
        "max_rps": 50,
        "min_iteration_s": 2.0,
    }
    assert left_out == []


PAGE = Path(__file__).parents[3] / "docs" / "reference" / "k6-options.md"
OPTION = re.compile(r"^\| `(\w+)` \| (.*) \|$", re.MULTILINE)


def test_the_page_of_all_options_says_what_the_importer_does():
    of_the_run = PAGE.read_text("utf-8").partition("## Scenarios")[0]
    assert dict(OPTION.findall(of_the_run)) == {
        name: option.becomes for name, option in OPTIONS.items()
    }


def test_every_option_that_k6_prints_is_known():
    for path in DATA.glob("inspect-*.json"):
        assert json.loads(path.read_text()).keys() <= OPTIONS.keys()


SET: Final = {
    "dns": {"ttl": "0", "select": None, "policy": None},
    "hosts": {"a.example": "10.0.0.1"},
    "tlsAuth": [{"cert": "x"}],
    "ext": {"a": 1},
    "cloud": {"a": 1},
}


@pytest.mark.parametrize("name", [name for name, one in OPTIONS.items() if not one.is_carried_over])
def test_every_option_that_is_not_carried_over_is_listed_with_the_reason(name):
    value = SET.get(name, 3 if isinstance(OPTIONS[name].default, int) else "something")
    _, left_out = told_of({"vus": 1, name: value})
    (line,) = left_out
    assert line.startswith(f"{name} = ")
    assert line.endswith(OPTIONS[name].becomes)
