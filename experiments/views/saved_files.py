"""The files that a folder of results has beside its runs: the document, and texts made of it."""

from __future__ import annotations

from experiments.documents import as_json
from experiments.runs.study_result import StudyResult
from experiments.studies.compare.differences import ComparisonResult
from experiments.studies.explain.results import Explanation
from experiments.studies.fuzz.result import FuzzResult
from experiments.studies.gate.decision import GateResult
from experiments.studies.sweep.points import SweepResult
from experiments.studies.validate.comparison import Validation
from experiments.views.draws_file import draws_toml
from experiments.views.text import (
    compare_text,
    explain_text,
    gate_text,
    sweep_text,
    validate_text,
)

_COLUMNS = 120
"""Of texts that are kept."""


def keep_comparison(result: StudyResult[ComparisonResult]) -> None:
    """Keep what `compare` found, if there is a folder. So do the others."""
    result.journal.write("comparison.json", as_json(result.document))
    result.journal.write("comparison.txt", compare_text.render_verbose(result.document, _COLUMNS))


def keep_sweep(result: StudyResult[SweepResult]) -> None:
    """Keep what `sweep` found."""
    if result.journal.folder is None:
        return
    # Its library takes a second to load.
    from experiments.views.plots import response, svg

    result.journal.write("sweep.json", as_json(result.document))
    result.journal.write("points.csv", sweep_text.as_csv(result.document))
    result.journal.write("response.svg", svg(response(result.document["points"])))


def keep_gate(result: StudyResult[GateResult]) -> None:
    """Keep what `gate` found."""
    result.journal.write("gate.json", as_json(result.document))
    result.journal.write("gate.md", gate_text.markdown(result.document))
    result.journal.write("junit.xml", gate_text.junit(result.document))


def keep_explanation(result: StudyResult[Explanation]) -> None:
    """Keep what `explain` found."""
    result.journal.write("explanation.json", as_json(result.document))
    result.journal.write("explanation.txt", explain_text.render(result.document, _COLUMNS))
    if result.document.get("draws"):
        result.journal.write("draws.toml", draws_toml(result.document))


def keep_validation(result: StudyResult[Validation]) -> None:
    """Keep what `validate` found."""
    result.journal.write("validation.json", as_json(result.document))
    result.journal.write("validation.md", validate_text.render(result.document))


def keep_fuzz(result: StudyResult[FuzzResult]) -> None:
    """Keep what `fuzz` found."""
    result.journal.write("fuzz.json", as_json(result.document))
