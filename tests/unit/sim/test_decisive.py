"""Of the events before a broken invariant, those of the requests that took part are told."""

from sim.kernel.environment import Environment
from sim.measure.inspection.decisive import decisive, story_in
from sim.measure.inspection.trace import Event, Trace


def _thread_of(label):
    return label if label.startswith("background") else f"worker-{label}"


class Log:
    """Events as they are noted."""

    def __init__(self):
        self.events = []
        self.tasks = {}

    def add(self, label, text, args=(), *, kind="", table="", rows=()):
        task = self.tasks.setdefault(label, object())
        number = len(self.events)
        event = Event(number, number * 0.1, _thread_of(label), label, task, text)
        event.args = [arg.encode() for arg in args]
        event.kind, event.table, event.rows = kind, table, rows
        self.events.append(event)

    def sql(self, label, kind, table, *numbers):
        rows = [(table, number) for number in numbers]
        self.add(label, f"{kind} {table}", kind=kind, table=table, rows=rows)

    def told(self, judged=(), most=40):
        heading, *lines = decisive(self.events, judged, most)
        return heading, [line.partition("  ")[2] for line in lines]


def sale(log, label, seat):
    log.sql(label, "update", "seats", seat)
    log.sql(label, "insert", "bookings", 10 * seat + len(log.events))


def test_requests_for_the_same_row_are_told_and_those_for_another_one_are_not():
    log = Log()
    sale(log, "A", 1)
    sale(log, "B", 2)
    log.add("C", "get", ["price"])
    log.add("D", "begin")
    sale(log, "D", 1)
    heading, lines = log.told()
    assert heading == "4 of 8 events: those of the requests that took part"
    assert [line.split()[0] for line in lines] == ["worker-A:"] * 2 + ["worker-D:"] * 2


def test_a_key_that_was_read_by_one_and_written_by_the_other_joins_them():
    log = Log()
    log.add("A", "get", ["stock:1"])
    log.add("A", "rpush", ["orders", "a"])
    log.add("B", "set", ["stock:2", "1"])
    log.add("C", "decr", ["stock:1"])
    _, lines = log.told()
    assert lines == [
        "worker-A: redis get stock:1",
        "worker-A: redis rpush orders a",
        "worker-C: redis decr stock:1",
    ]


def test_a_worker_of_a_queue_is_told_by_its_turns_and_waiting_is_nothing():
    log = Log()
    log.add("A", "rpush", ["orders", "1"])
    for turn in (7, 8):
        log.add("background w", "blpop", ["orders", "1"])
        log.add("background w", "begin")
        log.sql("background w", "insert", "orders", turn)
        log.add("background w", "commit")
    log.add("background v", "blpop", ["orders", "1"])
    log.sql("E", "update", "orders", 8)
    _, lines = log.told()
    assert "background v: redis blpop orders 1" not in lines
    assert "background w: insert orders" in lines


def test_what_the_invariant_looks_at_comes_after_what_is_nearer():
    log = Log()
    sale(log, "A", 1)
    sale(log, "B", 2)
    log.sql("C", "update", "people", 5)
    log.add("D", "set", ["x", "1"])
    heading, lines = log.told(judged=[("table", "bookings")])
    assert [line.split()[0] for line in lines] == [
        *["worker-A:"] * 2,
        *["worker-B:"] * 2,
        "worker-D:",
    ]
    assert "6 events" in heading
    heading, lines = log.told(judged=[("table", "bookings")], most=3)
    assert [line.split()[0] for line in lines] == ["worker-B:"] * 2 + ["worker-D:"]
    assert heading.endswith("; 1 of these requests left out")


def test_the_same_step_again_and_again_is_one_line_and_the_last_ones_are_kept():
    log = Log()
    for _ in range(3):
        log.add("A", "incr", ["tries"])
    for number in range(50):
        log.add("B", "set", [f"k{number}", "1"])
        log.add("B", "incr", ["tries"])
    heading, lines = log.told()
    assert len(lines) == 40
    assert lines[-1] == "worker-B: redis incr tries"
    assert heading.endswith("; 1 of these requests left out")
    heading, lines = log.told(most=200)
    assert lines[0] == "worker-A: redis incr tries (3 times)"


def test_the_story_is_found_among_the_remarks_of_a_run():
    log = Log()
    log.add("A", "incr", ["tries"])
    told = decisive(log.events, ())
    assert story_in(["processor times: none", *told, "broken"]) == [*told, "broken"]
    assert story_in(["processor times: none"]) == []


def test_who_found_no_row_to_write_has_only_looked():
    log = Log()
    log.sql("A", "update", "seats")
    log.add("A", "set", ["x", "1"])
    log.sql("B", "select", "seats")
    log.add("B", "set", ["y", "1"])
    _, lines = log.told(judged=[("table", "seats")])
    assert [line.split()[0] for line in lines] == ["worker-B:"] * 2
    log.sql("C", "update", "seats", 1)
    _, lines = log.told()
    assert [line.split()[0] for line in lines] == [
        *["worker-A:"] * 2,
        *["worker-B:"] * 2,
        "worker-C:",
    ]


def test_a_statement_writes_its_table_only_where_the_database_tells_no_rows():
    trace = Trace(Environment())
    trace.statement("update", "seats")
    trace.statement_details([], {})
    trace.statement("update", "seats")
    trace.statement_details([("seats", 1), ("bookings", 7)], {})
    trace.statement("update", "seats")
    trace.statement("delete", "seats")
    assert [list(event.writes()) for event in trace.events] == [
        [("table", "seats")],
        [],
        [("row", "seats", "1"), ("row", "bookings", "7")],
        [("table", "seats")],
    ]
