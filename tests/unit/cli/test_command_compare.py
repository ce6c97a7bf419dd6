"""`ticketsim compare` as a user meets it."""

import json

import pytest

from experiments.cli.main import main
from experiments.runs import runner

QUICK = [
    "smoke",
    "--quiet",
    "--workers=1",
    "--replications=3",
    "--set",
    "load.stages=[{ duration_s = 5.0, target = 10 }, { duration_s = 10.0, target = 10 }]",
    "--set",
    "load.graceful_stop_s=0.0",
]


def compared(capsys, *arguments, code=0):
    assert main(["compare", *QUICK, *map(str, arguments), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_differences_are_paired_and_a_variant_that_matters_to_nobody_differs_by_nothing(
    capsys, tmp_path
):
    variants = tmp_path / "mine.toml"
    variants.write_text(
        "[variants.one]\npool.timeout_s = 31.0\n[variants.other]\npool.timeout_s = 32.0\n"
    )
    found = compared(capsys, "--variants", variants)
    rows = {row["name"]: row for row in found["variants"]}
    assert set(rows) == {"one", "other"}
    for row in rows.values():
        for difference in row["quantities"].values():
            assert difference["difference"] == 0.0
            assert difference["ci95"] == [0.0, 0.0]
            assert difference["verdict"] == "no difference shown"
    assert rows["one"]["digest"] == rows["other"]["digest"]


def test_where_every_variant_is_on_in_the_base_nothing_is_run_and_how_to_go_on_is_said(capsys):
    assert main(["compare", *QUICK, "--variants", "F3,F13"]) == 104
    said = capsys.readouterr().err
    assert "F3, F13: on in the base already" in said
    assert "--set policy.sweep_by_score=false" in said


def test_a_comparison_that_ends_after_one_pair_ranks_and_recommends_nothing(capsys, slower):
    found = compared(capsys, "--variants", slower, "--budget=4")
    assert found["recommended"] == []
    assert found["base_rank"] == 0
    assert {row["rank"] for row in found["variants"]} == {0}
    assert found["runs"]["half"]["wanted"] == 3
    assert sum(runs["done"] for runs in found["runs"].values()) == 4
    loud = [argument for argument in QUICK if argument != "--quiet"]
    assert main(["compare", *loud, "--variants", str(slower), "--budget=4"]) == 0
    text = capsys.readouterr().out
    assert "not ranked: too few runs are done" in text
    assert "(as it is) 2 of 3" in text


def test_two_replications_are_ranked_and_nothing_is_recommended(capsys, slower):
    found = compared(capsys, "--variants", slower, "--replications=2")
    assert found["recommended"] == []


def test_a_variant_that_breaks_every_check_is_worse_and_stands_last(capsys, tmp_path):
    variants = tmp_path / "mine.toml"
    variants.write_text(
        "[variants.broken]\ncatalogue.capacity = 1\npolicy.position_is_set = false\n"
        "[variants.same]\npool.timeout_s = 31.0\n"
    )
    found = compared(capsys, "--variants", variants)
    assert [row["name"] for row in found["variants"]] == ["same", "broken"]
    failed = found["variants"][1]["quantities"]["failed"]
    assert failed["verdict"] == "worse"
    assert failed["ci95"][0] > 0
    assert failed["p_holm"] == pytest.approx(2 * failed["p"])
    assert found["variants"][1]["changes"]["policy.position_is_set"] is False


@pytest.fixture
def slower(tmp_path):
    """Two variants that change something."""
    path = tmp_path / "slower.toml"
    path.write_text("[variants.half]\nhost.speed = 0.5\n[variants.third]\nhost.speed = 0.33\n")
    return path


def test_an_interrupted_comparison_goes_on_where_it_stopped_and_ends_the_same(
    capsys, tmp_path, slower
):
    out = tmp_path / "out"
    whole = compared(capsys, "--variants", slower)
    arguments = ("--variants", slower, "--out", out)
    part = compared(capsys, *arguments, "--budget", 4)
    assert any("budget" in warning for warning in part["warnings"])
    lines = (out / "runs.jsonl").read_text().splitlines()
    assert len(lines) == 4
    with (out / "runs.jsonl").open("a") as file:
        file.write('{"key": "half a li')
    rest = compared(capsys, *arguments)
    assert len((out / "runs.jsonl").read_text().splitlines()) == 9
    assert (out / "runs.jsonl").read_text().splitlines()[:4] == lines
    assert {**rest, "wall_seconds": 0} == {**whole, "wall_seconds": 0}
    assert json.loads((out / "comparison.json").read_text()) == rest


def test_precision_adds_replications_within_the_budget(capsys, tmp_path):
    variants = tmp_path / "mine.toml"
    variants.write_text("[variants.hurried]\ncatalogue.capacity = 3\npolicy.preset = 'incident'\n")
    arguments = ("--variants", variants, "--precision", "0.0001")
    found = compared(capsys, *arguments, "--budget", "10")
    assert found["variants"][0]["replications"] == 5
    assert found["replications"] == 3


def test_at_a_scale_counts_are_extrapolated(capsys):
    found = compared(
        capsys, "--variants", "F3", "--set", "policy.sweep_by_score=false", "--scale", "0.5"
    )
    tokens = found["variants"][0]["quantities"]["tokens"]
    assert tokens["extrapolated"] == 2 * tokens["difference"]
    assert "extrapolated" not in found["variants"][0]["quantities"]["failed"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--variants", "F99"], 104, "no variant F99"),
        (["--variants", "nowhere.toml"], 104, "nowhere.toml: cannot be read"),
        (["--out", "{folder}"], 1, "holds no results of ticketsim compare"),
        (["--set", "pool.conections=3"], 104, "did you mean pool.connections"),
    ],
)
def test_bad_input_is_one_clear_line(capsys, tmp_path, arguments, code, says):
    (tmp_path / "mine").write_text("keep")
    filled = [argument.format(folder=tmp_path) for argument in arguments]
    assert main(["compare", *QUICK, *filled]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


def test_a_folder_of_another_config_is_refused(capsys, tmp_path):
    arguments = ["--variants", "F2", "--budget", "2", "--out", tmp_path / "out"]
    compared(capsys, *arguments)
    assert main(["compare", *QUICK, *map(str, arguments), "--seed", "2"]) == 104
    assert "seed 1 there, seed 2 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--precision", "2"], ["--precision", "x"], ["--budget", "2d"], ["--variants="]]
)
def test_bad_options_are_refused(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(["compare", *QUICK, *arguments])
    assert caught.value.code == 1
    assert "allowed" in capsys.readouterr().err


def test_the_table_fits_80_columns_and_explains_its_marks(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    loud = [argument for argument in QUICK if argument != "--quiet"]
    assert main(["compare", *loud, "--variants", "F3,all-fixes", "--verbose"]) == 0
    text = capsys.readouterr().out
    assert "no difference shown" in text
    assert "Holm" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_waiting_room_is_compared_by_who_waits_and_who_never_gets_in(capsys, tmp_path):
    variants = tmp_path / "mine.toml"
    variants.write_text("[variants.one-place]\ncatalogue.capacity = 1\n")
    folder = f"--out={tmp_path / 'rooms'}"
    found = compared(capsys, "--variants", variants, folder)
    (row,) = found["variants"]
    assert found["base"]["never_let_in"] == 0
    assert row["quantities"]["never_let_in"]["difference"] > 0
    assert row["quantities"]["never_let_in"]["verdict"] == "worse"
    assert row["quantities"]["places_lost"]["base"] is not None
    text = (tmp_path / "rooms" / "comparison.txt").read_text()
    assert "waiting room as it is: median wait" in text
    assert "never in" in text


def test_where_nobody_reaches_the_waiting_room_there_is_none_to_compare(capsys, tmp_path):
    variants = tmp_path / "mine.toml"
    variants.write_text("[variants.same]\npool.connections = 11\n")
    cut_off = 'faults=[{at_s=0.0,kind="network_loss",for_s=100.0}]'
    folder = f"--out={tmp_path / 'rooms'}"
    found = compared(capsys, "--variants", variants, folder, "--set", cut_off)
    assert found["base"]["waiting_median"] is None
    assert "waiting room" not in (tmp_path / "rooms" / "comparison.txt").read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_no_run_asks_for_is_not_run_again(workers, capsys, tmp_path, monkeypatch):
    made = []
    stream = runner.stream_replications

    def counting(tasks, given, report, finished, *more):
        def counted(number, result):
            made.append(number)
            return finished(number, result)

        return stream(tasks, given, report, counted, *more)

    monkeypatch.setattr(runner, "stream_replications", counting)
    variants = tmp_path / "mine.toml"
    unused = "".join(
        f"[variants.lock-{size}]\npolicy.seat_lock_ttl_s = {size}.0\n" for size in range(20, 32)
    )
    variants.write_text(unused + "[variants.used]\npolicy.access_ttl_s = 8.0\n")
    nobody_books = 'customer.script="sim.customers.visitor:visitor"'
    found = compared(capsys, "--variants", variants, "--set", nobody_books, f"--workers={workers}")
    rows = {row["name"]: row for row in found["variants"]}
    assert rows["lock-20"]["digest"] == rows["lock-31"]["digest"]
    assert all(rows[name]["replications"] == 3 for name in rows)
    assert rows["used"]["digest"] != rows["lock-20"]["digest"]
    assert len(made) < 3 * 14
    assert any(warning.startswith("lock-20, lock-21") for warning in found["warnings"])
    named = {name for line in found["warnings"] for name in line.partition(":")[0].split(", ")}
    assert "lock-31" in named
    assert "used" not in named


def test_a_budget_counts_only_runs_that_are_made(capsys, tmp_path):
    variants = tmp_path / "mine.toml"
    variants.write_text(
        "[variants.unasked]\npolicy.seat_lock_ttl_s = 20.0\n"
        "[variants.real]\npolicy.access_ttl_s = 8.0\n"
        "[variants.same]\npolicy.seat_lock_owned = true\n"
    )
    nobody_books = 'customer.script="sim.customers.visitor:visitor"'
    arguments = ["--variants", variants, "--set", nobody_books]
    found = compared(capsys, *arguments, "--budget=6")
    rows = {row["name"]: row for row in found["variants"]}
    assert [rows[name]["replications"] for name in ("unasked", "real")] == [3, 3]
    assert found["unchanged"] == ["same"]
    assert "same" not in rows
    assert not any("budget" in warning for warning in found["warnings"])
    assert any(
        warning.startswith("same: on in the base already (same: policy.seat_lock_owned = true)")
        and "--set policy.seat_lock_owned=false" in warning
        for warning in found["warnings"]
    )
    assert any(
        warning.startswith("unasked: the config as it is never reads")
        for warning in found["warnings"]
    )
    short = compared(capsys, *arguments, "--budget=5")
    assert any("budget" in warning for warning in short["warnings"])


def test_worlds_are_run_twice_only_for_the_variants_that_are_named(capsys, tmp_path):
    variants = tmp_path / "mine.toml"
    variants.write_text(
        "[variants.helps]\ncost = 1.0\ncatalogue.capacity = 50\n"
        "[variants.dearer]\ncost = 2.0\ncatalogue.capacity = 40\n"
    )
    unknown = 'unknowns.cores={ key = "host.cores", low = 1.0, high = 4.0, reason = "a test" }'
    found = compared(
        capsys, "--set", unknown, "--set", "catalogue.capacity=1", "--variants", variants
    )
    assert [choice["name"] for choice in found["first_choices"]] == ["helps"]
    rows = {row["name"]: row["quantities"].values() for row in found["variants"]}
    assert any("spread" in quantity for quantity in rows["helps"])
    assert not any("spread" in quantity for quantity in rows["dearer"])
    assert found["uncertainty"]["run_twice"] == 3
