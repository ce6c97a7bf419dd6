"""Results for k6's tools, metrics servers and data frames: beside files that k6 itself wrote."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from experiments.cli.main import main
from experiments.config.reading import read
from experiments.runs.options import RunOptions
from experiments.runs.storage.samples import SampleWriter, path_of
from experiments.studies.run import run
from sim.measure.requests import Sample

K6 = Path(__file__).parents[2] / "data" / "k6"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A small run of two replications with samples, some of whose requests fail."""
    out = tmp_path_factory.mktemp("kept") / "run"
    thresholds = 'thresholds={http_req_failed=["rate<0.00001"], http_reqs=["count>1"]}'
    options = RunOptions(replications=2, workers=1, out=out)
    run(read("smoke", [thresholds]), options, samples=True)
    return out


@pytest.fixture(scope="module")
def summary(kept):
    return json.loads((kept / "summary.json").read_text())


def export(kept, name, out, *more):
    assert main(["export", str(kept), "--format", name, "--out", str(out), "--quiet", *more]) == 0
    return out


def test_k6_csv_has_the_columns_of_a_real_file_and_fills_the_same_ones(kept, tmp_path):
    ours = pd.read_csv(export(kept, "k6-csv", tmp_path / "k6.csv"))
    real = pd.read_csv(K6 / "exported.csv")
    assert list(ours.columns) == list(real.columns)
    for metric, status in (("http_req_duration", 200), ("http_req_failed", 200), ("vus", None)):
        filled = []
        for table in (ours, real):
            rows = table[table.metric_name == metric]
            rows = rows if status is None else rows[rows.status == status]
            assert len(rows), (metric, status)
            filled.append(set(rows.columns[rows.notna().any()]))
        assert filled[0] == filled[1], (metric, status)


def test_k6_csv_writes_what_k6_writes_about_failures():
    """The same tags as in a real file for an answer with an error, and for no answer."""
    from experiments.interop.export_k6 import _request

    real = pd.read_csv(K6 / "exported.csv", dtype=str, keep_default_na=False)
    row = {
        "time_s": 0.0,
        "endpoint": "GET /x",
        "duration_ms": 1.0,
        "blocked_ms": 0.0,
        "sending_ms": 0.0,
        "receiving_ms": 0.0,
    }
    for status, cause in ((404, "NotFoundError"), (0, "ConnectionRefused")):
        theirs = real[(real.status == str(status)) & (real.metric_name != "")]
        ours = _request({**row, "status": status, "error": cause}, 1.0)
        assert [one["metric_name"] for one in ours] == list(theirs.metric_name[:9])
        for tag in ("error", "error_code", "expected_response", "method", "scenario", "status"):
            assert {str(one[tag]) for one in ours} == set(theirs[tag]), tag
    assert ours[0]["proto"] == theirs.proto.iloc[0] == ""


def test_k6_csv_read_back_gives_the_numbers_of_the_run(kept, summary, tmp_path):
    """The round trip: counts exactly, durations to the six digits that k6 writes."""
    packed = export(kept, "k6-csv", tmp_path / "k6.csv.gz", "--replication", "1")
    table = pd.read_csv(packed)
    run = summary["runs"][1]
    requests = table[table.metric_name == "http_reqs"]
    assert len(requests) == run["metrics"]["http_reqs"]["count"] > 100
    found = {
        endpoint: {str(int(status)): int(n) for status, n in rows.status.value_counts().items()}
        for endpoint, rows in requests.groupby("name")
    }
    assert found == {
        endpoint: {status: count for status, count in counts.items() if count}
        for endpoint, counts in run["outcomes"].items()
    }
    durations = table[table.metric_name == "http_req_duration"].metric_value
    assert np.percentile(durations, 95) == pytest.approx(
        run["metrics"]["http_req_duration"]["p(95)"], abs=2e-6
    )
    blocked = table[table.metric_name == "http_req_blocked"].metric_value
    assert blocked.mean() == pytest.approx(run["metrics"]["http_req_blocked"]["avg"], abs=2e-6)
    failed = table[table.metric_name == "http_req_failed"].metric_value
    assert failed.sum() == run["metrics"]["http_req_failed"]["passes"]
    assert table.timestamp.is_monotonic_increasing


def test_calibrate_reads_the_exported_csv(kept, tmp_path):
    from experiments.interop.k6_output import read_output

    output = read_output(str(export(kept, "k6-csv", tmp_path / "k6.csv")))
    assert output.most_users > 0
    assert {request.status for request in output.requests} >= {"200"}


def test_k6_summary_is_built_as_a_real_one(kept, tmp_path):
    ours = json.loads(export(kept, "k6-summary", tmp_path / "s.json").read_text())
    real = json.loads((K6 / "exported_summary.json").read_text())
    assert set(ours) == set(real)
    assert set(ours["state"]) == set(real["state"])
    assert ours["root_group"] == real["root_group"]
    assert ours["options"] == real["options"]
    assert set(real["metrics"]) <= set(ours["metrics"])
    for name, metric in real["metrics"].items():
        assert ours["metrics"][name]["type"] == metric["type"], name
        assert ours["metrics"][name]["contains"] == metric["contains"], name
        assert set(ours["metrics"][name]["values"]) == set(metric["values"]), name
    assert set(real["metrics"]["http_req_failed"]["thresholds"]["rate<0.01"]) == {"ok"}


