"""A comparison for people: one line per variant, those that help most first."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from experiments.statistics.quantities import FAILED, QUANTITIES, WAITING_ROOM, Quantity
from experiments.studies.compare.differences import Comparison, Difference, Row
from experiments.views.run_text import in_unit, wrapped

NARROWEST, WIDEST = 80, 120
_SHORT = {
    "tokens": "tokens",
    "bookings": "booked",
    "payments": "paid",
    "p95": "p95",
    "goodput": "paid/min",
    "waiting_median": "wait p50",
    "waiting_p95": "wait p95",
    "never_let_in": "never in",
    "places_lost": "places lost",
    "unevenness": "unevenness",
}
_MARKS = {
    "better": "+",
    "worse": "-",
    "more": ">",
    "fewer": "<",
    "no difference shown": "=",
    "undecided": "?",
}


def render(comparison: Comparison, width: int) -> str:
    """The whole comparison; lines are at most `width` long, between 80 and 120."""
    width = max(NARROWEST, min(width, WIDEST))
    parts = [
        _heading(comparison, width),
        _failures(comparison),
        _others(comparison),
        _waiting_room(comparison, width),
        _measured(comparison),
        _remarks(comparison, width),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines) + "\n"


def _heading(comparison: Comparison, width: int) -> Iterator[str]:
    scale = f", scale {comparison['scale']:g}" if comparison["scale"] < 1 else ""
    yield (
        f"{comparison['config']}: seed {comparison['seed']}{scale}, "
        f"{len(comparison['variants'])} variants, each minus the config as it is"
    )
    if comparison["partial"]:
        yield "PARTIAL: interrupted; this is what was measured so far"
    yield from _as_it_is("as it is: ", comparison, QUANTITIES, width)


def _as_it_is(
    label: str, comparison: Comparison, quantities: Sequence[Quantity], width: int
) -> Iterator[str]:
    base = comparison["base"]
    values = [f"{one.label} {in_unit(base[one.name], one.unit)}," for one in quantities]
    yield from wrapped(label, [*values[:-1], values[-1].rstrip(",")], width, " ")


def _name_width(comparison: Comparison) -> int:
    return max(len("variant"), *(len(row["name"]) for row in comparison["variants"]))


def _failures(comparison: Comparison) -> Iterator[str]:
    """The deciding quantity, with intervals and verdicts."""
    width = _name_width(comparison)
    yield (
        f"{'variant':<{width}} {'failed':>9} {'points':>8} {'95 % interval':>18} {'runs':>5}"
        "  verdict"
    )
    for row in comparison["variants"]:
        found = row["quantities"][FAILED.name]
        yield (
            f"{row['name']:<{width}} {in_unit(found['variant'], FAILED.unit):>9} "
            f"{_points(found['difference']):>8} {_point_interval(found):>18} "
            f"{row['replications']:>5}  {found['verdict']}"
        )


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.2f}"


def _point_interval(found: Difference) -> str:
    if found["ci95"] is None:
        return "-"
    low, high = found["ci95"]
    return f"{_points(low)} to {_points(high)}"


def _others(comparison: Comparison) -> Iterator[str]:
    """The other quantities: the variant's value and what its difference shows."""
    yield from _values(comparison, [one for one in QUANTITIES if one is not FAILED])
    yield "+ better  - worse  > more  < fewer  = no difference shown  ? undecided"


def _waiting_room(comparison: Comparison, width: int) -> Iterator[str]:
    """The same of who waits, and for whom in vain, where anybody waits."""
    found = [row["quantities"][one.name] for row in comparison["variants"] for one in WAITING_ROOM]
    if all(one["base"] is None and one["variant"] is None for one in found):
        return
    yield from _as_it_is("waiting room as it is: ", comparison, WAITING_ROOM, width)
    yield from _values(comparison, WAITING_ROOM)


def _values(comparison: Comparison, quantities: Sequence[Quantity]) -> Iterator[str]:
    width = _name_width(comparison)
    yield f"{'variant':<{width}}" + "".join(f"{_SHORT[one.name]:>12}" for one in quantities)
    for row in comparison["variants"]:
        yield f"{row['name']:<{width}}" + "".join(
            f"{_marked(one, row['quantities'][one.name]):>12}" for one in quantities
        )


def _marked(quantity: Quantity, found: Difference) -> str:
    if found["variant"] is None:
        return "no sample ?"
    return f"{in_unit(found['variant'], quantity.unit)} {_MARKS[found['verdict']]}"


def _measured(comparison: Comparison) -> Iterator[str]:
    rows = [row for row in comparison["variants"] if row.get("measured")]
    if not rows:
        return
    yield "beside runs of the real system: as it was > with the fix"
    for row in rows:
        yield f"  {row['name']}"
        yield from _beside(row)


def _beside(row: Row) -> Iterator[str]:
    by_name = {quantity.name: quantity for quantity in QUANTITIES}
    for measured in row.get("measured", []):
        quantity = by_name[measured["quantity"]]
        show = functools.partial(in_unit, unit=quantity.unit)
        found = row["quantities"][quantity.name]
        simulated = f"{show(found['base'])} > {show(found['variant'])}"
        real = f"{show(measured['base'])} > {show(measured['variant'])}"
        yield f"    {quantity.label:<16} simulated {simulated:<22} measured {real}"


def _remarks(comparison: Comparison, width: int) -> Iterator[str]:
    for warning in comparison["warnings"]:
        yield from wrapped("- ", warning.split(), width, " ")
    yield from wrapped("", comparison["correction"].split(), width, " ")
    yield f"digest {comparison['digest'][:16]}   wall time {comparison['wall_seconds']:.1f} s"
