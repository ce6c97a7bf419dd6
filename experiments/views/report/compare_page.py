"""The page of `ticketsim compare`."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.statistics.quantities import Quantity
from experiments.statistics.verdict import Verdict
from experiments.studies.compare.coverage import in_words
from experiments.studies.compare.differences import ComparisonResult, VariantRow
from experiments.studies.saved_results import SavedComparison
from experiments.views import plots
from experiments.views.plots.differences import shown
from experiments.views.report.content import (
    Level,
    Page,
    PageTable,
    Section,
    Sentence,
    Tile,
    made_by,
)
from experiments.views.report.run_verdict import LEVELS
from experiments.views.text.compare_text import (
    AS_IT_IS,
    deciding_quantity,
    decision,
    is_ranked,
    known_quantities,
)
from experiments.views.text.run_text import number
from experiments.views.text.verdict_text import all_failures, has_seats, headline, seats_sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = ("violations", "bookings", "payments", "p95")
_LEVELS: Mapping[str, Level] = {"better": "held", "worse": "failed"}


def compare_page(kept: SavedComparison) -> Page:
    """What a reader is told about a comparison."""
    comparison = kept.comparison
    level, badge = _badge(comparison)
    return Page(
        title=f"{comparison['config']}: what would help",
        subtitle="Each variant changes something; the same people come at the same moments.",
        facts=_facts(comparison),
        level=level,
        badge=badge,
        sentences=_sentences(comparison),
        tiles=_tiles(comparison),
        sections=[
            *_decision_table(comparison),
            *_forests(comparison),
            *_tables(comparison),
            *_measured(comparison),
            *_remarks(comparison),
        ],
        footer=[
            comparison["correction"] + ".",
            made_by(kept.manifest, comparison["digest"]),
        ],
        partial=_partial(comparison),
    )


def _partial(comparison: ComparisonResult) -> str:
    runs = comparison.get("runs")
    if not runs:
        return ""
    done = in_words(runs)
    return (
        f"Not every run asked for is in it; {done}. The same command with the same --out goes on."
    )


def _best(comparison: ComparisonResult) -> VariantRow | None:
    """The recommended variant; of several that are tied, the first."""
    names = comparison.get("recommended", [])
    return next((row for row in comparison["variants"] if row["name"] in names), None)


def _badge(comparison: ComparisonResult) -> tuple[Level, str]:
    text = decision(comparison)
    sentence = f"{text[0].upper()}{text[1:]}."
    if _best(comparison) is not None:
        return "held", sentence
    base = comparison.get("base_verdict")
    return ("held" if base is not None and base["outcome"] == "holds" else "open"), sentence


def _sentences(comparison: ComparisonResult) -> list[Sentence]:
    found = []
    base = comparison.get("base_verdict")
    if base is not None:
        found.append(f"{headline('As it is', base)}.")
    best = _best(comparison)
    if best is not None:
        about = f" ({best['description']})" if best["description"] else ""
        told = best["verdict"]
        what = seats_sentence(told) if has_seats(told) else headline("", told).removeprefix(": ")
        found.append(f"With {best['name']}{about}: {what}.")
    counted = [_counted(comparison)] if is_ranked(comparison) else []
    return [Sentence(text) for text in (*found, *counted)]


def _counted(comparison: ComparisonResult) -> str:
    verdicts: Counter[str] = Counter(
        row.get("against_base", "tie") for row in comparison["variants"]
    )
    words = {
        "better": "ranks before the config as it is|rank before the config as it is",
        "worse": "ranks behind it|rank behind it",
        "tie": "cannot be told from it|cannot be told from it",
    }
    parts = [
        f"{verdicts[verdict]} {text.split('|')[verdicts[verdict] > 1]}"
        for verdict, text in words.items()
        if verdicts[verdict]
    ]
    return f"Of {len(comparison['variants'])} variants {', '.join(parts)}."


def _facts(comparison: ComparisonResult) -> list[str]:
    facts = [f"{len(comparison['variants'])} variants"]
    runs = comparison["replications"]
    facts.append(f"{runs} {'run' if runs == 1 else 'pairs of runs'} each, at least")
    if comparison["scale"] < 1:
        facts.append(f"at {comparison['scale']:g} of the full size")
    return [*facts, f"seed {comparison['seed']}"]


def _tiles(comparison: ComparisonResult) -> list[Tile]:
    best = _best(comparison)
    scale = comparison["scale"]
    simulated = "; at full size" if scale < 1 else ""
    if best is None:
        return [
            Tile(
                quantity.label,
                _at_full_size(quantity, comparison["base"][quantity.name], scale),
                f"as it is{simulated}",
            )
            for quantity in known_quantities(comparison)
        ]
    return [
        Tile(
            quantity.label,
            _at_full_size(quantity, best["quantities"][quantity.name]["variant"], scale),
            f"with {best['name']}; "
            f"{_at_full_size(quantity, best['quantities'][quantity.name]['base'], scale)} as it is"
            f"{simulated}",
        )
        for quantity in known_quantities(comparison)
    ]


def _at_full_size(quantity: Quantity, value: float | None, scale: float) -> str:
    if value is not None and quantity.grows_with_scale:
        value = value / scale
    return shown(quantity, value)


def _decision_table(comparison: ComparisonResult) -> Iterator[Section]:
    """Thresholds first: rank, verdict, what is not met, what is sold."""
    base = comparison.get("base_verdict")
    if base is None:
        return
    lines = [(comparison.get("base_rank", 0), AS_IT_IS, base)]
    lines += [(row["rank"], row["name"], row["verdict"]) for row in comparison["variants"]]
    lines.sort(key=lambda line: line[0])
    sells = has_seats(base)
    seats = "most seats sold (reserved or paid at the end), then " if sells else ""
    yield Section(
        "What to decide by",
        f"Fewest invariants broken first, then fewest demands not met, then {seats}"
        f"{comparison.get('failing', '')}; the same rank where the runs cannot tell.",
        table=PageTable(
            ["rank", "variant", "verdict", "not met"] + ["seats sold", "paid", "shut out"] * sells,
            [_decided(*line) for line in lines],
            frozenset({1, 2, 3}),
            [LEVELS[verdict["outcome"]] for _, _, verdict in lines],
        ),
    )


def _decided(rank: int, name: str, verdict: Verdict) -> list[str]:
    size = min(1.0, verdict["scale"])
    counts = (
        verdict["seats"]["standing"],
        verdict["seats"]["paid"],
        verdict["people"]["shut_out"],
    )
    missing = "; ".join(all_failures(verdict) or verdict["open"])
    cells = [number(round(count / size)) for count in counts] if has_seats(verdict) else []
    return [str(rank or "-"), name, verdict["outcome"], missing or "-", *cells]


def _forests(comparison: ComparisonResult) -> Iterator[Section]:
    yield Section(
        "Failed requests: each variant minus the config as it is",
        "The mark is the mean difference, the line its 95 % interval. Left of zero fewer requests "
        "fail. Blue circles are better, red crosses worse; grey means that no difference is shown.",
        draw=functools.partial(_forest, comparison, deciding_quantity(comparison)),
    )
    for quantity in known_quantities(comparison):
        if quantity.name in _DRAWN and _varies(comparison, quantity):
            yield Section(
                f"{quantity.label[0].upper()}{quantity.label[1:]}: each variant minus the config "
                "as it is",
                draw=functools.partial(_forest, comparison, quantity),
            )


def _forest(comparison: ComparisonResult, quantity: Quantity, narrow: bool) -> Figure:
    return plots.differences(comparison["variants"], quantity, narrow=narrow)


def _varies(comparison: ComparisonResult, quantity: Quantity) -> bool:
    return any(row["quantities"][quantity.name]["difference"] for row in comparison["variants"])


def _tables(comparison: ComparisonResult) -> Iterator[Section]:
    rows, known = comparison["variants"], known_quantities(comparison)
    decides = deciding_quantity(comparison).name
    yield Section(
        "Every variant",
        "Values with the variant, and what the difference shows."
        + (
            f" Counts as simulated, at {comparison['scale']:g} of the size."
            if comparison["scale"] < 1
            else ""
        ),
        table=PageTable(
            ["variant", "what it changes", "runs", *(quantity.label for quantity in known)],
            [_base(comparison), *(_variant(row, known) for row in rows)],
            frozenset({0, 1}),
            ["open", *(_LEVELS.get(row["quantities"][decides]["verdict"], "open") for row in rows)],
        ),
    )


def _base(comparison: ComparisonResult) -> list[str]:
    values = [
        shown(quantity, comparison["base"][quantity.name])
        for quantity in known_quantities(comparison)
    ]
    return ["(as it is)", "", "", *values]


def _variant(row: VariantRow, known: Sequence[Quantity]) -> list[str]:
    changes = row["description"] or ", ".join(
        f"{key} = {value}" for key, value in row["changes"].items()
    )
    cells = []
    for quantity in known:
        found = row["quantities"][quantity.name]
        value = shown(quantity, found["variant"])
        cells.append(value if value == "-" else f"{value} ({_short(found['verdict'])})")
    ended = f" ({row['ended_early']} ended early)" if row["ended_early"] else ""
    return [row["name"], changes, f"{row['replications']}{ended}", *cells]


def _short(verdict: str) -> str:
    return {"no difference shown": "same"}.get(verdict, verdict)


def _measured(comparison: ComparisonResult) -> Iterator[Section]:
    rows = [
        [
            row["name"],
            found["quantity"],
            f"{found['difference']:+.4g}",
            str(found["base_runs"]),
            str(found["runs"]),
        ]
        for row in comparison["variants"]
        for found in row.get("measured", [])
    ]
    if rows:
        yield Section(
            "Measured on the real system",
            "What the same change did there.",
            table=PageTable(
                ["variant", "quantity", "difference", "runs before", "runs after"], rows
            ),
        )


def _remarks(comparison: ComparisonResult) -> Iterator[Section]:
    if comparison["warnings"]:
        yield Section("Remarks", items=comparison["warnings"])
