"""Statements at random over a small schema: what one session sends to a database."""

from __future__ import annotations

import random
import re

_MARK = re.compile(r"<(\d+)>")
TABLES = ("people", "orders", "tags", "notes", "stock")
_TEXTS = ("a", "ab", "b", "Ab", "ba", "c", "")
_TIMES = ("2024-01-01 10:00:00", "2024-02-29 23:59:59", "2024-12-31 00:00:00")

_COMMON = """
CREATE TABLE people (id {serial}, name VARCHAR(6) NOT NULL, email VARCHAR(12) UNIQUE, age INT,
  score DECIMAL(8, 2), rate {double}, active BOOLEAN NOT NULL DEFAULT {true}, joined {datetime},
  born DATE);
CREATE TABLE orders (id {serial}, person_id INT NOT NULL, qty INT NOT NULL DEFAULT 1,
  price DECIMAL(6, 2),
  CONSTRAINT positive CHECK (qty > 0),
  FOREIGN KEY (person_id) REFERENCES people (id) ON DELETE CASCADE);
CREATE TABLE tags (order_id INT NOT NULL, tag VARCHAR(4) NOT NULL, weight SMALLINT,
  PRIMARY KEY (order_id, tag), FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
CREATE TABLE notes (id {serial}, person_id INT, body TEXT,
  FOREIGN KEY (person_id) REFERENCES people (id) ON DELETE SET NULL);
CREATE TABLE stock (sku VARCHAR(6) PRIMARY KEY, n INT NOT NULL DEFAULT 0, people_id INT,
  FOREIGN KEY (people_id) REFERENCES people (id))
"""
_WORDS = {
    "mysql": {
        "serial": "INT AUTO_INCREMENT PRIMARY KEY",
        "double": "DOUBLE",
        "true": "TRUE",
        "datetime": "DATETIME",
    },
    "postgres": {
        "serial": "SERIAL PRIMARY KEY",
        "double": "DOUBLE PRECISION",
        "true": "TRUE",
        "datetime": "TIMESTAMP",
    },
}
ROWS = (
    "INSERT INTO people (name, email, age, score, rate, joined, born) VALUES "  # noqa: ISC004 - one
    "('a', 'a@x', 30, 1.50, 0.5, '2024-01-01 10:00:00', '1990-05-01'), "
    "('b', NULL, 20, -2.25, 1.25, '2024-03-01 00:00:00', NULL), "
    "('ab', 'ab@x', NULL, NULL, NULL, NULL, '2000-02-29'), "
    "('c', 'c@x', 30, 100.00, -3.0, '2024-12-31 00:00:00', '1985-12-31')",
    "INSERT INTO orders (person_id, qty, price) VALUES "  # noqa: ISC004 - one statement
    "(1, 2, 9.99), (1, 1, NULL), (2, 5, 0.50), (4, 1, 3.33)",
    "INSERT INTO tags (order_id, tag, weight) VALUES (1, 'x', 1), (1, 'y', NULL), (3, 'x', 3)",
    "INSERT INTO notes (person_id, body) VALUES (1, 'first'), (NULL, 'none'), (2, 'Second')",
    "INSERT INTO stock (sku, n, people_id) VALUES ('a', 5, NULL), ('b', 0, 4)",
)
COLUMNS = {
    "people": {
        "num": ("id", "age", "score", "rate"),
        "int": ("id", "age"),
        "text": ("name", "email"),
        "time": ("joined",),
    },
    "orders": {"num": ("id", "person_id", "qty", "price"), "int": ("id", "qty"), "text": ()},
    "tags": {"num": ("order_id", "weight"), "int": ("order_id", "weight"), "text": ("tag",)},
    "notes": {"num": ("id", "person_id"), "int": ("id",), "text": ("body",)},
    "stock": {"num": ("n", "people_id"), "int": ("n",), "text": ("sku",)},
}
KEYS = {"people": "id", "orders": "id", "tags": "order_id, tag", "notes": "id", "stock": "sku"}
PARENTS = {"orders": "person_id", "notes": "person_id", "stock": "people_id"}


