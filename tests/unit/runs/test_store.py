"""Results on disk: whole or not at all, resumed only by the same run."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.errors import OutputError, OutputMismatchError
from experiments.runs.storage.store import RunFolder, identity_of
from experiments.statistics.summary import Setup, summarise
from tests.unit.results import CHECK, result

CONFIG = {"name": "made-up", "pool": {"connections": 10}, "load": {"stages": [{"target": 3}]}}


def folder(path, config=CONFIG, seed=1, scale=1.0):
    return RunFolder(path, identity_of(config, seed, scale))


def summary(results, wanted):
    return summarise(Setup("made-up", 1, wanted, 1.0, {}), results, 0.5)


@pytest.fixture
def written(tmp_path):
    results = {0: result(1), 1: result(2, tokens=710), 2: result(3, ended="interrupted")}
    path = tmp_path / "deep" / "run"
    folder(path).write(summary(results, 3), results, CONFIG)
    return path


def test_a_new_folder_is_written_whole(written):
    assert sorted(entry.name for entry in written.iterdir()) == [
        "config.toml",
        "errors.parquet",
        "funnel.parquet",
        "manifest.json",
        "replications.json",
        "requests.parquet",
        "series.parquet",
        "summary.json",
        "sweeps.parquet",
        "tables.parquet",
    ]
    assert [entry.name for entry in written.parent.iterdir()] == ["run"]


def test_the_manifest_says_what_was_run(written):
    manifest = json.loads((written / "manifest.json").read_text())
    assert manifest["partial"]
    assert manifest["config"]["pool"] == {"connections": 10}
    assert [run["partial"] for run in manifest["replications"]] == [False, False, True]
    assert manifest["libraries"]["fakeredis"] == "2.40.0"
    assert manifest["digest"] == json.loads((written / "summary.json").read_text())["digest"]


def test_tables_are_flat_and_name_the_replication(written):
    requests = pq.read_table(written / "requests.parquet").to_pylist()
    assert {"replication": 1, "endpoint": CHECK, "status": "401", "requests": 600} in requests
    series = pq.read_table(written / "series.parquet")
    assert series.column_names == ["replication", "t_s", "requests"]
    assert series.num_rows == 6
    sweeps = pq.read_table(written / "sweeps.parquet").to_pylist()
    assert sweeps[1]["outcome"] == "PoolTimeout"


def test_complete_replications_are_resumed_as_they_were(written):
    known = folder(written).open()
    assert list(known) == [0, 1]
    assert known[1].tables == result(2, tokens=710).tables
    assert known[1].sweeps == result(2).sweeps
    assert np.array_equal(known[1].series["requests"], [1.0, 2.0])


def test_writing_again_replaces_the_folder_in_one_step(written):
    results = {0: result(1)}
    folder(written).write(summary(results, 1), results, CONFIG)
    assert list(folder(written).open()) == [0]
    assert [entry.name for entry in written.parent.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"config": {**CONFIG, "pool": {"connections": 11}}},
            "pool.connections = 10 there, 11 here",
        ),
        ({"seed": 2}, "seed 1 there, seed 2 here"),
        ({"scale": 0.5}, "scale 1.0 there, scale 0.5 here"),
    ],
)
def test_the_results_of_another_run_are_refused(written, changed, words):
    before = (written / "manifest.json").read_bytes()
    with pytest.raises(OutputMismatchError, match=words) as caught:
        folder(written, **changed).open()
    assert caught.value.exit_code == 104
    assert (written / "manifest.json").read_bytes() == before


def test_the_results_of_another_version_are_refused(written):
    manifest = json.loads((written / "manifest.json").read_text())
    (written / "manifest.json").write_text(json.dumps({**manifest, "version": "0.0.1"}))
    with pytest.raises(OutputMismatchError, match=r"version 0\.0\.1 there"):
        folder(written).open()


def test_more_replications_and_other_observations_are_the_same_run():
    one = identity_of({**CONFIG, "replications": 3, "observed": {"a": {"value": 1}}}, 1, 1.0)
    assert one == identity_of(CONFIG, 1, 1.0)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="holds no results"):
        folder(tmp_path).open()
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="holds no results"):
        folder(tmp_path / "out").open()
    with pytest.raises(OutputError, match="cannot be written"):
        folder(tmp_path / "out" / "below").open()


def test_an_empty_folder_is_as_good_as_none(tmp_path):
    assert folder(tmp_path).open() == {}
    results = {0: result(1)}
    folder(tmp_path).write(summary(results, 1), results, CONFIG)
    assert list(folder(tmp_path).open()) == [0]
