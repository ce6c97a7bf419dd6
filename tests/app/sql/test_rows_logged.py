"""Which rows a statement has changed, as the log of its transaction tells."""

import sqlglot

from sim.app.sql.schema import read_create
from sim.app.sql.store import Store
from sim.database.views import Changes


def test_rows_of_two_tables_with_the_same_number_are_told_apart():
    store = Store()
    for name in ("items", "orders"):
        sql = f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, n INTEGER)"
        store.add(read_create(sqlglot.parse_one(sql, dialect="mysql"), "mysql"), [sql])
    changes = Changes()

    def do(sql, row):
        store.begin_write(changes)
        before, logged = store.image(row), len(changes.log)
        store.raw.execute(sql)
        store.note(changes, row, before)
        return store.rows_logged(changes, logged)

    item, order = ("items", 1), ("orders", 1)
    assert do("INSERT INTO items VALUES (1, 5)", item) == [item]
    assert do("INSERT INTO orders VALUES (1, 1)", order) == [order]
    assert do("UPDATE items SET n = 4 WHERE id = 1", item) == [item]
    assert do("UPDATE items SET n = 3 WHERE id = 2", ("items", 2)) == []
    assert do("DELETE FROM orders WHERE id = 1", order) == [order]
    assert store.rows_logged(changes, 0) == [item, order]
