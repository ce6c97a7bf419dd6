"""A sweep for people: a line per point, the sensitivities, the knee; and its table as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from experiments.statistics.quantities import FAILED, QUANTITIES, Quantity
from experiments.studies.sweep.points import PointResult, SweepResult
from experiments.views.run_text import in_unit, wrapped

_MOST_LINES = 60


def render(sweep: SweepResult, width: int) -> str:
    """The whole sweep."""
    parts = [
        _heading(sweep),
        _points(sweep),
        _sensitivities(sweep),
        _knee(sweep),
        _closing(sweep, width),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines) + "\n"


def _heading(sweep: SweepResult) -> Iterator[str]:
    scale = f", scale {sweep['scale']:g}" if sweep["scale"] < 1 else ""
    yield (
        f"{sweep['config']}: seed {sweep['seed']}{scale}, {sweep['design']}, "
        f"{len(sweep['points'])} points, {sweep['replications']} replications each"
    )
    if sweep["partial"]:
        yield "PARTIAL: this is what was measured so far"


def _points(sweep: SweepResult) -> Iterator[str]:
    points = sweep["points"]
    if not points:
        return
    keys = list(points[0]["values"])
    widths = [max(len(key), *(len(_value(p["values"][key])) for p in points)) for key in keys]
    others = [quantity for quantity in QUANTITIES if quantity is not FAILED]
    yield (
        "  ".join(f"{key:>{width}}" for key, width in zip(keys, widths, strict=True))
        + f"{'failed':>9}{'95 % interval':>19}"
        + "".join(f"{quantity.name:>10}" for quantity in others)
        + "  commonest error"
    )
    for point in points[:_MOST_LINES]:
        values = "  ".join(
            f"{_value(point['values'][key]):>{width}}"
            for key, width in zip(keys, widths, strict=True)
        )
        yield (
            values
            + f"{_shown(FAILED, point):>9}{_interval(point):>19}"
            + "".join(f"{_shown(quantity, point):>10}" for quantity in others)
            + f"  {point['main_error'].partition(' at ')[0]}"
            + (f"  {point['outcome']}" if "outcome" in point else "")
        )
    if len(points) > _MOST_LINES:
        yield f"and {len(points) - _MOST_LINES} more: --json or points.csv in --out"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shown(quantity: Quantity, point: PointResult) -> str:
    return in_unit(point["quantities"][quantity.name]["mean"], quantity.unit)


def _interval(point: PointResult) -> str:
    interval = point["quantities"][FAILED.name]["ci95"]
    if interval is None:
        return "-"
    low, high = (100 * max(0.0, min(1.0, end)) for end in interval)
    return f"{low:.2f} to {high:.2f}"


def _sensitivities(sweep: SweepResult) -> Iterator[str]:
    rows = sweep.get("sensitivities", [])
    if not rows:
        return
    longest = max(len(row["parameter"]) for row in rows)
    sobol = "total" in rows[0]
    heads = ("first", "total", "+-95 %") if sobol else ("mu*", "+-95 %", "sigma")
    yield f"{'quantity':<10}{'parameter':<{longest}}" + "".join(f"{head:>11}" for head in heads)
    for row in rows:
        cells = (
            (row["first"], row["total"], row["total_ci95"])
            if sobol
            else (row["mu_star"], row["mu_star_ci95"], row["sigma"])
        )
        yield f"{row['quantity']:<10}{row['parameter']:<{longest}}" + "".join(
            f"{cell:>11.4g}" for cell in cells
        )


def _knee(sweep: SweepResult) -> Iterator[str]:
    knee = sweep.get("knee")
    if knee is None:
        return
    meets, does_not = knee["meets"], knee["does_not"]
    if meets is None:
        yield f"knee: the thresholds are not shown to be met even at the least {knee['parameter']}"
    elif does_not is None:
        yield f"knee: met up to {knee['parameter']} = {_value(meets)}, as far as was tried"
    else:
        yield (
            f"knee: met up to {knee['parameter']} = {_value(meets)}, "
            f"not shown to be met at {_value(does_not)}"
        )
    if knee["first_cause"]:
        yield f"first cause: {knee['first_cause']}"


def _closing(sweep: SweepResult, width: int) -> Iterator[str]:
    for warning in sweep["warnings"]:
        yield from wrapped("- ", warning.split(), width, " ")
    yield f"digest {sweep['digest'][:16]}   wall time {sweep['wall_seconds']:.1f} s"


def as_csv(sweep: SweepResult) -> str:
    """The response surface: a row per point, mean and interval of every quantity."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = list(sweep["points"][0]["values"]) if sweep["points"] else []
    names = [quantity.name for quantity in QUANTITIES]
    heads = [head for name in names for head in (name, f"{name}_low", f"{name}_high")]
    writer.writerow([*keys, "replications", *heads, "main_error"])
    for point in sweep["points"]:
        cells: list[Any] = [*point["values"].values(), point["replications"]]
        for name in names:
            level = point["quantities"][name]
            cells += [level["mean"], *(level["ci95"] or (None, None))]
        writer.writerow([*cells, point["main_error"]])
    return text.getvalue()
