"""Thresholds are written in k6's grammar and read off results."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from experiments.config.reading import Threshold, load
from experiments.errors import ConfigError
from experiments.statistics.thresholds import criteria, criteria_of
from sim.world import Application, World
from tests.unit.results import BOOKING, CHECK, GENERATION, result


def one(metric, expression):
    (criterion,) = criteria({metric: [expression]}, "mine.toml")
    return criterion


@pytest.mark.parametrize(
    ("expression", "aggregation", "operator", "bound"),
    [
        ("rate<0.01", "rate", "<", 0.01),
        ("rate <= 0.01", "rate", "<=", 0.01),
        ("  rate===1 ", "rate", "===", 1.0),
        ("rate!=.5", "rate", "!=", 0.5),
        ("rate<.01", "rate", "<", 0.01),
        ("rate<5.", "rate", "<", 5.0),
        ("rate<+5", "rate", "<", 5.0),
        ("rate<0x1p-2", "rate", "<", 0.25),
        ("rate<1_000", "rate", "<", 1_000.0),
        ("rate<0x10", None, None, None),
        ("rate<1 0", None, None, None),
        ("rate<1e999", None, None, None),
        ("rate>=1e-2", "rate", ">=", 0.01),
        ("rate>-1", "rate", ">", -1.0),
        ("rate", None, None, None),
        ("rate<0.01 && rate>0", None, None, None),
        ("0.01>rate", None, None, None),
        ("rate=<1", None, None, None),
    ],
)
def test_expressions_are_aggregation_operator_number(expression, aggregation, operator, bound):
    if aggregation is None:
        with pytest.raises(ConfigError, match="allowed: aggregation, operator and number"):
            one("http_req_failed", expression)
        return
    found = one("http_req_failed", expression)
    assert (found.measure.aggregation, found.operator, found.bound) == (
        aggregation,
        operator,
        bound,
    )


@pytest.mark.parametrize("spelling", ["p(95)<500", " p(95) < 500", "p(95.0)<500", "p(9.5e1)<500"])
def test_percentiles_are_one_however_they_are_spelt(spelling):
    assert one("http_req_duration", spelling).measure.of(result()) == 30_000.0


@pytest.mark.parametrize(
    ("metric", "expression", "expected"),
    [
        ("http_req_failed", "rate<1", 0.725),
        ("http_reqs", "count<1", 1000),
        ("http_reqs", "rate<1", 0.5),
        ("http_req_duration", "p(100)<1", 30_012.0),
        ("vus", "value<1", 3),
        (f"http_req_failed{{endpoint:{CHECK}}}", "rate<1", 1.0),
        (f"http_req_failed{{endpoint: '{BOOKING}' }}", "rate<1", 0.5),
        ("http_req_failed{method:POST}", "rate<1", 75 / 300),
        ("http_reqs{status:500}", "count<1", 130),
        (f"http_reqs{{status:500,endpoint:{GENERATION}}}", "count<1", 50),
        ("http_reqs{expected_response:true}", "count<1", 225),
        (f"http_reqs{{endpoint:{CHECK}}}", "rate<1", 700 / 1800),
        (f"http_req_duration{{endpoint:{CHECK}}}", "avg<1", 1700.0),
        ("http_req_duration{expected_response:true}", "max<1", 900.0),
        ("checks", "rate>0.9", None),
        ("http_reqs{status:418}", "count<1", None),
        ("http_req_failed{status:418}", "rate<1", None),
        ("http_req_failed{refused:false}", "rate<1", 750 / 975),
        ("http_reqs{refused:true}", "count<1", 25),
        (f"http_req_failed{{endpoint:{BOOKING},refused:false}}", "rate<1", 0.0),
    ],
)
def test_what_is_measured_is_found_and_what_has_no_samples_is_none(metric, expression, expected):
    assert one(metric, expression).measure.of(result()) == expected


@pytest.mark.parametrize(
    ("metric", "expression", "says"),
    [
        ("http_req_fialed", "rate<1", "no such metric; .* did you mean http_req_failed"),
        ("http_req_failed", "count<1", "count is not measured of the rate http_req_failed"),
        ("http_req_duration", "p(101)<1", "allowed: percentiles from 0 to 100"),
        ("http_req_duration", "p(9.9.9)<1", "allowed: aggregation, operator and number"),
        ("http_req_duration", "p( 95 )<1", "allowed: aggregation, operator and number"),
        ("http_req_failed", "p(95)<1", r"p\(95\) is not measured of the rate"),
        ("waiting_time{scenario:a}", "p(95)<1", "not measured by scenario"),
        ("http_req_failed{endpoint:GET /v1}", "rate<1", "no endpoint GET /v1; allowed: POST"),
        ("http_req_failed{url:x}", "rate<1", "no tag url; allowed: endpoint"),
        ("http_req_failed{endpoint}", "rate<1", "allowed: metric{tag:value"),
        ("http_req_failed{status:500", "rate<1", "allowed: metric{tag:value"),
        ("http_req_failed{status:5xx}", "rate<1", "status 5xx; allowed: a number"),
        ("http_req_failed{status:500,status:500}", "rate<1", "a tag stands twice"),
        ("http_req_duration{method:GET}", "avg<1", "not measured by method"),
        ("http_req_duration{expected_response:false}", "avg<1", "expected_response:true only"),
        ("http_req_failed{expected_response:yes}", "rate<1", "allowed: true, false"),
        ("vus{status:200}", "value<1", "vus is not measured by status"),
        ("http_req_failed{refused:no}", "rate<1", "refused no; allowed: true, false"),
        ("http_req_duration{refused:false}", "avg<1", "not measured by refused"),
    ],
)
def test_what_does_not_exist_is_one_clear_line_with_104(metric, expression, says):
    with pytest.raises(ConfigError, match=says) as caught:
        one(metric, expression)
    assert caught.value.exit_code == 104
    assert str(caught.value).startswith(f'mine.toml: thresholds."{metric}"')
    assert "\n" not in str(caught.value)


def test_the_long_form_has_k6s_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "smoke"\n[thresholds]\nhttp_req_failed = ["rate<1", '
        '{ threshold = "rate<2", abortOnFail = true, delayAbortEval = "10s" }]\n'
    )
    short, long = criteria(load(str(path)).header.thresholds, str(path))
    assert (short.abort_on_fail, long.abort_on_fail) == (False, True)


def test_a_delay_that_is_no_duration_is_refused():
    with pytest.raises(ConfigError, match='delayAbortEval = "soon": allowed: a duration'):
        criteria({"vus": [Threshold("value<1", delayAbortEval="soon")]}, "mine.toml")


def test_an_application_has_endpoints_of_its_own():
    thresholds = {"http_req_failed{endpoint:POST /seats/{id}/book}": ["rate<0.1"]}
    config = SimpleNamespace(
        name="mine.toml",
        header=SimpleNamespace(thresholds=thresholds),
        world=replace(World(), app=Application(wsgi="shop.web:app")),
    )
    (criterion,) = criteria_of(config)
    assert criterion.measure.tags == (("endpoint", "POST /seats/{id}/book"),)
    config.world = World()
    with pytest.raises(ConfigError, match="no endpoint POST"):
        criteria_of(config)
