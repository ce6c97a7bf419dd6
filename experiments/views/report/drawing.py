"""A figure inside a page: SVG that takes its colours and its font from the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from experiments.views.plots.style import PALETTE, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEAD = re.compile(r'<svg [^>]*?viewBox="(?P<box>[^"]+)"[^>]*>')
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_STYLE = re.compile(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", re.DOTALL)
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(url\(#|href="#)([^)"]+)')


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
    return Markup(  # noqa: S704 (see above)
        f'<svg class="{kind}" viewBox="{head["box"]}" role="img" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
