"""Figures: colours that everyone can tell apart, and numbers that are drawn as they are."""

import dataclasses
import itertools

import numpy as np
import pytest

from experiments.statistics.quantities import QUANTITIES
from experiments.views import plots
from experiments.views.plots.funnel import at_least
from experiments.views.plots.style import BAND, GREY, INK, PALETTE, PAPER, SERIES, settings
from experiments.views.plots.timeline import bins_of, counted, level, marked, shares, stages_of
from sim.load.settings import ConstantVUs, RampingVUs, Stage
from sim.result import Cleanup
from tests.unit.views.report_folders import difference, run_with_series

THEMES = ("light", "dark")
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISIONS = {
    "all colours": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def linear(code):
    parts = np.array([int(code[index : index + 2], 16) / 255 for index in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(rgb):
    return float(rgb @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    low, high = sorted((luminance(linear(one)), luminance(linear(other))))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    """CIE L*a*b* of linear RGB under D65."""
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ np.clip(rgb, 0, 1)
        / [0.9505, 1.0, 1.089]
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", THEMES)
def test_lines_and_text_stand_out_from_the_page(theme):
    paper, band = getattr(PAPER, theme), getattr(BAND, theme)
    for colour in (*SERIES, GREY):
        assert contrast(getattr(colour, theme), paper) >= 3.0, colour.name
        assert contrast(getattr(colour, theme), band) >= 3.0, colour.name
    assert contrast(getattr(INK, theme), paper) >= 7.0
    assert contrast(getattr(GREY, theme), paper) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_colours_look_the_same(theme, vision):
    """Delta E (CIE76) of 10 is seen at a glance."""
    seen = {
        colour.name: lab(VISIONS[vision] @ linear(getattr(colour, theme)))
        for colour in (*SERIES, GREY)
    }
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 10, (one, other)


def test_the_style_file_knows_only_the_palettes_colours():
    known = {colour.light for colour in PALETTE} | {"none"}
    used = {
        value if value == "none" or value.startswith("#") else f"#{value}"
        for key, value in settings().items()
        if key.endswith("color") and isinstance(value, str) and value not in {"auto", "inherit"}
    }
    assert used <= known
    assert {f"#{one['color']}".replace("##", "#") for one in settings()["axes.prop_cycle"]} <= known


def test_a_bin_counts_what_happened_in_it():
    run = dataclasses.replace(
        run_with_series(),
        series={
            "t_s": np.arange(1.0, 11.0),
            "http_reqs": np.arange(1.0, 11.0) ** 2,
            "vus": np.arange(1.0, 11.0),
        },
    )
    bins = bins_of([run])
    assert len(bins.edges_s) == 11
    assert counted([run], "http_reqs", bins).tolist() == [[float(2 * n + 1) for n in range(10)]]
    assert level([run], "vus", bins).tolist() == [[float(n) for n in range(1, 11)]]
    assert counted([run], "never", bins).sum() == 0


def test_a_run_that_ended_early_has_no_level_afterwards():
    long = run_with_series()
    cut = {name: values[:40] for name, values in long.series.items()}
    bins = bins_of([long, dataclasses.replace(long, series=cut)])
    values = level([long, dataclasses.replace(long, series=cut)], "vus", bins)
    assert not np.isnan(values[0]).any()
    assert np.isnan(values[1][-1])
    assert values[1][5] == pytest.approx(values[0][5])


def test_no_requests_is_no_rate():
    assert np.isnan(shares(np.array([0.0, 1.0]), np.array([0.0, 4.0]))).tolist() == [True, False]


def test_stages_follow_each_other():
    load = RampingVUs(stages=(Stage(60.0, 10), Stage(0.0, 30), Stage(30.0, 0)), start_vus=5)
    assert [(one.start_s, one.end_s, one.before, one.target) for one in stages_of(load)] == [
        (0.0, 60.0, 5.0, 10),
        (60.0, 60.0, 10, 30),
        (60.0, 90.0, 30, 0),
    ]
    assert stages_of(ConstantVUs("constant-vus", 60.0, 3)) == []


def test_of_many_sweeps_only_those_late_or_lost_are_marked():
    def sweep(at, started, outcome="ok"):
        return Cleanup(at, started, started, outcome, 0, 0, 0, 0)

    few = [sweep(float(n), float(n)) for n in range(10)]
    assert len(marked(few)) == 10
    many = [sweep(float(n), float(n)) for n in range(300)]
    odd = [sweep(400.0, 405.0), sweep(500.0, 500.0, "PoolTimeoutError")]
    assert marked([*many, *odd]) == odd


def test_people_are_counted_in_every_step_that_they_reached():
    reached = at_least(
        {
            "never_arrived": 5,
            "arrived": 4,
            "waited": 3,
            "admitted": 2,
            "saw_seats": 2,
            "sold_out": 1,
            "booked": 1,
            "paid": 6,
        }
    )
    assert reached == {
        "came": 19,
        "got a token": 15,
        "were let in": 12,
        "saw a free seat": 9,
        "booked a seat": 7,
        "paid": 6,
    }
    assert at_least({"arrived": 1, "abandoned": 3})["lost patience"] == 3


def test_alternative_text_has_the_numbers():
    words = plots.failures([run_with_series()]).get_label()
    assert "commonest causes are MalformedToken, PoolTimeout" in words
    assert "1 of them lost" in words
    assert "700 paid" in plots.funnel({"arrived": 300, "paid": 700}).get_label()


def test_figures_do_not_depend_on_the_readers_own_settings():
    import matplotlib as mpl

    counts = {"arrived": 300, "paid": 700}
    text = plots.svg(plots.funnel(counts))
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert plots.svg(plots.funnel(counts)) == text


@pytest.mark.parametrize(("after", "unit"), [(0.9, "milliseconds"), (4_000.0, "seconds")])
def test_the_axis_of_durations_has_the_unit_of_their_differences(after, unit):
    (p95,) = (one for one in QUANTITIES if one.name == "p95")
    row = {"name": "a", "quantities": {"p95": difference(1.2, after, "better")}}
    (axes,) = plots.differences([row], p95).axes
    assert f", {unit};" in axes.get_xlabel()
