"""Two scales of one config are compared by shares and durations."""

import pytest

from experiments.cli.main import main
from experiments.config.reading import read
from experiments.errors import ConfigError
from experiments.runs.options import RunOptions
from experiments.statistics.summary import Setup, summarise
from experiments.statistics.verdict import Terms
from experiments.studies.saved_results import read_folder
from experiments.studies.two_scales import check_scale, compare_scales, remarks
from experiments.views.report.page import page_of
from tests.unit.statistics.test_verdict import sale


def summary(scale, **changes):
    return summarise(Setup("x", 1, 1, scale, {}, terms=Terms()), {0: sale(**changes)}, 1.0)


def test_what_agrees_and_what_differs_is_named():
    check = compare_scales(summary(0.1), summary(0.3, failed=58))
    assert not check["same_outcome"]
    off = {row["name"] for row in check["rows"] if not row["agrees"]}
    assert off == {"booking failed"}
    first, differs, agrees = remarks(check)
    assert "different verdicts" in first
    assert "booking failed" in differs
    assert "seats sold" in agrees


def test_the_same_runs_agree_in_everything():
    check = compare_scales(summary(0.1), summary(0.3))
    assert check["same_outcome"]
    assert all(row["agrees"] for row in check["rows"])
    assert len(list(remarks(check))) == 1


def test_full_size_has_nothing_larger_to_compare_with():
    with pytest.raises(ConfigError, match="needs --scale below 1"):
        check_scale(read("smoke"), RunOptions(), summary(1.0))


def test_what_the_check_found_is_kept_and_stands_in_the_report(tmp_path, capsys):
    out = tmp_path / "kept"
    words = ["run", "smoke", "--scale=0.3", "--check-scale", "--workers=1", f"--out={out}"]
    assert main(words) == 0
    assert "agrees at scale 0.3 and scale 0.9" in " ".join(capsys.readouterr().out.split())
    kept = read_folder(out)
    assert kept.summary["scale_check"]["larger"] == pytest.approx(0.9)
    titles = [section.title for section in page_of(kept).sections]
    assert "Does a larger scale tell the same?" in titles
    assert read_folder(out / "larger").summary["scale"] == pytest.approx(0.9)
    assert main([*words[:3], *words[4:]]) == 0
    assert "scale_check" in read_folder(out).summary
