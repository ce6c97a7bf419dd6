"""The page of `ticketsim sweep`: a ramp in steps, a grid, a knee, sensitivities."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.statistics.quantities import FAILED, Quantity
from experiments.statistics.thresholds import criteria
from experiments.studies.saved_results import SavedSweep
from experiments.studies.sweep.points import PointResult, SweepResult, cause_and_endpoint
from experiments.views import plots
from experiments.views.plots.differences import shown
from experiments.views.plots.steps import P95
from experiments.views.report.content import Level, Page, PageTable, Section, Sentence, made_by
from experiments.views.report.explanations import explained
from experiments.views.report.run_verdict import RULE, STRAINED_FROM
from experiments.views.text.run_text import number
from experiments.views.text.sweep_text import found_sentences, other_quantities
from experiments.views.text.verdict_text import all_failures

_MOST_POINTS = 60
_NO_LIMITS = {FAILED.name: STRAINED_FROM}
"""What breaks a step when the config has no thresholds that a sweep can judge."""


@dataclasses.dataclass(frozen=True)
class Break:
    """Where the steps of one key stop holding."""

    key: str
    holds: float | None
    breaks: float | None
    why: str


def sweep_page(kept: SavedSweep) -> Page:
    """What a reader is told about a sweep."""
    sweep = kept.sweep
    found = _break(sweep)
    level, badge = _badge(sweep)
    return Page(
        title=f"{sweep['config']}: {', '.join(_keys(sweep))}",
        subtitle="The same people at every point; what differs is what the point sets.",
        facts=_facts(sweep),
        level=level,
        badge=badge,
        sentences=_sentences(sweep, found),
        tiles=[],
        sections=[
            *_figures(sweep, found),
            *_points(sweep),
            *_sensitivities(sweep),
            *_remarks(sweep),
        ],
        footer=[
            _rule(sweep),
            "Intervals are of the mean over the runs, 95 %.",
            made_by(kept.manifest, sweep["digest"]),
        ],
        partial="Some points have no finished run; the same command with the same --out goes on."
        if sweep["partial"]
        else "",
    )


def _keys(sweep: SweepResult) -> list[str]:
    return list(sweep["points"][0]["values"])


def _ladder(sweep: SweepResult) -> list[PointResult]:
    """The points in order of their one key; none if there are more keys or they are no numbers."""
    keys = _keys(sweep)
    values = [point["values"][keys[0]] for point in sweep["points"]]
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if len(keys) > 1 or not numbers:
        return []
    return sorted(sweep["points"], key=lambda point: float(point["values"][keys[0]]))


def limits(sweep: SweepResult) -> dict[str, float]:
    """Quantity -> the most that the config's thresholds allow, where a sweep knows the quantity."""
    found: dict[str, float] = {}
    for criterion in criteria(sweep.get("thresholds", {}), "thresholds", ()):
        path = f"{criterion.measure.name}.{criterion.measure.aggregation}"
        for quantity in (FAILED, P95):
            if criterion.operator in {"<", "<="} and path == quantity.path:
                least = min(found.get(quantity.name, criterion.bound), criterion.bound)
                found[quantity.name] = least
    return found or _NO_LIMITS


def _break(sweep: SweepResult) -> Break | None:
    """Where it breaks: by the knee that was searched, else by the means of the steps."""
    ladder = _ladder(sweep)
    if not ladder:
        return None
    key = _keys(sweep)[0]
    knee = sweep.get("knee")
    if knee is not None:
        cause = explained_at(knee["first_cause"]) if knee["first_cause"] else ""
        return Break(key, knee["meets"], knee["does_not"], cause)
    holds: float | None = None
    for point in ladder:
        broken = _broken(sweep, point)
        if broken:
            return Break(key, holds, point["values"][key], broken)
        holds = point["values"][key]
    return Break(key, holds, None, "")


def _broken(sweep: SweepResult, point: PointResult) -> str:
    """Which limits the means of a point do not keep, in words."""
    verdict = point.get("verdict")
    if verdict is not None:
        return "; ".join(all_failures(verdict) or verdict["open"])
    crossed = []
    for quantity in (FAILED, P95):
        limit = limits(sweep).get(quantity.name)
        mean = point["quantities"][quantity.name]["mean"]
        if limit is not None and mean is not None and mean > limit:
            crossed.append(
                f"{quantity.label} {shown(quantity, mean)} (allowed {shown(quantity, limit)})"
            )
    if not crossed:
        return ""
    if point["main_error"] and point["quantities"][FAILED.name]["mean"]:
        crossed.append(f"most failures: {explained_at(point['main_error'])}")
    return "; ".join(crossed)


def explained_at(main_error: str) -> str:
    """`CAUSE at ENDPOINT` in plain words."""
    cause, endpoint = cause_and_endpoint(main_error)
    return f"{explained(cause)} at {endpoint}" if endpoint else explained(cause)


def _badge(sweep: SweepResult) -> tuple[Level, str]:
    first = next(found_sentences(sweep))
    return _level(sweep), f"{first[0].upper()}{first[1:]}."


def _level(sweep: SweepResult) -> Level:
    """Held where everything that was tried holds, failed where nothing does."""
    knee = sweep.get("knee")
    if knee is not None:
        if knee["meets"] is None:
            return "failed"
        return "held" if knee["does_not"] is None else "strained"
    holding = [not _broken(sweep, point) for point in sweep["points"]]
    if all(holding):
        return "held"
    return "strained" if any(holding) else "failed"


