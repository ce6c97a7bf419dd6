"""The report as a browser shows it: wide and narrow, light and dark, on paper, from disk."""

import json

import pytest

from experiments.studies.saved_results import read_folder
from experiments.views.report.page import page_of
from experiments.views.report.render import html
from tests.support.browser import Browser
from tests.unit.views.report_folders import (
    comparison,
    gate,
    hostile_run,
    ramp,
    run_with_series,
    write_campaign,
    write_run,
)

pytestmark = pytest.mark.browser
WIDTHS = (1000, 390)

OVERFLOWING = """
[...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  return one.checkVisibility() && !one.closest(".scroll table") && !one.closest("svg")
    && (box.right > innerWidth + 1 || box.left < -1);
}).map(one => one.tagName + " " + one.className)
"""
SHOWN = """
[...document.querySelectorAll("figure")].map(figure => {
  const shown = [...figure.querySelectorAll("svg")].filter(svg => svg.checkVisibility());
  const inside = shown.map(svg => {
    const frame = svg.getBoundingClientRect();
    return {
      width: frame.width, height: frame.height,
      shapes: [...svg.querySelectorAll("path, use")].filter(one => {
        const box = one.getBoundingClientRect();
        return box.width + box.height > 0;
      }).length,
      outside: [...svg.querySelectorAll("text")].filter(one => {
        const box = one.getBoundingClientRect();
        return box.left < frame.left - 2 || box.right > frame.right + 2;
      }).map(one => one.textContent),
      smallest: Math.min(...[...svg.querySelectorAll("text")].map(
        one => parseFloat(getComputedStyle(one).fontSize) * frame.width / svg.viewBox.baseVal.width
      )),
    };
  });
  return inside;
})
"""


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Name -> HTML file, one for each kind of results."""
    root = tmp_path_factory.mktemp("pages")
    several = {number: run_with_series(number + 1) for number in range(3)}
    folders = {
        "run": write_run(root / "run", several),
        "hostile": write_run(root / "hostile", {0: hostile_run()}),
        "compare": write_campaign(root / "c", "compare", "comparison.json", comparison()),
        "sweep": write_campaign(root / "s", "sweep", "sweep.json", ramp()),
        "gate": write_campaign(root / "g", "gate", "gate.json", gate()),
    }
    found = {}
    for name, folder in folders.items():
        found[name] = root / f"{name}.html"
        found[name].write_text(html(page_of(read_folder(folder))), "utf-8")
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["run", "hostile", "compare", "sweep", "gate"])
def test_a_page_fits_its_window_and_its_figures_are_not_empty(browser, pages, name, width):
    browser.open(pages[name], width)
    assert browser.fetched == [pages[name].absolute().as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(OVERFLOWING) == []
    figures = browser.evaluate(SHOWN)
    assert figures
    for shown in figures:
        # One of the two versions, as wide as the text, legible, with something in it.
        (figure,) = shown
        assert width * 0.8 < figure["width"] <= width
        assert figure["height"] > 100
        assert figure["shapes"] > 5
        assert figure["outside"] == []
        assert figure["smallest"] > 8.5


@pytest.mark.parametrize("width", WIDTHS)
def test_light_and_dark_pages_have_the_readers_colours(browser, pages, width):
    ground, ink = {}, {}
    for dark in (False, True):
        browser.open(pages["run"], width, dark=dark)
        style = "getComputedStyle(document.querySelector('{}')).{}"
        ground[dark] = browser.evaluate(style.format("body", "backgroundColor"))
        ink[dark] = browser.evaluate(style.format("figure svg text", "fill"))
    assert ground == {False: "rgb(255, 255, 255)", True: "rgb(20, 23, 26)"}
    assert ink == {False: "rgb(27, 31, 36)", True: "rgb(231, 234, 237)"}


def test_nothing_from_outside_runs_in_the_page(browser, pages):
    browser.open(pages["hostile"], 1000)
    assert browser.evaluate("document.scripts.length") == 1
    assert browser.evaluate("document.querySelector('h1').textContent") == "smoke"
    assert browser.evaluate("document.body.textContent.includes(\"<script>alert('x')</script>\")")


def test_a_page_prints_on_paper_with_its_figures(browser, pages, tmp_path):
    browser.open(pages["run"], 1000, dark=True)
    browser.printed(tmp_path / "page.pdf")
    data = (tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 2 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 12


def test_the_pointer_tells_a_moment_of_a_figure(browser, pages):
    browser.open(pages["run"], 1000)
    moves = """(() => {
        const figure = [...document.querySelectorAll("svg.wide[data-lines]")].at(-1);
        const box = figure.getBoundingClientRect();
        const at = (kind, share) => figure.dispatchEvent(new PointerEvent(kind, {
            clientX: box.left + share * box.width, clientY: box.top + box.height / 2 }));
        at("pointermove", 0.5);
        const told = figure.nextElementSibling.textContent;
        at("pointerdown", 0.3); at("pointerup", 0.6);
        const near = figure.getAttribute("viewBox");
        figure.dispatchEvent(new MouseEvent("dblclick"));
        return JSON.stringify([told, near, figure.getAttribute("viewBox")]);
    })()"""
    told, near, whole = json.loads(browser.evaluate(moves))
    assert told.partition(" ")[0].replace(":", "").isdigit()
    assert float(near.split()[2]) < 0.4 * float(whole.split()[2])
