"""Sweeps: designs, sensitivities of a known function, the knee, and the command."""

import json
import math
import subprocess

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.config.changes import changed
from experiments.config.sources import Merged
from experiments.errors import ConfigError
from experiments.statistics.quantities import QUANTITIES
from experiments.studies.sweep.designs import (
    Parameter,
    grid,
    latin_hypercube,
    morris_points,
    parse_parameter,
    sobol_points,
)
from experiments.studies.sweep.knee import find_region, knee_of, most_tries
from experiments.studies.sweep.points import morris_sensitivities, sobol_sensitivities
from experiments.views.text.sweep_text import found_sentences, knee_sentences
from tests.unit.views.report_folders import level, ramp, verdict

UNIT = [Parameter("a", low=0.0, high=1.0), Parameter("b", low=0.0, high=1.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pool.connections=5,10", Parameter("pool.connections", (5, 10))),
        ('redis.maxmemory="1mb","2mb"', Parameter("redis.maxmemory", ("1mb", "2mb"))),
        ("a=true", Parameter("a", (True,))),
        ("a=[1, 2],[3]", Parameter("a", ([1, 2], [3]))),
        ("a=1..9", Parameter("a", (), 1.0, 9.0, whole=True)),
        ("a=0.5..9", Parameter("a", (), 0.5, 9.0)),
    ],
)
def test_parameters_are_values_or_ranges(text, expected):
    assert parse_parameter(text) == expected


@pytest.mark.parametrize("text", ["a", "a=", "=3", "a=x", "a=9..1", "a=1..1", "a=1..x", "a=1,,2"])
def test_everything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ConfigError, match="allowed"):
        parse_parameter(text)


@pytest.mark.parametrize("value", ["y" * 100, [True, {"a": 0.5}]])
def test_a_value_is_assigned_as_it_is(value):
    merged = changed(Merged({"x": 1}, {}), Parameter("x", (value,)).change(value))
    assert merged.table == {"x": value}
    assert merged.origin(("x",), "") == "--param"


def test_a_grid_is_every_combination_and_needs_values():
    found = grid([Parameter("a", (1, 2)), Parameter("b", ("x", "y", "z"))])
    assert len(set(found)) == 6
    with pytest.raises(ConfigError, match="a grid needs values"):
        grid(UNIT)


def test_a_latin_hypercube_has_one_point_in_every_slice_of_every_range():
    points = np.array(latin_hypercube(UNIT, 20, seed=1))
    for column in points.T:
        assert sorted(np.floor(column * 20)) == list(range(20))
    assert latin_hypercube(UNIT, 20, seed=1) == latin_hypercube(UNIT, 20, seed=1)
    with pytest.raises(ConfigError, match="needs a range"):
        latin_hypercube([Parameter("a", (1,))], 3, seed=1)


def at(points, function):
    """Points of a sweep at which every quantity is a function of the values."""
    return [
        {
            "values": {"a": a, "b": b},
            "quantities": {
                quantity.name: {"mean": function(a, b), "ci95": None} for quantity in QUANTITIES
            },
        }
        for a, b in points
    ]


def test_sobol_indices_of_a_linear_function_are_its_shares_of_variance():
    points = at(sobol_points(UNIT, 512, seed=1), lambda a, b: 3 * a + 4 * b)
    a, b = sobol_sensitivities(UNIT, points, seed=1)[:2]
    assert (a["first"], b["first"]) == pytest.approx((9 / 25, 16 / 25), abs=0.02)
    assert (a["total"], b["total"]) == pytest.approx((9 / 25, 16 / 25), abs=0.02)


def test_morris_effects_of_a_linear_function_are_its_slopes():
    points = at(morris_points(UNIT, 10, seed=1), lambda a, b: 3 * a - 4 * b)
    a, b = morris_sensitivities(UNIT, points, 10, seed=1)[:2]
    assert (a["mu_star"], b["mu_star"]) == pytest.approx((3, 4))
    assert (a["sigma"], b["sigma"]) == pytest.approx((0, 0), abs=1e-9)


def test_a_quantity_that_never_varies_has_no_sensitivities():
    points = at(sobol_points(UNIT, 8, seed=1), lambda _a, _b: 1.0)
    assert sobol_sensitivities(UNIT, points, seed=1) == []


@pytest.mark.parametrize(
    ("low", "high"), [(100, 100), (100, 537), (537, 1_000), (300, 420), (999, 1_000), (100, 1_000)]
)
def test_the_region_is_found_in_either_direction_and_inside(low, high):
    """To a 64th of the range, on each side on which it ends inside the range."""
    tried = []
    parameter = Parameter("load.vus", (), 100, 1_000, whole=True)

    def outcome(value):
        tried.append(value)
        return "pass" if low <= value <= high else "fail"

    region = find_region(parameter, outcome)
    step = math.ceil(900 / 64) + 1
    assert low <= region.low <= region.high <= high
    assert region.low - low <= step
    assert high - region.high <= step
    assert (region.below is None) == (low == 100)
    assert (region.above is None) == (high == 1_000)
    assert len(tried) == len(set(tried)) <= most_tries(parameter)


