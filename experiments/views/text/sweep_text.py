"""A sweep for people: a line per point, the sensitivities, the knee; and its table as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap
from typing import Any

from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.quantities import (
    FAILED,
    OF_APPLICATIONS,
    QUANTITIES,
    STEPS_FAILED,
    SWEPT,
    Quantity,
)
from experiments.statistics.ranking import SAME
from experiments.studies.sweep.knee import Knee, Side
from experiments.studies.sweep.points import (
    MeanAndInterval,
    PointResult,
    SweepResult,
    cause_and_endpoint,
)
from experiments.views.report.advice import advice_lines
from experiments.views.report.explanations import explained
from experiments.views.text.run_text import (
    duration,
    in_unit,
    number,
    percent,
    shown_threshold,
    wrapped,
)
from experiments.views.text.verdict_text import (
    WORDS,
    failure_sentence,
    has_seats,
    scale_words,
)

_OUTCOMES = {
    "holds": ("holds", "hold"),
    "fails": ("fails", "fail"),
    "open": ("is not decided", "are not decided"),
}
_MOST_LINES = 60
_MOST_REASONS = 8
_NOTHING: MeanAndInterval = {"mean": None, "ci95": None}


def render(sweep: SweepResult, width: int) -> str:
    """The knee or what the points show, one line for each point."""
    parts = [
        _conclusion(sweep, width),
        _sale(sweep, width),
        _reasons(sweep, width),
        _unknown(sweep, width),
        _sensitivities(sweep),
        _closing(sweep, width),
    ]
    return _joined(parts)


def render_verbose(sweep: SweepResult, width: int) -> str:
    """The whole sweep: every quantity too."""
    parts = [
        _conclusion(sweep, width),
        _sale(sweep, width),
        _reasons(sweep, width),
        _points(sweep),
        _unknown(sweep, width),
        _sensitivities(sweep),
        _closing(sweep, width),
    ]
    return _joined(parts)


def _joined(parts: Iterable[Iterable[str]]) -> str:
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines) + "\n"


def _heading(sweep: SweepResult) -> Iterator[str]:
    scale = scale_words(sweep["scale"])
    yield (
        f"  seed {sweep['seed']}, {sweep['design']}, {len(sweep['points'])} points, "
        f"{sweep['replications']} replications each" + (f", {scale}" if scale else "")
    )
    if sweep["partial"]:
        yield "PARTIAL: ended early; this is what was measured so far"


def _points(sweep: SweepResult) -> Iterator[str]:
    points = sweep["points"]
    if not points:
        return
    keys = list(points[0]["values"])
    widths = [max(len(key), *(len(_value(p["values"][key])) for p in points)) for key in keys]
    others = other_quantities(sweep)
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
            + f"  {cause_and_endpoint(point['main_error'])[0]}"
            + (f"  {point['outcome']}" if "outcome" in point else "")
        )
    if len(points) > _MOST_LINES:
        yield f"and {len(points) - _MOST_LINES} more: --json or points.csv in --out"


def other_quantities(sweep: SweepResult) -> list[Quantity]:
    """The quantities that the simulated service has, beside failed requests."""
    verdicts = [point["verdict"] for point in sweep["points"] if "verdict" in point]
    sells = not verdicts or any(map(has_seats, verdicts))
    return [one for one in (QUANTITIES if sells else OF_APPLICATIONS) if one is not FAILED]


def _unknown(sweep: SweepResult, width: int) -> Iterator[str]:
    """Where something is unknown: what the intervals cover, and how much of it is chance."""
    found = [point["uncertainty"] for point in sweep["points"] if "uncertainty" in point]
    if not found:
        return
    names = ", ".join(dict.fromkeys(name for one in found for name in one["unknowns"]))
    text = f"Unknown inputs: {names or 'nothing'}. Replication i is the same world at every point."
    shares = [one["quantities"][FAILED.name] for one in found if FAILED.name in one["quantities"]]
    if shares:
        low, high = (end(one["unknown"] for one in shares) for end in (min, max))
        text += (
            f" Of the variance of {FAILED.label} between replications {low:.0%} to {high:.0%} is "
            "what is unknown, the rest chance; --json has it for each point."
        )
    yield from wrapped("", text.split(), width, " ")


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


def _conclusion(sweep: SweepResult, width: int) -> Iterator[str]:
    """The conclusion, first."""
    for index, line in enumerate(found_sentences(sweep)):
        label = f"{sweep['config']}: " if not index else "  "
        yield from wrapped(label, line.split(), width, " ")
    yield from _heading(sweep)


def found_sentences(sweep: SweepResult) -> Iterator[str]:
    """The result of a sweep, the conclusion first."""
    knee = sweep.get("knee")
    if knee is not None:
        yield from knee_sentences(knee)
        return
    if not all("verdict" in point for point in sweep["points"]):
        yield f"{len(sweep['points'])} points, kept by an older version without verdicts"
        return
    if sweep["partial"] and _fewest(sweep) < FEWEST_FOR_INTERVALS:
        yield "ended early: too few runs are done to say which points hold"
        return
    met = [point for point in sweep["points"] if _outcome(point) == "holds"]
    total = len(sweep["points"])
    if not met:
        yield f"none of {total} points holds"
        return
    yield f"{len(met)} of {total} points hold{_which(sweep['points'])}"
    if not has_seats(met[0]["verdict"]):
        return
    values = " or ".join(
        ", ".join(f"{key} = {_value(value)}" for key, value in point["values"].items())
        for point in _best(met)[:_MOST_REASONS]
    )
    yield f"best of them by seats sold, then paid, then fewest shut out: {values}"


def _best(met: Sequence[PointResult]) -> list[PointResult]:
    """The points with most seats sold; of those tied most paid, then fewest people shut out."""
    seats = max(point["quantities"]["bookings"]["mean"] or 0.0 for point in met)
    best = list(met)
    for name, sign in (("bookings", 1), ("payments", 1), ("shut_out", -1)):
        values = [sign * (point["quantities"].get(name, _NOTHING)["mean"] or 0.0) for point in best]
        least = max(values) - SAME * seats
        best = [point for point, value in zip(best, values, strict=True) if value >= least]
    return best


def _which(points: Sequence[PointResult]) -> str:
    """Of one numeric key: which values fail and which hold, neighbours together."""
    if any(len(point["values"]) != 1 for point in points):
        return ""
    found = [(next(iter(point["values"].values())), _outcome(point)) for point in points]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value, _ in found):
        return ""
    groups: list[tuple[str, list[str]]] = []
    for value, outcome in sorted(found):
        if not groups or groups[-1][0] != outcome:
            groups.append((outcome, []))
        groups[-1][1].append(_value(value))
    if not 1 < len(groups) <= _MOST_REASONS:
        return ""
    (key,) = points[0]["values"]
    return f"; {key}: " + "; ".join(starmap(_group, groups))


def _group(outcome: str, values: Sequence[str]) -> str:
    one, several = _OUTCOMES[outcome]
    return f"{values[0]} {one}" if len(values) == 1 else f"{values[0]} to {values[-1]} {several}"


def _fewest(sweep: SweepResult) -> int:
    return min((point["replications"] for point in sweep["points"]), default=0)


def _outcome(point: PointResult) -> str:
    verdict = point.get("verdict")
    return verdict["outcome"] if verdict is not None else "open"


def knee_sentences(knee: Knee) -> Iterator[str]:
    """Where the thresholds are met, and which one binds on each side."""
    key, region = knee["parameter"], knee.get("region")
    if knee["meets"] is None or region is None:
        nearest = knee.get("nearest")
        yield f"no value of {key} in the range is shown to meet everything"
        if nearest is not None:
            yield f"nearest: {_binding(key, nearest)}"
    else:
        low, high = map(_value, region)
        yield f"everything is met from {key} = {low} to {high}"
        sides = (("below", knee.get("below"), "lowest"), ("above", knee.get("above"), "highest"))
        for name, side, end in sides:
            if side is None:
                yield f"{name}: nothing binds; it is the {end} value that was tried"
            else:
                yield f"{name}: {_binding(key, side)}"


def _binding(key: str, side: Side) -> str:
    """Which threshold is not met at a value, by what number, and why."""
    shown = "not met" if side["outcome"] == "fail" else "not shown to be met"
    return (
        f"at {key} = {_value(side['value'])} {shown}: {side['threshold']}, "
        f"is {shown_threshold(side['threshold'], side['found'])}{_because(key, side)}"
    )


def _because(key: str, side: Side) -> str:
    """The cause and the limit behind a side; nothing in what an older version kept."""
    if "cause" not in side:
        return ""
    parts = [explained(side["cause"])] if side["cause"] else []
    if side["resource"]:
        parts.append(f"the limit is {side['resource']}")
    elif not parts and side["outcome"] == "fail":
        parts.append(f"no request failed for a cause of its own: the limit is {key} itself")
    elif not parts:
        parts.append(
            "too close to the limit to tell with these runs: more --replications narrow it"
        )
    return "".join(f"; {part}" for part in parts)


def _reasons(sweep: SweepResult, width: int) -> Iterator[str]:
    """Why each point fails, and advice on the first limit that is behind it."""
    failing = [point for point in sweep["points"] if _outcome(point) == "fails"]
    for point in failing[:_MOST_REASONS]:
        values = ", ".join(f"{key} = {_value(value)}" for key, value in point["values"].items())
        yield from wrapped("- ", f"{values}: {_reason(point)}".split(), width, " ")
    if len(failing) > _MOST_REASONS:
        yield f"- and {len(failing) - _MOST_REASONS} more fail: --json, or points.csv in --out"
    limited = [point for point in failing if point.get("limit")]
    if limited:
        # Of the points that fail, the one that comes nearest has the limit that binds next.
        nearest = min(limited, key=lambda point: len(point["verdict"]["failures"]))
        for advice in advice_lines(nearest["verdict"]["failures"]):
            yield from wrapped("advice: ", advice.split(), width, " ")


def _reason(point: PointResult) -> str:
    """The first failure whose limit is known; else with a cause; else the first."""
    failures = point["verdict"]["failures"]
    chosen = max(failures, key=lambda one: (bool(one["resource"]), bool(one["cause"])))
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return f"{failure_sentence(chosen)}{more}"


def _sale(sweep: SweepResult, width: int) -> Iterator[str]:
    """One line for each point: verdict, seats, waiting, people lost, steps that fail."""
    points = [point for point in sweep["points"] if "verdict" in point]
    if not points:
        return
    keys = list(points[0]["values"])
    widths = [max(len(key), *(len(_value(p["values"][key])) for p in points)) for key in keys]
    failing = [one for one in STEPS_FAILED if any(_mean(point, one) for point in points)]
    steps = "".join(f"{quantity.name.partition('_')[0]:>9}" for quantity in failing)
    sells = any(has_seats(point["verdict"]) for point in points)
    heads = (
        f"{'sold':>7}{'paid':>7}{'sold out':>9}{'wait p50':>9}{'wait p95':>9}"
        f"{'lost':>7}{'shut out':>9}{steps}"
        if sells
        else f"{'requests failed':>17}{'p95':>11}"
    )
    yield (
        "  ".join(f"{key:>{width}}" for key, width in zip(keys, widths, strict=True))
        + f"  {'verdict':<11}{heads}"
    )
    for point in points[:_MOST_LINES]:
        values = "  ".join(
            f"{_value(point['values'][key]):>{width}}"
            for key, width in zip(keys, widths, strict=True)
        )
        yield values + (_sale_cells(point, failing) if sells else _answer_cells(point))
    if len(points) > _MOST_LINES:
        yield f"and {len(points) - _MOST_LINES} more: --json or points.csv in --out"
    if not sells:
        return
    shares = "then the failed share of each step that fails" if failing else "no step fails"
    legend = (
        "sold: reserved or paid at the end; sold out: after the opening; lost: lost patience; "
        f"shut out: never let in although seats were free; {shares}"
    )
    yield from wrapped("", legend.split(), width, " ")


def _mean(point: PointResult, quantity: Quantity) -> float | None:
    return point["quantities"].get(quantity.name, _NOTHING)["mean"]


def _sale_cells(point: PointResult, failing: Sequence[Quantity]) -> str:
    verdict = point["verdict"]
    size = min(1.0, verdict["scale"])
    seats, people, found = verdict["seats"], verdict["people"], point["quantities"]
    after_s = seats["sold_out_after_s"]
    waits = [found["waiting_median"]["mean"], found["waiting_p95"]["mean"]]
    steps = [found[quantity.name]["mean"] for quantity in failing]
    return (
        f"  {WORDS[verdict['outcome']]:<11}{number(round(seats['standing'] / size)):>7}"
        f"{number(round(seats['paid'] / size)):>7}"
        f"{'-' if after_s is None else duration(1e3 * after_s):>9}"
        + "".join(f"{'-' if wait is None else duration(wait):>9}" for wait in waits)
        + f"{number(round(people['lost_patience'] / size)):>7}"
        f"{number(round(people['shut_out'] / size)):>9}"
        + "".join(f"{'-' if share is None else percent(share):>9}" for share in steps)
    )


def _answer_cells(point: PointResult) -> str:
    """How an application of the user's own answered: it has no seats that are known here."""
    p95_ms = point["quantities"]["p95"]["mean"]
    return (
        f"  {WORDS[point['verdict']['outcome']]:<11}{_shown(FAILED, point):>17}"
        f"{'-' if p95_ms is None else duration(p95_ms):>11}"
    )


def _closing(sweep: SweepResult, width: int) -> Iterator[str]:
    for warning in sweep["warnings"]:
        yield from wrapped("- ", warning.split(), width, " ")
    yield f"digest {sweep['digest'][:16]}   wall time {sweep['wall_seconds']:.1f} s"


def as_csv(sweep: SweepResult) -> str:
    """The response surface: a row per point, mean and interval of every quantity."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = list(sweep["points"][0]["values"]) if sweep["points"] else []
    names = [quantity.name for quantity in SWEPT]
    heads = [head for name in names for head in (name, f"{name}_low", f"{name}_high")]
    writer.writerow([*keys, "replications", *heads, "main_error", "verdict", "limit"])
    for point in sweep["points"]:
        cells: list[Any] = [*point["values"].values(), point["replications"]]
        for name in names:
            level = point["quantities"].get(name, _NOTHING)
            cells += [level["mean"], *(level["ci95"] or (None, None))]
        verdict = point["verdict"]["outcome"] if "verdict" in point else ""
        writer.writerow([*cells, point["main_error"], verdict, point.get("limit", "")])
    return text.getvalue()
