"""`[unknowns]`: each replication is another world, the same one for every variant."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.config.draws import Draw
from experiments.config.reading import load, read
from experiments.config.worlds import choose, uniform
from experiments.errors import ConfigError
from experiments.statistics.uncertainty import runs_again, split
from experiments.studies.compare.over_worlds import in_common

QUICK = """
extends = "smoke"
name = "mine"
[load]
graceful_stop_s = 0.0
stages = [{ duration_s = 5.0, target = 10 }, { duration_s = 10.0, target = 10 }]
"""
PEOPLE = """
[unknowns.room]
key = "catalogue.capacity"
low = 2
high = 9
[unknowns.machine]
distribution = "choice"
values = [{ "host.cores" = 1.0, label = "small" }, { "host.cores" = 4.0, label = "large" }]
"""
DRAWS = """
config = "mine"
version = "another"
[[draws]]
set = { "catalogue.capacity" = 3, "host.cores" = 1.0 }
[[draws]]
set = { "catalogue.capacity" = 5, "host.cores" = 2.0 }
[[draws]]
set = { "catalogue.capacity" = 7, "host.cores" = 4.0 }
"""


@pytest.fixture
def mine(tmp_path):
    """Write a config, and the draws that it names, if any; return its path."""

    def write(unknowns=PEOPLE, draws=None):
        path = tmp_path / "mine.toml"
        path.write_text(QUICK + unknowns)
        if draws is not None:
            (tmp_path / "draws.toml").write_text(draws)
        return str(path)

    return write


def shown(capsys, *arguments, code=0):
    assert main([*map(str, arguments), "--json", "--quiet", "--workers=1"]) == code
    return json.loads(capsys.readouterr().out)


def test_each_replication_is_another_world_and_the_seed_decides_which(mine):
    config = load(mine())
    rooms = [config.drawn(1, number).world.catalogue.capacity for number in range(20)]
    assert len(set(rooms)) > 4
    assert set(rooms) <= set(range(2, 10))
    assert rooms == [load(mine()).drawn(1, n).world.catalogue.capacity for n in range(20)]
    assert rooms != [config.drawn(2, number).world.catalogue.capacity for number in range(20)]


def test_a_drawn_world_is_the_config_with_these_values(mine):
    config = load(mine())
    drawn = config.drawn(1, 3)
    same = load(
        mine(""),
        [
            f"catalogue.capacity={drawn.world.catalogue.capacity}",
            f"host.cores={drawn.world.host.cores}",
        ],
    )
    assert drawn.resolved == same.resolved


def test_what_set_or_a_config_on_top_says_is_known(mine, tmp_path):
    config = load(mine(), ["host.cores=3.0"])
    assert config.worlds.names == ["room"]
    assert {config.drawn(1, number).world.host.cores for number in range(9)} == {3.0}
    top = tmp_path / "top.toml"
    top.write_text('extends = "mine.toml"\nname = "top"\n[catalogue]\ncapacity = 4\n')
    config = load(str(top))
    assert config.worlds.names == ["machine"]
    assert {config.drawn(1, number).world.catalogue.capacity for number in range(9)} == {4}


def test_a_guess_beside_the_unknown_itself_does_not_make_it_known(mine):
    path = mine("[catalogue]\ncapacity = 4\n" + PEOPLE)
    assert load(path).worlds.names == ["room", "machine"]


def test_draws_that_are_equally_likely_come_once_in_each_round(mine):
    config = load(mine('[unknowns.w]\ndraws = "draws.toml"\n', DRAWS))
    rooms = [config.drawn(1, number).world.catalogue.capacity for number in range(6)]
    assert sorted(rooms[:3]) == sorted(rooms[3:]) == [3, 5, 7]
    cores = {3: 1.0, 5: 2.0, 7: 4.0}
    worlds = [config.drawn(1, number).world for number in range(6)]
    assert all(cores[world.catalogue.capacity] == world.host.cores for world in worlds)


def test_draws_come_as_often_as_their_weights_say():
    draws = [Draw(1, 3.0, "", {}), Draw(2, 1.0, "", {}), Draw(3, 0.0, "", {})]
    numbers = [choose(draws, "x", number).number for number in range(4_000)]
    assert numbers.count(1) / 4_000 == pytest.approx(0.75, abs=0.03)
    assert 3 not in numbers


def test_uniform_numbers_are_spread_evenly():
    values = sorted(uniform(f"a/{number}") for number in range(1_000))
    assert max(abs(value - rank / 1_000) for rank, value in enumerate(values)) < 0.06


@pytest.mark.parametrize(
    ("unknowns", "draws", "key", "problem"),
    [
        ('[unknowns.a]\nkey = "host.cores"\nlow = 3\nhigh = 2\n', None, "unknowns.a", "low below"),
        ('[unknowns.a]\nkey = "host.coresx"\nlow = 1\nhigh = 2\n', None, "host.coresx", "unknown"),
        ('[unknowns.a]\nkey = "seed"\nlow = 1\nhigh = 2\n', None, "unknowns.a", "not part of"),
        ('[unknowns.a]\nkey = "host.cores"\nlow = -1\nhigh = 2\n', None, "host.cores", "greater"),
        (
            PEOPLE + '[unknowns.b]\nkey = "host.cores"\nlow = 1\nhigh = 2\n',
            None,
            "unknowns.b",
            "drawn by unknowns.machine too",
        ),
        (
            PEOPLE + '[unknowns.b]\ndraws = "draws.toml"\n',
            DRAWS,
            "unknowns.b",
            "drawn by unknowns.room too",
        ),
        (
            '[unknowns.b]\ndraws = "draws.toml"\n',
            DRAWS.replace("= 5,", '= "five",'),
            "catalogue.capacity",
            "draw 2",
        ),
        (
            '[unknowns.b]\ndraws = "draws.toml"\n',
            DRAWS.replace("mine", "other"),
            "b.draws",
            "other",
        ),
        ('[unknowns.b]\ndraws = "none.toml"\n', DRAWS, "", "cannot be read"),
        ('[unknowns.b]\ndraws = "draws.toml"\n', 'config = "mine"\n', "version", "required"),
        (
            '[unknowns.b]\ndraws = "draws.toml"\nsha256 = "00"\n',
            DRAWS,
            "sha256",
            "has changed",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_runs(mine, unknowns, draws, key, problem):
    with pytest.raises(ConfigError) as refused:
        read(mine(unknowns, draws))
    assert key in str(refused.value)
    assert problem in str(refused.value)


def test_variants_run_in_the_same_worlds_and_each_says_where_it_helps(mine, capsys, tmp_path):
    (tmp_path / "v.toml").write_text(
        "[variants.crowded.catalogue]\ncapacity = 2\n[variants.patient]\npool.timeout_s = 31.0\n"
    )
    variants = tmp_path / "v.toml"
    found = shown(capsys, "compare", mine(), "--replications", 4, "--variants", variants)
    assert found["uncertainty"]["unknowns"] == ["room", "machine"]
    assert len(found["uncertainty"]["worlds"]) == 4
    rows = {row["name"]: row for row in found["variants"]}
    assert rows["patient"]["over_worlds"]["effects"]["failed"]["median"] == 0.0
    assert rows["patient"]["over_worlds"]["worlds"] == 4
    assert rows["crowded"]["quantities"]["failed"]["ci95"] is not None


def test_run_goes_on_where_it_stopped_with_the_same_worlds(mine, capsys, tmp_path):
    path, out = mine(), tmp_path / "out"
    shown(capsys, "run", path, "--replications", 3, "--out", out)
    more = shown(capsys, "run", path, "--replications", 4, "--out", out)
    fresh = shown(capsys, "run", path, "--replications", 4)
    assert more["digest"] == fresh["digest"]
    assert more["uncertainty"] == fresh["uncertainty"]
    assert len(more["runs"]) == 4
    again = shown(capsys, "run", out / "config.toml")
    assert again["digest"] == fresh["digest"]


def test_a_kept_config_with_draws_finds_them_and_knows_what_was_set(mine, capsys, tmp_path):
    path = mine('[unknowns.w]\ndraws = "draws.toml"\n', DRAWS)
    out = tmp_path / "elsewhere" / "out"
    found = shown(capsys, "run", path, "--set", "host.cores=1.5", "--replications", 3, "--out", out)
    assert any("other code" in warning for warning in found["warnings"])
    assert shown(capsys, "run", out / "config.toml")["digest"] == found["digest"]
    (tmp_path / "draws.toml").write_text(DRAWS + "# changed\n")
    assert main(["run", str(out / "config.toml"), "--quiet"]) == 104
    assert "has changed" in capsys.readouterr().err


def test_gate_and_sweep_say_how_much_is_unknown(mine, capsys):
    path = mine(PEOPLE + '[thresholds]\nhttp_reqs = ["count>0"]\n')
    gate = shown(capsys, "gate", path, "--replications", 4)
    assert gate["met_in_worlds"] == {"http_reqs: count>0": 1.0}
    assert gate["uncertainty"]["run_twice"] == 3
    sweep = shown(capsys, "sweep", path, "--replications", 4, "--param", "catalogue.seats=5,50")
    worlds = [point["uncertainty"]["worlds"] for point in sweep["points"]]
    assert worlds[0] == worlds[1] == gate["uncertainty"]["worlds"]


def test_a_scaled_run_has_scaled_worlds(mine):
    config = load(mine())
    drawn = config.drawn(1, 0)
    assert drawn.world_at(0.5).catalogue.seats == 0.5 * drawn.world.catalogue.seats


def test_variance_is_split_into_between_and_within():
    values = [0.0, 10.0, 20.0, 30.0]
    parts = split(values, [(0.0, 2.0), (10.0, 8.0), (20.0, 22.0)])
    within, variance = 2.0, 500.0 / 3
    assert parts["variance"] == pytest.approx(variance)
    assert parts["chance"] == pytest.approx(within / variance)
    assert parts["unknown"] + parts["chance"] == pytest.approx(1.0)
    assert split(values, [(0.0, 100.0), (10.0, 110.0), (20.0, 120.0)])["unknown"] == 0.0
    assert split([1.0, 1.0, 1.0], [(1.0, 1.0)] * 3) is None
    assert split(values, [(0.0, 2.0)]) is None


def test_few_replications_say_nothing_of_chance():
    assert runs_again(2) == []
    assert runs_again(3) == [-1, -2, -3]
    assert runs_again(40) == [-1 - number for number in range(8)]


def test_what_harmful_worlds_have_in_common_is_named_or_nothing_is():
    worlds = [{"host.cores": float(number), "x": number % 2 == 0} for number in range(40)]
    assert in_common(worlds, list(range(10))).startswith("host.cores below 10")
    assert in_common(worlds, list(range(1, 40, 2))).startswith("x = false")
    assert in_common(worlds, list(range(0, 40, 3))) == ""
    assert in_common(worlds, list(range(40))) == ""
    assert in_common(worlds, []) == ""


def test_few_worlds_have_something_in_common_by_chance_and_it_is_not_told():
    # Among 50 unknowns one tells any four of eight worlds apart, whatever they have in common.
    rng = np.random.default_rng(1)
    worlds = [{f"unknown{n}": float(rng.random()) for n in range(50)} for _ in range(8)]
    assert in_common(worlds, [0, 2, 5, 7]) == ""