@pytest.mark.parametrize(
    ("outcomes", "low", "high", "below", "above"),
    [
        (dict.fromkeys(range(5), "fail"), None, None, None, None),
        (dict.fromkeys(range(5), "inconclusive"), None, None, None, None),
        ({0: None}, None, None, None, None),
        ({0: "pass", 2: "pass", 4: "pass"}, 0, 4, None, None),
        ({0: "pass", 2: None}, 0, 0, None, None),
        ({0: "pass", 2: "fail", 4: "fail", 1: None}, 0, 0, None, 2),
        ({0: "pass", 2: "inconclusive", 4: "fail", 1: "pass"}, 0, 1, None, 2),
        ({0: "fail", 2: "pass", 4: "fail", 1: "pass", 3: "fail"}, 1, 2, 0, 3),
    ],
)
def test_a_region_outside_the_range_or_the_budget_is_said(outcomes, low, high, below, above):
    region = find_region(Parameter("x", (), 0, 4, whole=True), outcomes.__getitem__)
    assert (region.low, region.high, region.below, region.above) == (low, high, below, above)


def check(name, outcome, value, limit):
    return {
        "name": name,
        "kind": "threshold",
        "outcome": outcome,
        "value": value,
        "bounds": None,
        "limit": limit,
        "replications": 3,
        "reason": "",
    }


def test_a_knee_that_is_not_found_names_the_nearest_point_and_what_is_not_met_there():
    checks = {
        10: [check("goodput: value>100", "fail", 20.0, 100.0), check("p95", "pass", 1, 2)],
        20: [check("goodput: value>100", "fail", 90.0, 100.0), check("p95", "pass", 1, 2)],
    }
    region = find_region(Parameter("x", (), 10, 20, whole=True), lambda _value: "fail")
    knee = knee_of("x", region, checks, lambda value: f"cause at {value}")
    assert knee["meets"] is None
    assert knee["nearest"] == {
        "value": 20,
        "threshold": "goodput: value>100",
        "outcome": "fail",
        "found": 90.0,
        "limit": 100.0,
    }
    assert "goodput: value>100, is 90" in "\n".join(knee_sentences(knee))


def test_the_threshold_that_binds_is_named_on_each_side():
    checks = {
        0: [check("goodput: value>5", "fail", 1.0, 5.0), check("p95", "pass", 1, 2)],
        2: [check("goodput: value>5", "pass", 6.0, 5.0), check("p95", "pass", 1, 2)],
        4: [check("goodput: value>5", "pass", 9.0, 5.0), check("p95", "fail", 3, 2)],
    }
    outcomes = {0: "fail", 1: "fail", 2: "pass", 3: "fail", 4: "fail"}
    region = find_region(Parameter("x", (), 0, 4, whole=True), outcomes.__getitem__)
    checks |= {1: checks[0], 3: checks[4]}
    knee = knee_of("x", region, checks, str)
    assert knee["region"] == (2, 2)
    assert (knee["below"]["threshold"], knee["above"]["threshold"]) == ("goodput: value>5", "p95")
    assert (knee["meets"], knee["does_not"]) == (2, 3)


QUICK = [
    "smoke",
    "--workers=1",
    "--set",
    "load.stages=[{ duration_s = 5.0, target = 10 }, { duration_s = 10.0, target = 10 }]",
    "--set",
    "load.graceful_stop_s=0.0",
]


