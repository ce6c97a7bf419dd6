"""Counts of rows per combination of values, kept up to date over a long run."""

import sqlite3

from sqlalchemy import Column, Integer, MetaData, Table

from sim.database.cardinality import GroupCounts


class Info:
    """What the counts need to know of a table."""

    table = Table("place", MetaData(), Column("shop", Integer), Column("seat", Integer))


def counted(columns):
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE place (shop, seat)")
    counts = GroupCounts(raw, {"place": Info}, lambda: None)
    assert counts.matching("place", columns, (0, 0)) == 0
    return counts


def test_values_that_came_and_went_leave_nothing_behind():
    columns = ("shop", "seat")
    counts = counted(columns)
    for shop in range(10):
        counts.changed("place", None, (shop, 1))
        counts.changed("place", (shop, 1), None)
    counts.changed("place", None, (10, 1))
    assert list(counts._group("place", columns)._rows) == [(10,)]


def test_values_that_come_again_are_counted_again():
    columns = ("shop", "seat")
    counts = counted(columns)
    for change in ((None, (1, 1)), (None, (1, 2)), ((1, 1), None), ((1, 2), None), (None, (1, 2))):
        counts.changed("place", *change)
    assert counts.matching("place", columns, (1, 1)) == 0
    assert counts.matching("place", columns, (1, 2)) == 1
