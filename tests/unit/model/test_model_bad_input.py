"""Requests that make no sense are answered as a Spring service would, never with a traceback."""

import pytest

from model.errors import UnexpectedError
from model.http import AUTHORIZATION, Request
from model.policy import Policy
from model.service import ENDPOINTS, endpoint_of
from tests.support.model_world import DATE, ModelWorld

BOTH = pytest.mark.parametrize("policy", [Policy(), Policy.incident()], ids=["fixed", "incident"])
GENERATION = "/v1/token/generation"
BOOKING = "/v1/concerts/1/booking"
BAD_IDS = ["x", "", "-1", -1, 1.5, True, None, [1], {"id": 1}, 2**63, 10**400, "9" * 5000, "\u0663"]


@BOTH
@pytest.mark.parametrize("body", [None, [], "text", 7, True, {}, {"userId": 1}, {"concertId": 1}])
def test_a_generation_without_its_fields_is_a_bad_request(policy, body):
    response = ModelWorld(policy).service.handle(Request("POST", GENERATION, body=body))
    assert (response.status, response.error) == (400, "TypeMismatchError")


@BOTH
@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
def test_an_id_that_is_no_id_is_a_bad_request(policy, bad):
    world = ModelWorld(policy)
    assert world.generate(bad).status == 400
    assert world.generate(1, bad).status == 400
    assert world.book(world.token(1), bad).status == 400


@BOTH
def test_a_number_in_a_string_is_a_number(policy):
    assert ModelWorld(policy).generate("1", "1").status == 200


@BOTH
@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"seatId": 1}, {"date": DATE}, {"date": 7, "seatId": 1}]
)
def test_a_booking_without_its_fields_is_a_bad_request(policy, body):
    world = ModelWorld(policy)
    assert world.call("POST", BOOKING, world.token(1), body=body).status == 400


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1", "/v1/token", "/v1/token/other", "/v2/token/check", "v1/token/check",
     "/v1/concerts/1", "/v1/concerts/1/other", "/v1/concerts/1/booking/", "/v1/concerts//1/booking",
     "/v1/bookings/1/booking", "/" * 10_000, "/v1/concerts/1/booking/2/3"],
    ids=lambda path: path[:30],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(path, method):
    response = ModelWorld().service.handle(Request(method, path))
    assert (response.status, response.error) == (404, "NoSuchRouteError")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "", "get"])
def test_an_endpoint_has_one_method(endpoint, method):
    allowed, path = endpoint.split(" ")
    path = path.replace("{id}", "1")
    response = ModelWorld().service.handle(Request(method, path))
    assert (response.status == 405) is (method != allowed)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_is_found_by_its_path(endpoint):
    method, path = endpoint.split(" ")
    found, path_id = endpoint_of(method, path.replace("{id}", "77"))
    assert found == endpoint
    assert path_id == ("77" if "{id}" in endpoint else None)


@pytest.mark.parametrize("headers", [{AUTHORIZATION: 7}, {AUTHORIZATION: None}])
def test_a_header_that_is_no_text_is_denied(headers):
    response = ModelWorld().service.handle(
        Request("GET", "/v1/concerts/1/available-dates", headers)
    )
    assert response.status == 403


def test_a_failure_that_nobody_foresaw_is_a_500_with_its_class():
    world = ModelWorld()
    world.service._entrance.issue = lambda *_: 1 / 0
    with world.logged() as entries:
        response = world.generate(1)
    assert (response.status, response.error) == (500, "ZeroDivisionError")
    assert entries == [("ApiControllerAdvice", UnexpectedError.__name__)]


@BOTH
def test_every_refusal_has_a_code_and_a_description(policy):
    world = ModelWorld(policy)
    for response in (
        world.check("x"),
        world.generate(99),
        world.dates("x"),
        world.service.handle(Request("GET", "/")),
        world.service.handle(Request("GET", GENERATION)),
    ):
        assert set(response.body) == {"code", "desc"}
        assert isinstance(response.body["code"], int)