def swept(capsys, *arguments, code=0):
    assert main(["sweep", *QUICK, "--quiet", *map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_grid_is_run_resumed_and_written(capsys, tmp_path):
    out = tmp_path / "out"
    arguments = ["--param", "pool.connections=1,4", "--param", "host.speed=0.5,1.0", "--out", out]
    part = swept(capsys, *arguments, "--budget=3")
    assert part["partial"]
    assert len(part["points"]) == 3
    whole = swept(capsys, *arguments)
    assert [point["values"] for point in whole["points"]] == [
        {"pool.connections": connections, "host.speed": speed}
        for connections in (1, 4)
        for speed in (0.5, 1.0)
    ]
    assert whole["points"][:3] == part["points"]
    assert len((out / "runs.jsonl").read_text().splitlines()) == 4
    assert len((out / "points.csv").read_text().splitlines()) == 5
    assert "<svg" in (out / "response.svg").read_text()


def test_values_may_be_lists_and_tables(capsys, tmp_path):
    one, two = '["oversold"]', '["paid_twice"]'
    found = swept(capsys, "--param", f"search.only={one},{two},{one}", "--out", tmp_path / "out")
    values = [point["values"]["search.only"] for point in found["points"]]
    assert values == [["oversold"], ["paid_twice"]]


def test_sensitivities_name_every_parameter(capsys):
    ranges = ["--param", "host.speed=0.2..1.0", "--param", "catalogue.capacity=1..10"]
    for design in (["--morris", "2"], ["--sobol", "2"]):
        found = swept(capsys, *ranges, *design)["sensitivities"]
        assert {row["parameter"] for row in found} == {"host.speed", "catalogue.capacity"}


def test_the_knee_of_a_sweep_names_what_breaks_first(capsys, tmp_path):
    config = tmp_path / "knee.toml"
    config.write_text('extends = "smoke"\nname = "knee"\n[thresholds]\nhttp_reqs = ["count<100"]\n')
    arguments = ["sweep", str(config), *QUICK[1:], "--quiet", "--json", "--replications=3"]
    assert main([*arguments, "--param", "load.stages.1.target=10..40", "--knee"]) == 0
    found = json.loads(capsys.readouterr().out)
    knee = found["knee"]
    assert 10 <= knee["meets"] < knee["does_not"] <= 40
    outcomes = {point["values"][knee["parameter"]]: point["outcome"] for point in found["points"]}
    assert outcomes[knee["meets"]] == "pass"
    assert outcomes[knee["does_not"]] != "pass"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--param", "pool.conections=1"], "did you mean pool.connections"),
        (["--param", "pool.connections=0,1"], "pool.connections = 0: allowed"),
        (["--param", "pool.connections=1..4"], "a grid needs values"),
        (["--param", "pool.connections=1..4", "--knee"], "--knee needs thresholds"),
        (["--param", "pool.connections=1,4", "--latin=3"], "needs a range"),
        (["--param", "pool.connections=1..4", "--sobol=3"], "3; allowed: a power of two"),
    ],
)
def test_bad_input_is_one_clear_line_with_104(capsys, tmp_path, arguments, says):
    assert main(["sweep", *QUICK, *arguments, "--out", str(tmp_path / "out")]) == 104
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_step_of_the_waiting_ramp_creates_and_checks_tokens_only(capsys):
    arguments = ["run", "ramp-waiting-tokens", "--replications=1", "--set", "load.vus=40"]
    assert main([*arguments, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["outcomes"]) == {"POST /v1/token/generation", "GET /v1/token/check"}
    assert found["outcomes"]["GET /v1/token/check"]["200"] > 100
    assert found["tables"]["booking"] == 0


def test_start_up_does_not_load_the_heavy_libraries():
    code = (
        "import sys, experiments.cli.main as c\n"
        "try: c.main(['sweep', '-h'])\nexcept SystemExit: pass\n"
        "sys.exit(bool({'SALib', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    import sys

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0


def on_sale(*points):
    """A sweep of capacities, each with what was sold and paid, people shut out, and whether it
    fails."""
    found = ramp()
    template = found["points"][0]
    found["points"] = [
        {
            **template,
            "values": {"catalogue.capacity": capacity},
            "verdict": verdict(*(["booking"] if fails else [])),
            "quantities": template["quantities"]
            | {
                "bookings": level(sold, 1.0),
                "payments": level(paid, 1.0),
                "shut_out": level(shut_out, 1.0),
            },
        }
        for capacity, sold, paid, shut_out, fails in points
    ]
    return list(found_sentences(found))


def test_points_that_sell_as_much_are_told_apart_by_people_shut_out():
    first, second = on_sale(
        (400, 2000.0, 2000.0, 9000.0, True),
        (800, 3000.0, 2990.0, 3056.0, False),
        (1600, 3000.0, 2988.0, 40.0, False),
        (3200, 2995.0, 2992.0, 2000.0, False),
    )
    assert first == "3 of 4 points hold; catalogue.capacity: 400 fails; 800 to 3200 hold"
    assert second.endswith(": catalogue.capacity = 1600")


def test_points_that_sell_as_much_are_told_apart_by_payments_first():
    _, second = on_sale((10, 3000.0, 2500.0, 0.0, False), (20, 3000.0, 2990.0, 300.0, False))
    assert second.endswith(": catalogue.capacity = 20")


def test_points_that_cannot_be_told_apart_are_all_named():
    _, second = on_sale((10, 3000.0, 2990.0, 0.0, False), (20, 3001.0, 2990.0, 2.0, False))
    assert second.endswith(": catalogue.capacity = 10 or catalogue.capacity = 20")
