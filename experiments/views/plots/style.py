"""How figures look: one style file, one palette with a light and a dark value of each colour.

The palette follows Okabe and Ito, moved until every colour has a contrast of 3 to 1 with its page
(WCAG 2.2, 1.4.11) and stays apart under protanopia, deuteranopia and tritanopia. Lines differ in
their dashes too, marks in their shape.
"""

from __future__ import annotations

import dataclasses
import functools
import io
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE_IN, NARROW_IN = 13.0, 5.0
"""Widths of figures; with 72 points to the inch, 936 and 360 units."""


@dataclasses.dataclass(frozen=True)
class Colour:
    """A colour on a white and on a black page, as `#rrggbb`, under the name CSS knows it by."""

    name: str
    light: str
    dark: str

    def __str__(self) -> str:
        """Return what matplotlib draws with."""
        return self.light


PAPER: Final = Colour("paper", "#ffffff", "#14171a")
INK: Final = Colour("ink", "#1b1f24", "#e7eaed")
FRAME: Final = Colour("frame", "#8a9199", "#757d86")
GRID: Final = Colour("grid", "#dde1e5", "#31373d")
BAND: Final = Colour("band", "#f1f3f5", "#1d2226")
BLUE: Final = Colour("blue", "#0069b9", "#46beff")
VERMILION: Final = Colour("vermilion", "#d55e00", "#f08235")
GREEN: Final = Colour("green", "#00795a", "#26c488")
PURPLE: Final = Colour("purple", "#a0408c", "#c873d0")
OCHRE: Final = Colour("ochre", "#935513", "#dcd146")
SKY: Final = Colour("sky", "#3d8fc4", "#a9d8f7")
GREY: Final = Colour("grey", "#6f7680", "#a1a9b2")
SERIES: Final = (BLUE, VERMILION, GREEN, PURPLE, OCHRE, SKY)
"""Colours of the first categories, in this order; all others are grey."""
PALETTE: Final = (PAPER, INK, FRAME, GRID, BAND, *SERIES, GREY)

_LONGEST_NAME = 42
_TWO_COLUMNS = 26
"""Names up to so many letters fit beside each other on a phone."""
P = ParamSpec("P")


def styled(build: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function make its figure in the style, whatever else is set.

    What matplotlib makes only when it draws, such as ticks, is made here too.
    """

    @functools.wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> Figure:
        import matplotlib as mpl

        with mpl.rc_context(settings()):
            figure = build(*args, **kwargs)
            figure.draw_without_rendering()
            return figure

    return built


@functools.cache
def settings() -> Any:
    """The settings of the style file, as matplotlib takes them."""
    import matplotlib as mpl

    with resources.as_file(resources.files(__package__) / "ticketsim.mplstyle") as path:
        return mpl.rc_params_from_file(path, use_default_template=False)


def new_figure(
    height_in: float, *, narrow: bool, heights: tuple[float, ...] = (1.0,)
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, one below the other.

    Args:
        height_in: inches, of the whole.
        narrow: for a phone or a column of text instead of a page.
        heights: of the axes, in proportion to each other; they share the horizontal axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(NARROW_IN if narrow else WIDE_IN, height_in))
    grid = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    return figure, list(grid[:, 0])


def short(name: str) -> str:
    """A name that leaves room for the figure beside it."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def legend(axes: Axes, *, narrow: bool, most: int = 6) -> None:
    """A legend above the axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    beside = max(map(len, labels)) <= _TWO_COLUMNS
    axes.legend(
        handles,
        labels,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.3,
        borderpad=0.0,
        ncols=min(len(handles), (1 + beside) if narrow else most),
    )


def svg(figure: Figure) -> str:
    """A figure as SVG with a clear background; the same figure gives the same text."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context(settings()):
        # No date in the file, so that the same results give the same page.
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()
