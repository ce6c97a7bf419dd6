"""The search for races: nothing in a correct world, each defect by itself, always the same."""

import json
import tomllib
from dataclasses import replace

import pytest

from experiments.cli.main import main
from experiments.config.reading import load
from experiments.studies.fuzz.shrink import Case, Shrinker
from experiments.studies.fuzz.trial import attempt, broken, varied
from sim.faults.settings import JvmPause
from sim.kernel.race_search import Search
from sim.run import simulate, simulate_with_stalls

SEEDS = 60
"""`make fuzz` tries ten thousand."""
D10 = ["--set", "policy.seat_lock_owned=false", "--set", 'search.only=["oversold"]']
D12 = ["--set", "policy.admission_atomic=false", "--set", 'search.only=["over_capacity"]']


@pytest.fixture(scope="module")
def small():
    return load("fuzz-small").world


def test_a_correct_world_keeps_every_invariant_after_every_event(small):
    found = {seed: broken(attempt(varied(small, seed), seed)) for seed in range(SEEDS)}
    assert {seed: names for seed, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("defect", "invariant", "seed"),
    [(D10, "oversold", "1"), (D12, "over_capacity", "2")],
    ids=["D10", "D12"],
)
def test_a_defect_is_found_and_the_config_written_shows_it(
    tmp_path, monkeypatch, capsys, defect, invariant, seed
):
    monkeypatch.chdir(tmp_path)
    arguments = ["fuzz", "fuzz-small", "--seeds", "400", "--seed", seed, *defect, "--workers", "1"]
    assert main([*arguments, "--json", "--quiet", "--out", "found"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"ticketsim: broken: {invariant} (seed ")
    result = json.loads(captured.out)
    (finding,) = result["findings"]
    assert invariant in finding["broken"]
    assert finding["users"] <= 4
    assert f"{invariant} " in finding["schedule"][-1]

    replay = tmp_path / finding["replay"]
    assert tomllib.loads(replay.read_text())["search"]["inspects"]
    assert main(["run", str(replay), "--json", "--quiet"]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["invariants"][invariant] > 0
    assert run["runs"][0]["ended"] == "invariant_broken"


def test_a_search_that_finds_nothing_goes_on_and_says_what_it_did(tmp_path, capsys):
    arguments = ["fuzz", "fuzz-small", "--seeds", "3", "--replications", "2", "--workers", "1"]
    arguments += ["--json", "--out", str(tmp_path / "tries")]
    assert main([*arguments, "--budget", "4"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["tries"], first["partial"]) == (4, True)

    # The same command goes on where it stopped.
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["tries"], result["violations"], result["findings"]) == (6, {}, [])
    arguments.remove("--json")
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("fuzz-small: 6 tries made, 3 seeds asked for\n")
    assert "violations: none" in shown


def test_inspecting_every_event_changes_nothing(small):
    plain = replace(small, search=Search())
    assert simulate(small, 3).digest == simulate(plain, 3).digest


def test_ties_and_stalls_give_other_runs_and_given_stalls_the_same_one(small):
    searched = replace(small, search=Search(shuffles_ties=True, stall_probability=0.1))
    run, stalls = simulate_with_stalls(searched, 5)
    given = replace(small, search=Search(shuffles_ties=True, stalls=stalls))

    assert len(stalls) > 5
    assert run.digest != simulate(small, 5).digest
    assert simulate(given, 5).digest == run.digest


def test_shrinking_leaves_out_faults_users_and_stalls_that_do_not_matter():
    world = load("fuzz-small", ["policy.seat_lock_owned=false"]).world
    pause = JvmPause("jvm_pause", at_s=1.9, for_s=0.01)
    searched = replace(
        world,
        faults=(pause,),
        search=Search(inspects=True, stall_probability=0.2, longest_stall_s=0.05),
    )
    shrinker = Shrinker(Case(searched, 2), ["seats_miscounted"], world, lambda: True)
    assert "seats_miscounted" in broken(attempt(searched, 2))
    assert "seats_miscounted" in broken(shrinker.shrink())

    # A cancelled booking is miscounted whatever else happens.
    smallest = shrinker.case.world
    assert shrinker.finished
    assert (smallest.faults, smallest.search.stalls, smallest.load.vus) == ((), (), 2)


def test_a_failure_of_the_simulator_itself_is_found_too(small, monkeypatch):
    def fails(_world, _seed, **_options):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("experiments.studies.fuzz.trial.simulate", fails)
    assert broken(attempt(small, 1)) == ("crashed: ZeroDivisionError",)


def test_a_broken_invariant_of_a_correct_policy_ends_run_with_1_and_all_is_kept(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    honest = "sim.measure.invariants.Watch.violations"

    def doubting(watch, *arguments):
        return {**original(watch, *arguments), "oversold": 1}

    from sim.measure.invariants import Watch

    original = Watch.violations
    monkeypatch.setattr(honest, doubting)
    assert main(["run", "fuzz-small", "--quiet", "--out", "kept"]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "fuzz-small, seed 1: oversold broken under a correct policy" in line
    assert (tmp_path / "kept" / "manifest.json").is_file()
    assert (tmp_path / "replay-1.toml").is_file()
