"""Scripts of users: what is measured does not depend on who wrote the customer, or how well."""

import re
from dataclasses import replace

import pytest

from experiments.config.cross_checks import impossibilities
from sim.customers.parking import Parking
from sim.kernel.errors import BrokenServiceError
from sim.load.settings import ConstantVUs, PerVUIterations
from sim.measure.funnel import Step
from sim.result import FAILED
from sim.run import simulate
from tests.support.world_small import SMALL

_BROKEN = "tests.support.broken_services"
_BODY = {"concertId": 1}


def _waits(user, *, tells):
    """Join at once and ask every second until let in."""
    body = {**_BODY, "userId": user.id}
    token = user.post("token", "/v1/token/generation", {}, body).body
    if tells:
        user.reached(Step.WAITED)
    while token["type"] != "ACCESS" and user.now_s < 100.0:
        user.sleep(1.0)
        answer = user.get("place", "/v1/token/check", {"WaitingToken": token["jwt"]})
        if answer.ok and answer.body["position"] == 0:
            token = user.post("token", "/v1/token/generation", {}, body).body
    # Said by all, let in or not, long after it was so.
    user.sleep(20.0)
    user.reached(Step.ADMITTED)


def silent(user):
    """As a script that tells nothing."""
    _waits(user, tells=False)


def talkative(user):
    """As a script that tells that one waits."""
    _waits(user, tells=True)


def hasty(user):
    """Asks for seats without any pause."""
    user.sleep(1.0)
    for _ in range(30):
        user.get("seats", "/v1/concerts/1/available-seats", {})


def calm(user):
    """Asks for seats with a pause now and then."""
    for _ in range(6):
        user.get("seats", "/v1/concerts/1/available-seats", {})
    user.sleep(1.0)


def wrong_key(user):
    """Reads what no answer has."""
    answer = user.post("token", "/v1/token/generation", {}, {**_BODY, "userId": user.id})
    user.sleep(2.0)
    return answer.body["prise"]


def sometimes_wrong(user):
    """Reads what no answer has, every other time."""
    answer = user.post("token", "/v1/token/generation", {}, {**_BODY, "userId": user.id})
    user.sleep(2.0)
    return answer.body["prise"] if user.vu.iteration % 2 else None


def played(script, *, load=None, **parts):
    world = replace(
        SMALL,
        customer=replace(SMALL.customer, script=f"{__name__}:{script}"),
        load=load or ConstantVUs("constant-vus", duration_s=10.0, vus=5, graceful_stop_s=1.0),
    )
    for part, changes in parts.items():
        world = replace(world, **{part: replace(getattr(world, part), **changes)})
    return simulate(world, 1)


def test_waiting_is_measured_from_what_the_service_did():
    """A threshold on waiting passed with one of two customers who wait the same."""
    queue = {
        "load": PerVUIterations("per-vu-iterations", 20, 1, 300.0),
        "policy": {"admissions_per_min": 20, "waiting_ttl_s": 200.0, "access_ttl_s": 300.0},
        "catalogue": {"capacity": 100},
    }
    one, other = (played(script, **queue) for script in ("silent", "talkative"))

    assert one.digest == other.digest
    assert one.metrics["waiting_time"] == other.metrics["waiting_time"]
    assert one.metrics["places_lost"] == other.metrics["places_lost"]
    assert one.funnel == other.funnel
    assert one.metrics["waiting_time"]["p(95)"] > 15_000.0
    assert one.metrics["admissions"]["count"] == one.funnel["admitted"] == 20


def test_what_a_script_says_of_admission_does_not_count_beside_the_answers():
    closed = {
        "load": PerVUIterations("per-vu-iterations", 5, 1, 200.0),
        "policy": {"waiting_ttl_s": 150.0},
        "catalogue": {"opens_after_s": 1_000.0},
    }
    result = played("talkative", **closed)
    assert result.funnel["waited"] == 5
    assert "waiting_time" not in result.metrics
    assert result.metrics["never_let_in"]["count"] == 5


def test_a_script_without_pauses_is_a_fact_of_the_run():
    found = played("hasty").metrics["requests_without_pause"]
    assert found["customers"] == 5
    assert found["longest"] >= 29
    assert found["rate"] > 1.0
    assert "requests_without_pause" not in played("calm").metrics


def test_a_script_that_always_fails_is_an_error_with_its_line():
    result = played("wrong_key")
    assert result.ended == FAILED
    assert re.search(r"all of \d+ .*KeyError: 'prise' \(line \d+ of test_", result.failure)


def test_a_script_that_sometimes_fails_is_counted():
    result = played("sometimes_wrong")
    errors = result.metrics["script_errors"]["count"]
    assert 0 < errors < result.metrics["iterations"]["count"]
    assert "KeyError" in result.notes[0]


def test_an_exception_in_a_handler_is_a_500_with_its_line_once():
    result = played("calm", service={"code": "tests.support.broken_services:Raises"})
    assert set(result.outcomes["seats"]) == {"500"}
    assert set(result.errors["seats"]) == {"ZeroDivisionError"}
    notes = [note for note in result.notes if "ZeroDivisionError" in note]
    assert len(notes) == 1
    assert "of broken_services.py" in notes[0]
    assert f"{result.errors['seats']['ZeroDivisionError']:,} times" in notes[0]


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("ReturnsDict", r"ReturnsDict\.handle returned dict .*allowed: a model\.http\.Response"),
        ("ReturnsNothing", r"ReturnsNothing\.handle returned NoneType"),
        ("ForgetsInit", r"ForgetsInit\.start raised AttributeError.*super\(\)\.__init__"),
    ],
)
def test_a_broken_service_is_named_with_class_and_method(service, message):
    result = played("calm", service={"code": f"tests.support.broken_services:{service}"})
    assert result.ended == FAILED
    assert re.search(message, result.failure)


def test_a_service_that_cannot_be_made_is_named_with_class_and_line():
    message = r"BreaksInInit\.__init__ raised KeyError.*broken_services\.py"
    with pytest.raises(BrokenServiceError, match=message):
        played("calm", service={"code": "tests.support.broken_services:BreaksInInit"})


def test_a_constructor_that_takes_no_ports_is_refused_with_the_config():
    world = replace(SMALL, service=replace(SMALL.service, code=f"{_BROKEN}:TakesNoPorts"))
    problems = [f"{found.key}: {found.problem}" for found in impossibilities(world)]
    assert len(problems) == 1
    assert re.search(r"service\.code: .*TakesNoPorts\.__init__: .*super\(\)", problems[0])


def _looks(tab):
    while True:
        tab.get("place", "/v1/token/check", {"WaitingToken": "none"})
        yield tab.pausing(0.7)


def _asks(user):
    user.open_tab(Parking(_looks))
    for _ in range(3):
        user.get("place", "/v1/token/check", {"WaitingToken": "none"})
        yield user.pausing(1.5)


asks = Parking(_asks)


def asks_and_blocks(user):
    """The same, called as an ordinary function."""
    asks(user)


def test_a_customer_that_parks_acts_as_the_same_customer_that_blocks():
    load = ConstantVUs("constant-vus", duration_s=20.0, vus=5, graceful_stop_s=1.0)
    parks, blocks = (
        simulate(
            replace(
                SMALL, load=load, customer=replace(SMALL.customer, script=f"{__name__}:{name}")
            ),
            1,
        )
        for name in ("asks", "asks_and_blocks")
    )
    assert parks.metrics["http_reqs"]["count"] > 100
    assert parks.metrics["interrupted_iterations"]["count"] == 5
    assert parks.digest == blocks.digest