def schema(dialect):
    """CREATE TABLE of each table."""
    return [part.strip() for part in _COMMON.format(**_WORDS[dialect]).split(";")]


class Statements:
    """A stream of statements: `next()` gives a text and its parameters in the driver's style."""

    def __init__(self, seed, dialect):
        self.rng = random.Random(seed)
        self.dialect = dialect
        self.values = []

    def next(self):
        self.values = []
        pick = self.rng.random()
        if pick < 0.45:
            text = self.select()
        elif pick < 0.62:
            text = self.insert()
        elif pick < 0.80:
            text = self.update()
        elif pick < 0.88:
            text = self.delete()
        elif pick < 0.93:
            text = self.rng.choice(("SAVEPOINT s1", "SAVEPOINT s2", "RELEASE SAVEPOINT s1"))
        elif pick < 0.96:
            text = self.rng.choice(("ROLLBACK TO SAVEPOINT s1", "ROLLBACK TO SAVEPOINT s2"))
        else:
            text = self.rng.choice(("COMMIT", "COMMIT", "ROLLBACK"))
        values = []

        def given(match):
            values.append(self.values[int(match[1])])
            return "%s"

        text = _MARK.sub(given, text)
        # Without parameters drivers leave percent signs alone.
        return (text, tuple(values)) if values else (text.replace("%%", "%"), ())

    def after_error(self, text, values):
        """What a session of PostgreSQL mostly does after an error."""
        pick = self.rng.random()
        if pick < 0.6:
            return "ROLLBACK", ()
        return ("ROLLBACK TO SAVEPOINT s1", ()) if pick < 0.85 else (text, values)

    def mark(self, value):
        """A parameter; its place among the others is known once the text is complete."""
        self.values.append(value)
        return f"<{len(self.values) - 1}>"

    # Values and expressions

    def value(self, kind):
        rng = self.rng
        if kind == "int":
            value = rng.randint(-2, 6)
        elif kind == "num":
            value = rng.choice((0, 1, 2, 3.5, -1.25, 30, 7))
        elif kind == "time":
            value = rng.choice(_TIMES)
        else:
            value = rng.choice(_TEXTS)
        if rng.random() < 0.5 and not isinstance(value, float):
            return self.mark(value)
        return f"'{value}'" if isinstance(value, str) else str(value)

    def values_of(self, kind):
        """Whole numbers: MariaDB takes `n IN (3.5, 3.5)` of an INT for `n = 4`."""
        kind = "int" if kind == "num" else kind
        return f"{self.value(kind)}, {self.value(kind)}"

    def column(self, kind, scope):
        found = [
            f"{alias}.{name}" for alias, table in scope for name in COLUMNS[table].get(kind, ())
        ]
        return self.rng.choice(found) if found else None

    def literal(self, kind):
        """A literal in the text: where the server must know the type."""
        value = self.rng.choice(_TEXTS) if kind == "text" else self.rng.randint(0, 5)
        return f"'{value}'" if kind == "text" else str(value)

    def expression(self, kind, scope, depth=2):
        rng = self.rng
        column = self.column(kind, scope)
        if depth == 0 or rng.random() < 0.4:
            return column or self.literal(kind)
        inner = lambda k=kind: self.expression(k, scope, depth - 1)  # noqa: E731 - short
        if kind == "text":
            return rng.choice(
                (
                    lambda: f"LOWER({inner()})",
                    lambda: f"UPPER({inner()})",
                    lambda: f"CONCAT({inner()}, {self.literal('text')})",
                    lambda: f"SUBSTRING({inner()}, 1, {rng.randint(1, 3)})",
                    lambda: f"COALESCE({inner()}, {self.literal('text')})",
                    lambda: f"REPLACE({inner()}, 'a', 'b')",
                    lambda: f"TRIM({inner()})",
                    lambda: (
                        f"CASE WHEN {self.condition(scope, 0)} THEN {inner()} ELSE {inner()} END"
                    ),
                )
            )()
        if kind == "time":
            return column or "NULL"
        choices = [
            lambda: f"({inner()} + {inner()})",
            lambda: f"({inner()} - {inner()})",
            lambda: f"({inner()} * {self.literal('int')})",
            lambda: f"COALESCE({inner()}, {self.literal('int')})",
            lambda: f"ABS({inner()})",
            lambda: f"NULLIF({inner()}, {self.literal('int')})",
            lambda: f"CASE WHEN {self.condition(scope, 0)} THEN {inner()} ELSE {inner()} END",
            lambda: f"-{column or '1'}",
        ]
        if kind == "int":
            choices += [
                lambda: f"({inner('int')} %% {rng.randint(2, 3)})",
                lambda: f"LENGTH({self.expression('text', scope, 0)})",
            ]
        else:
            choices += [
                lambda: f"({inner()} / {rng.randint(2, 4)})",
                lambda: f"ROUND({self.column('num', scope) or '1.5'})",
                lambda: f"GREATEST({inner()}, {inner()})",
            ]
        return rng.choice(choices)()

    def condition(self, scope, depth=2):
        rng = self.rng
        kind = rng.choice(("int", "num", "num", "text", "text", "time"))
        if self.column(kind, scope) is None:
            kind = "int"
        left = self.expression(kind, scope, min(depth, 1))
        choices = [
            lambda: f"{left} {rng.choice(('=', '<>', '<', '<=', '>', '>='))} {self.value(kind)}",
            lambda: f"{left} IS {rng.choice(('', 'NOT '))}NULL",
            lambda: f"{left} {rng.choice(('', 'NOT '))}IN ({self.values_of(kind)})",
            lambda: f"{left} BETWEEN {self.value(kind)} AND {self.value(kind)}",
        ]
        if kind == "text":
            choices.append(lambda: f"{left} LIKE {rng.choice(self.patterns())}")
        if depth:
            choices += [
                lambda: (
                    f"({self.condition(scope, depth - 1)} AND {self.condition(scope, depth - 1)})"
                ),
                lambda: (
                    f"({self.condition(scope, depth - 1)} OR {self.condition(scope, depth - 1)})"
                ),
                lambda: f"NOT ({self.condition(scope, depth - 1)})",
                lambda: (
                    f"{rng.choice(('', 'NOT '))}EXISTS (SELECT 1 FROM orders o2 WHERE "
                    f"{self.condition([('o2', 'orders')], 0)})"
                ),
                lambda: (
                    f"{self.column('int', scope)} IN (SELECT o3.person_id FROM orders o3 WHERE "
                    f"{self.condition([('o3', 'orders')], 0)})"
                ),
            ]
        return rng.choice(choices)()

    @staticmethod
    def patterns():
        return ("'a%%'", "'%%b'", "'_'", "'%%'", "'%%A%%'", "'_b%%'")

    # Statements

    def select(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.3:
            return self.grouped()
        if kind < 0.4:
            return self.union()
        if kind < 0.48:
            return self.nested()
        scope, source = self.source()
        parts = [
            self.expression(rng.choice(("int", "num", "text", "time")), scope)
            for _ in range(rng.randint(1, 3))
        ]
        listed = rng.choice(
            (f"{scope[0][0]}.*", ", ".join(f"{part} AS c{n}" for n, part in enumerate(parts)))
        )
        order = ", ".join(
            f"{alias}.{key}" for alias, table in scope for key in KEYS[table].split(", ")
        )
        text = f"SELECT {listed} FROM {source}"
        if rng.random() < 0.7:
            text += f" WHERE {self.condition(scope)}"
        first = rng.random()
        if first < 0.3:
            column = self.column(rng.choice(("int", "num", "text")), scope) or scope[0][0] + ".id"
            order = f"{column} {rng.choice(('ASC', 'DESC'))}, {order}"
        text += f" ORDER BY {order}"
        if rng.random() < 0.3:
            text += f" LIMIT {rng.randint(0, 3)}"
            if rng.random() < 0.5:
                text += f" OFFSET {rng.randint(0, 2)}"
        if len(scope) == 1 and rng.random() < 0.25:
            text += rng.choice((" FOR UPDATE", " FOR UPDATE NOWAIT", " FOR UPDATE SKIP LOCKED"))
        return text

    def source(self):
        rng = self.rng
        table = rng.choice(TABLES)
        scope, source = [("t", table)], f"{table} t"
        if rng.random() < 0.35:
            join = rng.choice(("JOIN", "LEFT JOIN"))
            child = rng.choice(("orders", "notes", "stock"))
            scope = [("t", "people"), ("u", child)]
            source = f"people t {join} {child} u ON u.{PARENTS[child]} = t.id"
            if join == "LEFT JOIN":
                scope = scope[:1] if rng.random() < 0.3 else scope
                scope = [("t", "people")] if len(scope) == 1 else scope
        return scope, source

    def aggregate(self, scope):
        rng = self.rng
        number = self.column("num", scope) or "1"
        return rng.choice(
            (
                "COUNT(*)",
                f"COUNT({number})",
                f"COUNT(DISTINCT {number})",
                f"SUM({number})",
                f"SUM({self.expression('int', scope, 1)})",
                f"AVG({number})",
                f"MIN({self.column('text', scope) or number})",
                f"MAX({self.column('time', scope) or number})",
                f"COALESCE(SUM({number}), 0)",
                f"SUM(CASE WHEN {self.condition(scope, 0)} THEN 1 ELSE 0 END)",
            )
        )

    def grouped(self):
        rng = self.rng
        scope, source = self.source()
        where = f" WHERE {self.condition(scope)}" if rng.random() < 0.5 else ""
        listed = f"{self.aggregate(scope)} AS a, {self.aggregate(scope)} AS b"
        if rng.random() < 0.4:
            return f"SELECT {listed} FROM {source}{where}"
        column = self.column(rng.choice(("int", "text")), scope) or self.column("int", scope)
        text = f"SELECT {column} AS g, {listed} FROM {source}{where} GROUP BY {column}"
        if rng.random() < 0.3:
            text += f" HAVING COUNT(*) {rng.choice(('>', '<=', '='))} {rng.randint(0, 2)}"
        return f"{text} ORDER BY {column}"

    def union(self):
        rng = self.rng
        word = rng.choice(("UNION", "UNION ALL"))
        return (
            f"SELECT t.id AS n FROM people t WHERE {self.condition([('t', 'people')], 1)} {word} "
            f"SELECT u.person_id FROM orders u WHERE {self.condition([('u', 'orders')], 1)} "
            "ORDER BY n"
        )

    def nested(self):
        rng = self.rng
        if rng.random() < 0.5:
            return (
                "WITH s AS (SELECT o.person_id AS p, SUM(o.qty) AS n FROM orders o WHERE "
                f"{self.condition([('o', 'orders')], 1)} GROUP BY o.person_id) "
                "SELECT t.id, s.n FROM people t LEFT JOIN s ON s.p = t.id ORDER BY t.id"
            )
        return (
            "SELECT t.id, (SELECT COUNT(*) FROM orders o WHERE o.person_id = t.id AND "
            f"{self.condition([('o', 'orders')], 1)}) AS n FROM people t ORDER BY t.id"
        )

    def row(self, table):
        rng = self.rng
        number = lambda low, high: self.parameter(rng.randint(low, high))  # noqa: E731 - short
        person = lambda: number(1, 6)  # noqa: E731 - short
        if table == "people":
            email = rng.choice((None, "a@x", "b@x", "c@x", "d@x", "e@x", "A@x"))
            name = rng.choice((*_TEXTS, *_TEXTS, None, "too long a name"))
            return {
                "name": self.parameter(name),
                "email": self.parameter(email),
                "age": self.parameter(rng.choice((None, 18, 30, 99))),
                "score": rng.choice(("1.005", "2.5", "NULL", "-0.125", "12")),
                "joined": self.parameter(rng.choice((None, *_TIMES))),
            }
        if table == "orders":
            return {
                "person_id": person(),
                "qty": number(0, 4),
                "price": rng.choice(("1.999", "NULL", "3", "7.25")),
            }
        if table == "tags":
            weight = self.parameter(rng.choice((None, 1, 2, 40_000)))
            return {"order_id": number(1, 5), "tag": f"'{rng.choice('xyzX')}'", "weight": weight}
        if table == "notes":
            person_id = self.parameter(rng.choice((None, 1, 2, 3, 9)))
            return {"person_id": person_id, "body": self.parameter(rng.choice(_TEXTS))}
        return {"sku": f"'{rng.choice('abcdA')}'", "n": number(-1, 3)}

    def parameter(self, value):
        if value is None:
            return "NULL"
        if self.rng.random() < 0.5:
            return self.mark(value)
        return f"'{value}'" if isinstance(value, str) else str(value)

    def insert(self):
        rng = self.rng
        table = rng.choice(TABLES)
        if rng.random() < 0.1:
            return (
                "INSERT INTO notes (person_id, body) SELECT t.id, t.name FROM people t WHERE "
                f"{self.condition([('t', 'people')], 1)} ORDER BY t.id"
            )
        rows = [self.row(table) for _ in range(rng.choice((1, 1, 2, 3)))]
        names = ", ".join(rows[0])
        listed = ", ".join(f"({', '.join(row.values())})" for row in rows)
        text = f"INSERT INTO {table} ({names}) VALUES {listed}"
        mysql = self.dialect == "mysql"
        pick = rng.random()
        if pick < 0.3:
            text += self.upsert(table)
        elif pick < 0.4:
            text = (
                text.replace("INSERT", "INSERT IGNORE", 1)
                if mysql
                else text + " ON CONFLICT DO NOTHING"
            )
            if mysql and table != "people":
                # IGNORE makes warnings of errors of every kind: not simulated, and not tried.
                text = text.replace("INSERT IGNORE", "INSERT", 1)
        if rng.random() < 0.35:
            text += f" RETURNING {rng.choice(('*', KEYS[table]))}"
        return text

    def upsert(self, table):
        mysql = self.dialect == "mysql"
        if table == "stock":
            new = "VALUES(n)" if mysql else "excluded.n"
            change = self.rng.choice((f"n = stock.n + {new}", f"n = {new}", "n = 7"))
            return (
                f" ON DUPLICATE KEY UPDATE {change}"
                if mysql
                else f" ON CONFLICT (sku) DO UPDATE SET {change}"
            )
        if table == "tags":
            new = "VALUES(weight)" if mysql else "excluded.weight"
            where = "" if mysql else self.rng.choice(("", " WHERE tags.weight IS NOT NULL"))
            return (
                f" ON DUPLICATE KEY UPDATE weight = {new}"
                if mysql
                else f" ON CONFLICT (order_id, tag) DO UPDATE SET weight = {new}{where}"
            )
        if table == "people":
            new = "VALUES(age)" if mysql else "excluded.age"
            return (
                f" ON DUPLICATE KEY UPDATE age = {new}"
                if mysql
                else f" ON CONFLICT (email) DO UPDATE SET age = {new}"
            )
        return ""

    def update(self):
        rng = self.rng
        table = rng.choice(TABLES)
        scope = [(table, table)]
        number = rng.choice(
            [name for name in COLUMNS[table]["num"] if name not in {"id", "order_id"}]
        )
        sets = [f"{number} = {self.expression('int', scope, 1)}"]
        if COLUMNS[table]["text"] and rng.random() < 0.4:
            text = rng.choice(COLUMNS[table]["text"])
            sets.append(f"{text} = {self.expression('text', scope, 1)}")
        condition = f" WHERE {self.condition(scope)}" if rng.random() < 0.9 else ""
        text = f"UPDATE {table} SET {', '.join(sets)}{condition}"
        if self.dialect == "mysql" and rng.random() < 0.15:
            text += f" ORDER BY {KEYS[table]} LIMIT {rng.randint(1, 2)}"
        elif self.dialect == "postgres" and rng.random() < 0.35:
            text += f" RETURNING {rng.choice(('*', KEYS[table], number))}"
        return text

    def delete(self):
        rng = self.rng
        table = rng.choice(TABLES)
        text = f"DELETE FROM {table} WHERE {self.condition([(table, table)])}"
        if self.dialect == "mysql" and rng.random() < 0.15:
            text += f" ORDER BY {KEYS[table]} LIMIT 1"
        elif rng.random() < 0.3:
            text += f" RETURNING {rng.choice(('*', KEYS[table]))}"
        return text
