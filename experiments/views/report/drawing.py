"""A figure inside a page: SVG that takes its colours and its font from the page."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from experiments.views.plots.style import PALETTE, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEAD = re.compile(r'<svg [^>]*?viewBox="(?P<box>[^"]+)"[^>]*>')
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", re.DOTALL)
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(url\(#|href="#)([^)"]+)')

_MANY_POINTS = 10
"""A line with fewer is a limit or a mark, not a course over time."""


def inline(figure: Figure, key: str, kind: str) -> Markup:
    """The figure as an element of an HTML page.

    Args:
        figure: its label becomes the alternative text.
        key: prefix of its ids, which must differ from those of every other figure of the page.
        kind: class of the element, "wide" or "narrow".
    """
    text = svg(figure)
    head = _HEAD.search(text)
    assert head is not None  # noqa: S101 - matplotlib writes one
    body = _METADATA.sub("", text[head.end() :])
    # A style element in a page would hold for the whole page.
    body = _STYLE.sub("", body)
    prefix = f"{key}-{kind}-"
    # The ids and the rest are matplotlib's; names from configs stand in text, which it escapes.
    body = _ID.sub(rf'id="{prefix}\1"', body)
    body = _REFERENCE.sub(rf"\1{prefix}\2", body)
    for colour in PALETTE:
        body = body.replace(colour.light, f"var(--{colour.name},{colour.light})")
    label = escape(str(figure.get_label()))
    lines = lines_of(figure)
    data = f' data-lines="{escape(json.dumps(lines, allow_nan=False))}"' if lines else ""
    return Markup(  # noqa: S704 (see above)
        f'<svg class="{kind}" viewBox="{head["box"]}" role="img" aria-label="{label}"{data} '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def lines_of(figure: Figure) -> list[dict[str, Any]]:
    """The panels of a figure over time, each with where it is and its lines, for the page's script.

    Shares are of the width and the height of the figure, from its upper left corner; NaN is None.
    """
    panels = (_panel(axes) for axes in figure.axes if axes.xaxis.get_visible())
    return [panel for panel in panels if panel["lines"]]


def _panel(axes: Axes) -> dict[str, Any]:
    lines = {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in axes.get_lines()
    }
    named = {
        name: points
        for name, points in lines.items()
        if not name.startswith("_") and len(points[0]) >= _MANY_POINTS
    }
    box = axes.get_position()
    low, high = axes.get_xlim()
    times = next((x for x, _ in named.values()), np.zeros(0))
    return {
        "left": round(box.x0, 5),
        "right": round(box.x1, 5),
        "top": round(1.0 - box.y1, 5),
        "bottom": round(1.0 - box.y0, 5),
        "from": low,
        "to": high,
        "x": [_brief(value) for value in times],
        "lines": [
            {"name": name, "y": [_brief(value) for value in y]}
            for name, (x, y) in named.items()
            if len(x) == len(times)
        ],
    }


def _brief(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else float(f"{number:.5g}")
