"""Dates and seats, as they were and repaired."""

import json

import pytest
from sqlalchemy import update

from model import schema
from model.http import SeatList, to_json
from model.policy import Policy
from tests.support.model_world import DATE, ModelWorld


def entered(policy=None, **kwargs):
    world = ModelWorld(Policy.incident() if policy is None else policy, **kwargs)
    return world, world.token(1)


def sell_out(world):
    world.execute(update(schema.seat).values(is_occupied=1))
    world.execute(
        update(schema.concert_schedule).values(occupied_count=schema.concert_schedule.c.capacity)
    )


def test_dates_are_those_with_seats_left():
    world, token = entered()
    assert world.dates(token).body == {"concertId": 1, "dates": [DATE]}
    sell_out(world)
    world, token = entered()
    sell_out(world)
    assert world.dates(token).body["dates"] == []


def test_dates_are_kept_until_the_next_booking_call():
    world, token = entered()
    world.dates(token)
    sell_out(world)
    assert world.dates(token).body["dates"] == [DATE]
    assert world.book(token).status == 409
    assert world.dates(token).body["dates"] == []


def test_dates_read_before_a_booking_and_stored_after_it_are_not_kept():
    world, token = entered(Policy())
    inventory = world.service._inventory
    read = inventory._read_dates

    def overtaken(concert_id):
        dates = read(concert_id)
        inventory.evict_dates(concert_id)
        return dates

    inventory._read_dates = overtaken
    assert world.dates(token).body["dates"] == [DATE]
    inventory._read_dates = read
    sell_out(world)
    assert world.dates(token).body["dates"] == []


def test_all_free_seats_are_sent_ordered_by_row_and_number():
    world, token = entered()
    world.execute(update(schema.seat).where(schema.seat.c.id == 2).values(is_occupied=1))
    body = world.seats(token).body
    assert [tuple(row) for row in body.seats[:3]] == [(1, 1, 1), (3, 1, 3), (4, 1, 4)]
    assert len(body) == 9


def test_a_seat_takes_about_38_bytes():
    seats = SeatList([(n, n // 100 + 1, n % 100 + 1) for n in range(1, 20_001)])
    assert len(seats.to_json()) / len(seats) == pytest.approx(38, abs=1)


def test_the_seat_list_is_json():
    assert json.loads(to_json(SeatList([(7, 1, 2)], 3, 9))) == {
        "seats": [{"seatId": 7, "row": 1, "number": 2}],
        "page": 3,
        "pages": 9,
    }


@pytest.mark.parametrize("fixed", [False, True])
def test_a_sold_out_list_is_an_error_or_an_empty_list(fixed):
    policy = Policy.incident().with_fix("F17") if fixed else Policy.incident()
    world, token = entered(policy)
    sell_out(world)
    response = world.seats(token)
    if fixed:
        assert (response.status, len(response.body)) == (200, 0)
    else:
        assert (response.status, response.error) == (500, "NoFreeSeatError")


def test_pages_together_are_all_seats_and_say_how_many_there_are():
    world, token = entered(Policy(seat_page_size=4))
    pages = [world.seats(token, page=str(k)).body for k in range(4)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert {page.pages for page in pages} == {3}
    assert sorted(row.id for page in pages for row in page.seats) == list(range(1, 11))


def test_an_unknown_date_is_not_found():
    world, token = entered()
    assert world.seats(token, date="2026-12-25").status == 404


@pytest.mark.parametrize(
    "date", ["", "tomorrow", "2026-13-01", "20261224", "9" * 10_000, "\uff12\uff10"]
)
def test_an_impossible_date_is_a_bad_request(date):
    world, token = entered()
    assert world.seats(token, date=date).status == 400


@pytest.mark.parametrize("page", ["-1", "x", "1.5", "9" * 40, "\u0661"])
def test_an_impossible_page_is_a_bad_request(page):
    world, token = entered(Policy())
    assert world.seats(token, page=page).status == 400


def plan(world, statement):
    compiled = str(statement.compile(world.engine, compile_kwargs={"literal_binds": True}))
    with world.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
    return " / ".join(row[3] for row in rows)


def history_lookup():
    history = schema.token_history
    return schema.token_history.select().where(
        history.c.concert_id == 1, history.c.uuid == "some-uuid"
    )


def test_the_history_lookup_visits_every_token_of_the_concert_without_its_index():
    world, _ = entered()
    assert "ix_token_history_concert_id (concert_id=?)" in plan(world, history_lookup())


def test_the_history_lookup_visits_the_users_tokens_with_it():
    world, _ = entered(Policy())
    assert "(concert_id=? AND uuid=?)" in plan(world, history_lookup())


def test_a_page_is_read_in_order_without_sorting():
    free = (
        schema.seat.select()
        .where(schema.seat.c.schedule_id == 1, schema.seat.c.is_occupied == 0)
        .order_by(schema.seat.c.row_no, schema.seat.c.seat_no)
    )
    for policy, sorts in ((Policy(), False), (Policy.incident(), True)):
        world, _ = entered(policy)
        assert ("TEMP B-TREE" in plan(world, free)) is sorts
