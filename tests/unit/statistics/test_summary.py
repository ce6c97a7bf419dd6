"""What the summary says about results, as JSON and as text."""

import json
import math
from pathlib import Path

import pydantic
import pytest

from experiments.config.reading import Observed
from experiments.runs.workers.replications import seed_of
from experiments.statistics.intervals import ci95, mean, pi95
from experiments.statistics.summary import RunSummary, Setup, number_at, summarise
from experiments.views.text.run_text import duration, render, size
from tests.unit.results import CHECK, result

OBSERVED = {
    "failed": Observed("http_req_failed.rate", 0.7379, "read off the report"),
    "tokens": Observed("tables.token_history", 766),
    "classes": Observed(f"exception_classes.{CHECK}", 3),
    "unheard": Observed("no_such_metric.rate", 1.0),
}
GOLDEN = Path(__file__).parents[2] / "golden"


def summary_of(*results, scale=1.0, replications=None):
    setup = Setup("made-up", 1, replications or len(results), scale, OBSERVED)
    return summarise(setup, dict(enumerate(results)), 1.25)


def test_intervals_are_students():
    # t(0.975, 2) = 4.30265; the standard deviation of 1, 2, 3 is 1.
    assert ci95([1.0, 2.0, 3.0]) == pytest.approx(
        (2 - 4.30265 / math.sqrt(3), 2 + 2.48414), abs=1e-4
    )
    assert pi95([1.0, 2.0, 3.0]) == pytest.approx(
        (2 - 4.30265 * math.sqrt(4 / 3), 6.96828), abs=1e-4
    )


def test_two_replications_give_no_interval():
    assert ci95([1.0, 2.0]) is None
    assert pi95([1.0, 2.0]) is None


def test_the_mean_of_counts_is_a_count_where_it_is_whole():
    assert json.dumps([mean([2, 4]), mean([2, 3]), mean([2.0, 4.0])]) == "[3, 2.5, 3.0]"


def test_the_first_replication_has_the_seed_itself_and_the_others_differ():
    seeds = [seed_of(7, replication) for replication in range(200)]
    assert seeds[0] == 7
    assert len(set(seeds)) == 200
    assert seed_of(8, 1) != seed_of(7, 1)


def test_the_json_of_the_contract():
    summary = summary_of(result(1), result(2, tokens=710), result(3, tokens=720))
    plain = json.loads(json.dumps(summary))
    assert plain["metrics"]["http_req_failed"]["rate"] == 0.725
    assert plain["metrics"]["http_req_failed"]["ci95"] == pytest.approx([0.725, 0.725])
    assert plain["tables"]["token_history"] == 710
    assert plain["errors"][CHECK]["MalformedToken"] == 600
    assert plain["observed"]["tokens"]["simulated"] == 710
    assert plain["observed"]["tokens"]["pi95"][0] < 700
    assert plain["observed"]["classes"]["simulated"] == 3
    assert plain["observed"]["unheard"]["simulated"] is None
    assert [run["seed"] for run in plain["runs"]] == [1, 2, 3]
    assert "extrapolated" not in plain


def test_the_json_is_what_its_schema_says():
    for summary in (summary_of(result()), summary_of(result(1), result(2), result(3), scale=0.1)):
        text = json.dumps(summary)
        adapter = pydantic.TypeAdapter(RunSummary)
        again = adapter.validate_json(text)
        assert adapter.dump_python(again, mode="json") == json.loads(text)


def test_failures_are_given_without_conflicts_and_without_polls():
    failures = summary_of(result())["failures"]
    assert failures["all"] == 775 / 1000
    assert failures["without_409"] == 750 / 1000
    assert failures["without_409_and_polls"] == 50 / 300
    assert failures["lost_seat_races"] == 25


def test_a_scaled_run_gives_counts_at_full_size_and_rates_as_they_are():
    summary = summary_of(result(), scale=0.1)
    assert summary["extrapolated"]["tables"]["booking"] == 250
    assert summary["extrapolated"]["metrics"]["http_reqs.count"] == 10_000
    assert summary["observed"]["tokens"]["extrapolated"] == 7_000
    assert summary["observed"]["failed"]["extrapolated"] == 0.725


def test_interrupted_replications_count_only_where_there_is_no_other():
    both = summary_of(result(1), result(2, ended="interrupted", tokens=3), replications=3)
    assert both["partial"]
    assert both["tables"]["token_history"] == 700
    alone = summary_of(result(2, ended="interrupted", tokens=3), replications=1)
    assert alone["partial"]
    assert alone["tables"]["token_history"] == 3


def test_the_digest_of_one_run_is_its_own_and_of_several_depends_on_all():
    assert summary_of(result(5))["digest"] == result(5).digest
    first = summary_of(result(1), result(2))["digest"]
    assert first != summary_of(result(1), result(3))["digest"]
    assert len(first) == 64


def test_numbers_are_found_by_their_path():
    run = result()
    assert number_at(run, f"errors.{CHECK}.MalformedToken") == 600
    assert number_at(run, "outcomes.POST /v1/concerts/{id}/booking.409") == 25
    assert number_at(run, "http_req_duration.p(95)") == 30_000.0
    assert number_at(run, "tables.nothing") == 0


def test_units_are_those_of_k6():
    assert [duration(0.8), duration(12.34), duration(1234.5), duration(90_000)] == [
        "800µs",
        "12.34ms",
        "1.234s",
        "1m30s",
    ]
    assert [size(17), size(1_234_567)] == ["17 B", "1.235 MB"]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_text_fits_the_terminal(width):
    texts = [
        render(summary_of(result()), width),
        render(summary_of(result(1), result(2, tokens=720), result(3), scale=0.1), width),
    ]
    for text in texts:
        assert max(map(len, text.splitlines())) <= width
        assert "MalformedToken 600 (85.7 %)" in text
        assert "BROKEN  overadmitted: 2 violations" in text
        assert "2 ran, 1 late, 1 lost" in text


def test_the_text_reads_as_it_did():
    """Golden: `make test` after a wanted change shows the difference; copy it if it is better."""
    text = render(summary_of(result(1), result(2, tokens=720), result(3)), 80)
    assert text == (GOLDEN / "summary.txt").read_text("utf-8")
