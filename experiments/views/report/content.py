"""The content of a page as plain values; the template only lays it out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Level = Literal["failed", "strained", "held", "open"]
"""How bad it is; "open" where nothing can be said."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """One sentence of the verdict, with a word or two before it."""

    text: str
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Tile:
    """One number of the headline, with what qualifies it."""

    label: str
    value: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class PageTable:
    """Cells as text; `texts` are the columns that are read from the left, all others are numbers.

    `levels` colours a row, one for each row or none at all.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: frozenset[int] = frozenset({0})
    levels: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading, a sentence or two on how to read what follows, and a figure, table or list.

    `draw` makes the figure, narrow or wide, when the page is rendered.
    """

    title: str
    text: str = ""
    draw: Callable[[bool], Figure] | None = None
    table: PageTable | None = None
    items: Sequence[str] = ()
    key: str = ""
    """Of the figure: prefix of its ids in the page."""


@dataclasses.dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    subtitle: str
    facts: Sequence[str]
    level: Level
    badge: str
    sentences: Sequence[Sentence]
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    footer: Sequence[str]
    partial: str = ""
    """Says that and why this is not all; empty when it is."""


def made_by(manifest: Mapping[str, Any], digest: str) -> str:
    """Which program made the results, and which results they are."""
    version = manifest.get("version", "?")
    return f"ticketsim {version} · digest {digest[:16]} · Simulated, not measured."
