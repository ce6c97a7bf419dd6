"""A page as HTML: one file with everything in it, every text from outside escaped."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from experiments.views.plots.style import PALETTE
from experiments.views.report.drawing import inline

if TYPE_CHECKING:
    from markupsafe import Markup

    from experiments.views.report.content import Page, Section


def html(page: Page) -> str:
    """The page as text; it fetches nothing, and runs nothing but our own script, by its hash."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("experiments.views.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = "\n" + (resources.files(__package__) / "page.js").read_text("utf-8")
    return environment.get_template("page.html").render(
        page=page,
        drawn=[_drawn(section, number) for number, section in enumerate(page.sections)],
        css=_css(),
        script=Markup(script),  # noqa: S704 - our own: no text from outside is in it
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _drawn(section: Section, number: int) -> list[Markup]:
    """The figure of a section, for pages and for phones; the page shows one of them."""
    if section.draw is None:
        return []
    return [
        inline(section.draw(narrow), f"f{number}", "narrow" if narrow else "wide")
        for narrow in (False, True)
    ]


def _css() -> Markup:
    from markupsafe import Markup

    rules = (resources.files(__package__) / "page.css").read_text("utf-8")
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{{_colours('dark')}}} }}"
    # All of it is our own: no text from outside is in it.
    return Markup(f":root {{{_colours('light')}}}\n{rules}\n{dark}")  # noqa: S704


def _colours(theme: str) -> str:
    return "".join(f"--{colour.name}:{getattr(colour, theme)};" for colour in PALETTE)
