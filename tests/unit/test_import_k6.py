"""What `k6 inspect` (v1.3.0) printed about some scripts, as configs."""

import json
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.reading import load
from experiments.interop.import_k6 import imported, read_options, seconds
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

DATA = Path(__file__).parents[1] / "data" / "k6"
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
    assert config.world.service.keep_alive_requests == 1
    assert config.header.thresholds.keys() == {"http_req_failed", "http_req_duration"}
    (duration,) = config.header.thresholds["http_req_duration"]
    assert (duration.threshold, duration.abortOnFail) == ("p(95)<500", True)

    told = capsys.readouterr().err.splitlines()
    assert "left out: rps = 100: not simulated" in told
    assert "left out: maxRedirects = 4: not simulated" in told
    assert "left out: batch = 15: not simulated" in told
    assert "left out: threshold count>5: no such metric" in told
    assert any("no tag name" in line for line in told)
    # The config says so, too.
    assert all(f"# L{line[1:]}" in (tmp_path / "mine.toml").read_text() for line in told)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ConstantVUs("constant-vus", duration_s=30, vus=10, graceful_stop_s=5)),
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
    others = capsys.readouterr().err.count("one scenario at a time")
    assert others == 6


def test_what_cannot_be_simulated_is_refused_by_name(capsys):
    assert main(["import-k6", str(SCENARIOS), "--scenario", "g"]) == 104
    told = capsys.readouterr().err
    assert 'scenarios.g.executor = "externally-controlled": cannot be simulated' in told
    assert main(["import-k6", str(SCENARIOS), "--scenario", "h"]) == 104
    assert "no scenario h; allowed: a, b, c, d, e, f, g" in capsys.readouterr().err


def test_what_belongs_to_a_scenario_and_is_left_out_is_listed():
    found = imported(json.loads(SCENARIOS.read_text()), "options.json", "a")
    assert [line.partition(":")[0] for line in found.left_out[6:]] == [
        "scenarios.a.startTime",
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
        ('{"vus": 0, "duration": "30s"}', "load.vus"),
        ('{"vus": 1, "duration": "soon"}', 'duration = "soon"'),
        ('{"vus": 1, "duration": "-3s"}', 'duration = "-3s"'),
        ('{"stages": {}, "vus": 1, "scenarios": []}', "scenarios = []"),
        ('{"scenarios": {"a": 1}}', "allowed: a table of tables"),
        ('{"scenarios": {"a": {"executor": ["x"]}}}', "scenarios.a.executor"),
        ('{"scenarios": {"a": {}}}', "scenarios.a.executor"),
        ('{"stages": [{"duration": "3s", "target": "many"}]}', 'stages[0].target = "many"'),
        ('{"stages": 7}', "stages = 7"),
        ('{"vus": 1, "thresholds": []}', "thresholds = []"),
        ('{"vus": 1, "thresholds": {"http_reqs": "count>1"}}', "a list of thresholds"),
        ('{"vus": 1, "thresholds": {"http_reqs": [5]}}', "allowed: texts such as"),
        ('{"scenarios": {"a": {"executor": "constant-vus"}}}', "duration_s"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h2m3.5s", 3_723.5),
        ("1m0s", 60.0),
        ("100ms", 0.1),
        ("0s", 0.0),
        ("0", 0.0),
        (1_500, 1.5),
        ("", None),
        ("5", None),
        ("5 s", None),
        (None, None),
        (True, None),
        (-1, None),
    ],
)
def test_durations(text, expected):
    assert seconds(text) == expected