def _sentences(sweep: SweepResult, found: Break | None) -> list[Sentence]:
    _, *others = found_sentences(sweep)
    sentences = [f"{text[0].upper()}{text[1:]}." for text in others]
    if found is None:
        return [Sentence(text) for text in (*sentences, *_extremes(sweep))]
    if found.breaks is not None and sweep.get("knee") is None:
        why = f": {found.why}." if found.why else "."
        sentences.append(f"At {_value(found.breaks)} it breaks{why}")
    return [Sentence(text) for text in sentences]


def _extremes(sweep: SweepResult) -> list[str]:
    known = [p for p in sweep["points"] if p["quantities"][FAILED.name]["mean"] is not None]
    if not known:
        return []
    ordered = sorted(known, key=lambda point: point["quantities"][FAILED.name]["mean"] or 0.0)
    return [
        f"{word}: {shown(FAILED, point['quantities'][FAILED.name]['mean'])} failed at "
        + ", ".join(f"{key} = {_value(value)}" for key, value in point["values"].items())
        + "."
        for word, point in (("Fewest", ordered[0]), ("Most", ordered[-1]))
    ]


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(value)


def _facts(sweep: SweepResult) -> list[str]:
    runs = sweep["replications"]
    facts = [f"{len(sweep['points'])} points", f"{runs} {'run' if runs == 1 else 'runs'} each"]
    if sweep["scale"] < 1:
        facts.append(f"at {sweep['scale']:g} of the full size (keys are as at full size)")
    return [*facts, f"seed {sweep['seed']}"]


def _rule(sweep: SweepResult) -> str:
    if sweep.get("knee") is not None:
        return "It holds where every threshold of the config is met on its confidence bound."
    if all("verdict" in point for point in sweep["points"]):
        return RULE
    allowed = " and ".join(
        f"{quantity.label} up to {shown(quantity, limits(sweep)[quantity.name])}"
        for quantity in (FAILED, P95)
        if quantity.name in limits(sweep)
    )
    given = "the config's thresholds" if sweep.get("thresholds") else "no thresholds in the config"
    return f"A step holds with {allowed} ({given}), judged by the means."


def _figures(sweep: SweepResult, found: Break | None) -> Iterator[Section]:
    if found is not None and len(sweep["points"]) > 1:
        yield Section(
            "What each step does",
            "Bars are 95 % intervals of the mean; the dotted line is what is allowed, the dashed "
            "one where it breaks.",
            draw=lambda narrow: plots.steps(
                sweep["points"],
                found.key,
                limits=limits(sweep),
                breaks_at=found.breaks,
                narrow=narrow,
            ),
        )
    elif len(sweep["points"]) > 1:
        yield Section(
            "What each point does",
            "Every quantity over the first key, or over the first two.",
            draw=lambda narrow: plots.response(sweep["points"], narrow=narrow),
        )


def _points(sweep: SweepResult) -> Iterator[Section]:
    shown_points: Sequence[PointResult] = _ladder(sweep) or sweep["points"]
    keys, known = _keys(sweep), other_quantities(sweep)
    table = PageTable(
        [*keys, "failed requests", "95 % interval"]
        + [quantity.label for quantity in known]
        + ["commonest cause of failure"],
        [_point(point, known) for point in shown_points[:_MOST_POINTS]],
        frozenset({len(keys) + len(known) + 2}),
        ["failed" if _broken(sweep, p) else "held" for p in shown_points[:_MOST_POINTS]],
    )
    more = len(shown_points) - _MOST_POINTS
    yield Section(
        "Every point",
        f"And {more} more in points.csv of the folder." if more > 0 else "",
        table=table,
    )


def _point(point: PointResult, known: Sequence[Quantity]) -> list[str]:
    interval = point["quantities"][FAILED.name]["ci95"]
    ends = (shown(FAILED, max(0.0, min(1.0, end))) for end in interval or ())
    return [
        *map(_value, point["values"].values()),
        shown(FAILED, point["quantities"][FAILED.name]["mean"]),
        " to ".join(ends) or "-",
        *(shown(quantity, point["quantities"][quantity.name]["mean"]) for quantity in known),
        point["main_error"],
    ]


def _sensitivities(sweep: SweepResult) -> Iterator[Section]:
    rows = sweep.get("sensitivities", [])
    if not rows:
        return
    sobol = "total" in rows[0]
    columns = ("first", "total", "total_ci95") if sobol else ("mu_star", "mu_star_ci95", "sigma")
    heads = ("by itself", "with interactions", "± 95 %") if sobol else ("mu*", "± 95 %", "sigma")
    yield Section(
        "How much each key matters",
        "Share of the variance that it is responsible for (Sobol)."
        if sobol
        else "Mean size of its effect over the whole range, and how much that varies (Morris).",
        table=PageTable(
            ["quantity", "key", *heads],
            [
                [row["quantity"], row["parameter"], *(f"{row[name]:.3g}" for name in columns)]  # type: ignore[literal-required]
                for row in rows
            ],
            frozenset({0, 1}),
        ),
    )


def _remarks(sweep: SweepResult) -> Iterator[Section]:
    if sweep["warnings"]:
        yield Section("Remarks", items=sweep["warnings"])
