"""Values outside their plausible range are told, in one line each, with the unit that was meant."""

import pytest

from experiments.cli.main import main
from experiments.config.plausibility import implausible
from experiments.config.reading import read
from experiments.config.sources import shipped_names
from experiments.views.text.keys_text import matching, no_such_key, render


def told(*assignments):
    given = read("smoke", assignments)
    return [str(found) for found in implausible(given.config.world, given.merged)]


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        (
            "pool.timeout_s=30000.0",
            "pool.timeout_s = 30000: plausible 0.25 to 300 s; milliseconds?",
        ),
        ("pool.connections=5000", "pool.connections = 5000: plausible 1 to 1000 connections"),
        ("policy.access_ttl_s=600000.0", None),
    ],
)
def test_a_value_beyond_its_range_names_key_value_range_and_unit(assignment, line):
    (found,) = told(assignment)
    assert line is None or found == line
    assert found.startswith(assignment.partition("=")[0])


def test_what_nobody_wrote_and_what_is_in_range_is_not_told():
    assert told() == []
    assert told("pool.timeout_s=3.0") == []


@pytest.mark.parametrize("name", shipped_names())
def test_what_shipped_configs_say_is_meant(name, tmp_path):
    given = read(name)
    assert [str(one) for one in implausible(given.config.world, given.merged)] == []
    mine = tmp_path / "mine.toml"
    mine.write_text(f'extends = "{name}"\nname = "mine"\n[pool]\ntimeout_s = 30000.0\n')
    given = read(str(mine))
    (found,) = implausible(given.config.world, given.merged)
    assert found.key == "pool.timeout_s"


def test_a_warning_by_default_and_an_error_with_strict(capsys):
    command = ["run", "smoke", "--set", "pool.timeout_s=30000.0"]
    assert main([*command, "--strict"]) == 104
    said = capsys.readouterr().err
    assert "pool.timeout_s = 30000: plausible 0.25 to 300 s; milliseconds?" in said
    assert said.count("\n") == 1
    short = "load.stages=[{ duration_s = 1.0, target = 2 }]"
    quick = ["--set", short, "--set", "load.graceful_stop_s=0.0", "--workers=1", "--json"]
    assert main([*command, *quick]) == 0
    assert capsys.readouterr().err == (
        "warning: pool.timeout_s = 30000: plausible 0.25 to 300 s; milliseconds?\n"
    )


def test_keys_are_found_by_word_unit_and_meaning():
    assert [row["key"] for row in matching(["pool.timeout"])] == ["pool.timeout_s"]
    assert "pool.timeout_s" in [row["key"] for row in matching(["longest", "connection"])]
    assert matching(["no such word at all"]) == []
    assert "did you mean pool.timeout_s" in no_such_key(["pool.timeuot_s"])


@pytest.mark.parametrize("width", [20, 60, 80, 200])
def test_the_table_of_keys_has_a_line_for_each_and_fits(width):
    rows = matching(["pool."])
    lines = render(rows, width).splitlines()
    assert lines[0].startswith("key")
    assert all(any(line.startswith(row["key"]) for line in lines) for row in rows)
    assert max(map(len, lines)) <= max(60, min(width, 140))


def test_the_command_prints_the_table(capsys):
    assert main(["keys", "pool.timeout"]) == 0
    assert "longest wait for a connection" in capsys.readouterr().out
    assert main(["keys", "nosuchkey"]) == 1
    assert "no key has nosuchkey" in capsys.readouterr().err


def test_a_key_that_several_kinds_of_fault_have_is_one_row_that_names_them():
    rows = [row for row in matching(["faults.n.at_s"]) if row["key"] == "faults.N.at_s"]
    assert len(rows) == 1
    assert "kinds, such as" in rows[0]["of"]
    (both,) = (row for row in matching(["jvm_pause"]) if row["key"] == "faults.N.for_s")
    assert both["of"] == 'kind = "jvm_pause"'
    shown = matching(["faults.n"])
    columns = ("key", "unit", "default", "range", "meaning")
    assert len({tuple(row[column] for column in columns) for row in shown}) == len(shown)
    assert any('"jvm_pause" or "service_pause"' in row["of"] for row in shown)
