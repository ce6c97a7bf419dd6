"""The notebooks: each runs from top to bottom, draws everywhere, and is clean as saved."""

import base64
import importlib.util
import io
import re
from pathlib import Path

import nbformat
import pytest
from matplotlib.image import imread

from experiments.views.plots.style import new_figure

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [
    "01-what-happened",
    "02-was-it-memory",
    "03-which-fix",
    "04-how-many-can-we-let-in",
    "05-your-own-on-sale",
    "06-live-beside-simulated",
    "07-your-own-service",
]
MOST_BYTES = 1_000_000
INK_SHARE = 0.018
"""Dark or coloured pixels: two empty panels with a title have 0.014, a small figure 0.023."""


PRIVATE = r"/(home|root|work|Users|tmp|usr|opt|var|mnt)/|[A-Z]:\\\\|\w@\w+\.\w|Traceback"
"""Paths of a machine, addresses of people, errors."""


def _execute_module():
    spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks" / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(notebook):
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]


def pictures(notebook):
    found = (output.get("data", {}).get("image/png") for output in outputs(notebook))
    return [base64.b64decode(picture) for picture in found if picture]


def ink_share(picture):
    """Share of pixels that are neither paper nor grid."""
    pixels = imread(io.BytesIO(picture))[:, :, :3]
    return float((pixels.min(axis=2) < 0.75).mean())


def check_shown(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs, f"shows nothing: {cell.source}"
    for output in outputs(notebook):
        assert output.output_type in {"execute_result", "display_data"}, output
    shown = pictures(notebook)
    assert shown
    for picture in shown:
        assert ink_share(picture) > INK_SHARE


def test_the_seven_stories_are_there():
    assert [path.stem for path in NOTEBOOKS] == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    check_shown(_execute_module().executed(path, tmp_path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_saved_with_what_it_shows_and_nothing_else(path):
    text = path.read_text("utf-8")
    assert len(text) < MOST_BYTES
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    check_shown(notebook)
    assert notebook.metadata == _execute_module().METADATA
    assert not any(cell.metadata for cell in notebook.cells)
    words = re.sub(r'"image/png": ".*?"', "", text)
    assert not re.search(PRIVATE, words)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_between_documents_lead_somewhere(path):
    notebook = nbformat.read(path, as_version=4)
    words = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)#:]+)\)", words):
        assert (path.parent / target).is_file(), target
    for target in re.findall(r"`(docs/[\w./-]+)`", words):
        assert (ROOT / target).is_file(), target


def test_an_empty_picture_is_noticed():
    figure, panels = new_figure(4.0, narrow=False, heights=(1.0, 1.0))
    panels[0].set_title("nothing here")
    empty = io.BytesIO()
    figure.savefig(empty, dpi=80, format="png")
    assert ink_share(empty.getvalue()) < INK_SHARE