def test_k6_summary_judges_the_thresholds_of_the_config(kept, summary, tmp_path):
    metrics = json.loads(export(kept, "k6-summary", tmp_path / "s.json").read_text())["metrics"]
    failed = summary["runs"][0]["metrics"]["http_req_failed"]["rate"]
    assert metrics["http_req_failed"]["thresholds"] == {"rate<0.00001": {"ok": failed < 0.00001}}
    assert metrics["http_reqs"]["thresholds"] == {"count>1": {"ok": True}}


def test_openmetrics_is_read_by_a_strict_parser_and_ends_with_the_totals(kept, summary, tmp_path):
    text = export(kept, "openmetrics", tmp_path / "m.txt").read_text()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    totals = {}
    for sample in families["ticketsim_http_requests"].samples:
        totals[sample.labels["replication"], sample.labels["endpoint"]] = sample.value
    for entry in summary["runs"]:
        for endpoint, counts in entry["outcomes"].items():
            key = (str(entry["replication"]), endpoint)
            # The last sample is taken before the very last requests end.
            assert totals[key] == pytest.approx(sum(counts.values()), rel=0.1, abs=10)
    assert families["ticketsim_redis_used_bytes"].unit == "bytes"
    assert families["ticketsim_cpu_seconds"].type == "counter"
    durations = families["ticketsim_http_request_duration_seconds"]
    counts = [sample.value for sample in durations.samples if sample.name.endswith("_count")]
    assert sum(counts) == sum(entry["metrics"]["http_reqs"]["count"] for entry in summary["runs"])


def test_labels_from_outside_cannot_break_the_exposition():
    from experiments.interop.openmetrics import openmetrics
    from tests.unit.results import result

    odd = 'a"b\\c\nd'
    run = result()
    run.series[f"exception:{odd}"] = np.array([1.0, 2.0])
    text = "\n".join(openmetrics({0: run}, 0.0)) + "\n"
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["ticketsim_exceptions"].samples[0].labels["class"] == odd


def test_parquet_has_every_request_of_every_replication(kept, summary, tmp_path):
    table = pd.read_parquet(export(kept, "parquet", tmp_path / "all.parquet"))
    for entry in summary["runs"]:
        rows = table[table.replication == entry["replication"]]
        assert len(rows) == entry["metrics"]["http_reqs"]["count"]
        failed = rows[(rows.status < 200) | (rows.status >= 400)]
        assert len(failed) == entry["metrics"]["http_req_failed"]["passes"]
        assert failed.error.notna().all()
        assert rows.time_s.is_monotonic_increasing


def test_samples_do_not_change_a_run(summary):
    finished = run(read("smoke"), RunOptions())
    assert finished.summary["digest"] == summary["runs"][0]["digest"]


def test_samples_are_written_in_bounded_memory(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    monkeypatch.setattr("experiments.runs.storage.samples._ROWS_AT_ONCE", 10)
    path = path_of(tmp_path, 0)
    with SampleWriter(path) as writer:
        for index in range(25):
            writer.add(Sample(float(index), 1, "GET /x", 200, None, 0.1, 0.0, 0.0, 0.0))
            assert len(writer._rows) < 10
            assert not path.exists()
    assert [pq.ParquetFile(path).metadata.row_group(group).num_rows for group in range(3)] == [
        10,
        10,
        5,
    ]


def test_samples_of_a_run_that_broke_off_are_not_left_behind(tmp_path):
    path = path_of(tmp_path, 0)

    def broken():
        with SampleWriter(path) as writer:
            writer.add(Sample(0.0, 1, "GET /x", 200, None, 0.1, 0.0, 0.0, 0.0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert list(path.parent.iterdir()) == []


def test_replications_without_samples_run_again_when_they_are_asked_for(tmp_path):
    out = tmp_path / "run"
    short = ("load.stages=[{duration_s=3.0, target=5}]",)
    given, options = read("smoke", short), RunOptions(out=out)
    first = run(given, options).summary
    assert main(["export", str(out), "--format", "parquet"]) == 1
    second = run(given, options, samples=True).summary
    assert second["digest"] == first["digest"]
    assert path_of(out, 0).is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "smoke", "--samples"], "--samples: needs --out DIR"),
        (["export", "/nowhere", "--format", "k6-csv"], "/nowhere: no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments, said, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_replication_that_is_not_there_is_named(kept, capsys):
    assert main(["export", str(kept), "--format", "k6-csv", "--replication", "7"]) == 1
    assert "has no replication 7; allowed: 0, 1" in capsys.readouterr().err


def test_results_without_samples_say_how_to_get_them(tmp_path, capsys):
    out = tmp_path / "run"
    short = ("load.stages=[{duration_s=3.0, target=5}]",)
    run(read("smoke", short), RunOptions(out=out))
    assert main(["export", str(out), "--format", "k6-csv"]) == 1
    assert "run it again with --samples" in capsys.readouterr().err
    assert not (out / "k6.csv").exists()
