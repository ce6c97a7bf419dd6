"""`mogrify` of a simulated PostgreSQL: the statement that psycopg2 would send."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from sim.app.sql.drivers.psycopg import PSYCOPG2, PostgresCursor


@pytest.fixture
def cursor():
    return PostgresCursor(SimpleNamespace(driver=PSYCOPG2))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "true"),
        (7, "7"),
        (-7, " -7"),
        (1.5, "1.5"),
        (Decimal("2.50"), "2.50"),
        (float("nan"), "'nan'::float"),
        ("O'Hara 100%s :a", "'O''Hara 100%s :a'"),
        (date(2030, 1, 2), "'2030-01-02'::date"),
        (datetime(2030, 1, 2, 3, 4), "'2030-01-02T03:04:00'::timestamp"),  # noqa: DTZ001 - naive
        (datetime(2030, 1, 2, tzinfo=UTC), "'2030-01-02T00:00:00+00:00'::timestamptz"),
        (b"\x01\xff", "'\\x01ff'::bytea"),
        ([1, 2], "ARRAY[1, 2]"),
        ([], "'{}'"),
        ((1, "a"), "(1, 'a')"),
    ],
)
def test_a_value_is_written_as_postgres_reads_it(cursor, value, text):
    assert cursor.mogrify("SELECT %s", (value,)).decode() == f"SELECT {text}"
    assert cursor.mogrify("SELECT %(a)s", {"a": value}).decode() == f"SELECT {text}"


def test_percents_and_casts_stay(cursor):
    assert cursor.mogrify("a %% b ::int :x = %s", [1]) == b"a % b ::int :x = 1"
    assert cursor.mogrify("LIKE 'a%%'") == b"LIKE 'a%%'"


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [("%s %s", (1,)), ("%s", (1, 2)), ("%(b)s", {"a": 1}), ("%s", (object(),))],
)
def test_wrong_parameters_are_the_drivers_error(cursor, sql, parameters):
    with pytest.raises(PSYCOPG2.errors["ProgrammingError"]):
        cursor.mogrify(sql, parameters)
