"""An explanation as plain text, for a terminal of a given width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from experiments.studies.explain.attribution import Attribution, Outcome
from experiments.studies.explain.calibration import Calibration, Coverage
from experiments.studies.explain.cross_validation import CrossValidation
from experiments.studies.explain.results import Explanation, ModelRow, PredictionRow, UnknownRow
from experiments.views.text.run_text import NARROWEST, WIDEST, duration, number, percent

_MOST_PAIRS = 8
_MOST_WORLDS = 3
_BOUNDS = {"equal": "", "at_least": ">= ", "at_most": "<= "}
_NOTHING = "-"


def render(found: Explanation, width: int) -> str:
    """The whole explanation.

    Args:
        found: see `experiments.studies.explain.results`.
        width: columns of the terminal; lines are at most 120 long, however wide it is.
    """
    width = max(NARROWEST, min(width, WIDEST))
    parts = [
        _heading(found),
        _section("what happened, and how sure that is", _words(found["conclusion"], width)),
        _section("hypotheses", _models(found["models"], width)),
        _section("what was observed, and what the accepted worlds say (95 %)", _vector(found)),
        _section("the best worlds at full size", _best(found, width)),
        _section("unknowns, before and after (90 %)", _unknowns(found["unknowns"], width)),
        _section("which observation tells of which unknown", _identifiability(found, width)),
        _section(
            "which unknown moves which number (share of its variance)", _influence(found, width)
        ),
        _section("who owns the failures", _attributions(found, width)),
        _section(
            "simulated incidents, given back", _cross_validation(found.get("cross_validation"))
        ),
        _section("calibration of the inference", _calibration(found.get("calibration"))),
        _section("what would change the conclusion", _words(found["would_change_it"], width)),
        _section("remarks", _words(found["warnings"], width)),
        [f"digest {found['digest'][:16]}   wall time {found['wall_seconds']:.1f} s"],
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return [title, *body] if body else []


def _heading(found: Explanation) -> list[str]:
    lines = [f"{found['config']}: seed {found['seed']}, {number(found['runs'])} runs"]
    if found["partial"]:
        lines.append("PARTIAL: interrupted or out of budget; this is what was found so far")
    return lines


def _words(sentences: Iterable[str], width: int) -> Iterator[str]:
    for sentence in sentences:
        yield from textwrap.wrap(sentence, width, initial_indent="  - ", subsequent_indent="    ")


def value_shown(metric: str, value: float | None) -> str:
    """A number of the vector in its unit."""
    if value is None:
        return _NOTHING
    name = metric.partition(".")[0]
    if name in {"exception_share", "refused_tokens"} or metric == "http_req_failed.rate":
        return percent(value)
    if name.startswith("http_req_") and name != "http_req_failed":
        return duration(value)
    return number(value)


def _models(rows: Iterable[ModelRow], width: int) -> Iterator[str]:
    yield f"  {'':<16}{'probability':>12}{'95 %':>18}{'nearest':>9}{'runs':>7}{'rejected':>10}"
    for row in rows:
        low, high = row["ci95"]
        nearest = _NOTHING if row["best_distance"] is None else f"{row['best_distance']:.2f}"
        yield (
            f"  {row['model']:<16}{row['probability']:>12.1%}{f'{low:.1%} to {high:.1%}':>18}"
            f"{nearest:>9}{row['runs']:>7}{row['rejected']:>10}"
        )
        misses = ", ".join(row["misses"]) or "nothing"
        yield from textwrap.wrap(
            f"its best fit misses: {misses}",
            width,
            initial_indent="      ",
            subsequent_indent="        ",
        )


def _vector(found: Explanation) -> Iterator[str]:
    rows = found["predictions"]
    if not rows:
        return
    longest = max(len(row["observation"]) for row in rows)
    yield f"  {'':<{longest}}{'observed':>12}{'scaled runs':>22}{'best, full size':>22}"
    for row in rows:
        yield f"  {row['observation']:<{longest}}" + "".join(_vector_cells(row))


def _vector_cells(row: PredictionRow) -> Iterator[str]:
    def shown(value: float | None) -> str:
        return value_shown(row["metric"], value)

    yield f"{_BOUNDS[row['bound']] + shown(row['observed']):>12}"
    scaled = _NOTHING if row["low"] is None else f"{shown(row['low'])} to {shown(row['high'])}"
    yield f"{scaled:>22}"
    full = row.get("full_size")
    yield f"{_NOTHING if full is None else f'{shown(full[0])} to {shown(full[1])}':>22}"
    if not (row["explained"] and row.get("full_size_explained", True)):
        yield "  NOT EXPLAINED"


def _best(found: Explanation, width: int) -> Iterator[str]:
    metrics = {row["observation"]: row["metric"] for row in found["predictions"]}
    for world in found["full_size"][:_MOST_WORLDS]:
        numbers = ", ".join(
            f"{name} {value_shown(metrics[name], value)}"
            for name, value in world["numbers"].items()
        )
        inputs = ", ".join(f"{name} {value}" for name, value in world["inputs"].items())
        far = "-" if world["distance"] is None else f"{world['distance']:.2f}"
        for indent, text in (
            ("  ", f"distance {far}: {numbers or world['ended']}"),
            ("      ", f"{number(world['requests'])} requests; with {inputs}"),
        ):
            yield from textwrap.wrap(text, width, initial_indent=indent, subsequent_indent="      ")


def _unknowns(rows: Iterable[UnknownRow], width: int) -> Iterator[str]:
    for row in rows:
        owner = f" ({row['hypothesis']})" if row["hypothesis"] else ""
        name = f"  {row['unknown'] + owner:<26}"
        if row["shares"]:
            shares = [
                f"{value}: {after:.0%} (before {before:.0%})"
                for value, (before, after) in row["shares"].items()
            ]
            yield from textwrap.wrap(
                "; ".join(shares), width, initial_indent=name, subsequent_indent=" " * len(name)
            )
        elif row["prior"] and row["posterior"]:
            before, after = (" to ".join(pair) for pair in (row["prior"], row["posterior"]))
            yield f"{name}{after} (before {before})   narrowed by {max(0.0, row['narrowing']):.0%}"
        else:
            yield f"{name}no accepted world says anything"


def _identifiability(found: Explanation, width: int) -> Iterator[str]:
    learnt: dict[str, list[str]] = {}
    for row in found["identifiability"]:
        told = learnt.setdefault(row["observation"], [])
        if row["narrowing"] > row["by_chance"]:
            told.append(f"{row['unknown']} {row['narrowing']:.0%}")
    for name, told in learnt.items():
        text = f"{name}: {', '.join(told) or 'none more than chance would'}"
        yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="      ")


def _influence(found: Explanation, width: int) -> Iterator[str]:
    """For each unknown the numbers that it moves more than chance would."""
    moved: dict[str, list[tuple[float, str]]] = {}
    for row in found["influence"]:
        own = moved.setdefault(row["unknown"], [])
        if row["share"] > row["by_chance"]:
            own.append((row["share"], row["observation"]))
    for name, own in moved.items():
        told = [f"{observation} {share:.0%}" for share, observation in sorted(own, reverse=True)]
        text = f"{name}: {', '.join(told) or 'none more than chance would'}"
        yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="      ")


def _cross_validation(found: CrossValidation | None) -> Iterator[str]:
    if found is None:
        return
    yield (
        f"  each of {found['worlds']} worlds of the prior taken for the incident, judged by the "
        f"{found['nearest']} nearest others"
    )
    names = [row["model"] for row in found["models"]]
    heads = "".join(f"{name + ' first':>18}" for name in names)
    yield f"  {'true account':<16}{'truths':>7}{heads}"
    for row in found["models"]:
        yield f"  {row['model']:<16}{row['truths']:>7}" + "".join(
            f"{row['first'][name]:>18.0%}" for name in names
        )
    yield f"  a guess is right in {found['prior']:.0%}; intervals of the unknowns:"
    yield from _coverage(found["coverage"])


def _attributions(found: Explanation, width: int) -> Iterator[str]:
    named: Mapping[str, Attribution | None] = {
        "groups, from all coalitions": found.get("attribution"),
        "the same at another scale": found.get("attribution_at_other_scale"),
        "single defects, from random orders": found.get("attribution_of_single_defects"),
    }
    for title, attribution in named.items():
        if attribution is not None:
            yield (
                f"  {title}: scale {attribution['scale']:g}, "
                f"{attribution['replications']} replications, {attribution['runs']} runs"
            )
            for outcome in attribution["outcomes"]:
                yield from _outcome(outcome, width)


def _outcome(outcome: Outcome, width: int) -> Iterator[str]:
    points = outcome["quantity"] == "failed"
    label = "failed requests" if points else "seats sold (paid)"

    def shown(value: float) -> str:
        return f"{100 * value:+.1f}" if points else f"{value:+.1f}"

    def with_interval(value: float, interval: tuple[float, float] | None) -> str:
        around = f" ({shown(interval[0])} to {shown(interval[1])})" if interval else ""
        return shown(value) + around

    def whole(value: float) -> str:
        return percent(value) if points else number(value)

    none, every = whole(outcome["none"]), whole(outcome["every"])
    yield f"    {label}: {none} without these defects, {every} with all"
    for share in outcome["shares"]:
        yield f"      {share['player']:<34}{with_interval(share['value'], share['ci95'])}"
    pairs = [
        f"{' and '.join(pair['players'])} {with_interval(pair['value'], pair['ci95'])}"
        for pair in outcome["interactions"][:_MOST_PAIRS]
    ]
    if pairs:
        yield from textwrap.wrap(
            f"together beyond each alone: {'; '.join(pairs)}",
            width,
            initial_indent="      ",
            subsequent_indent="        ",
        )


def _calibration(found: Calibration | None) -> Iterator[str]:
    if found is None:
        return
    yield (
        f"  {found['truths']} worlds with known unknowns, inferred back at scale "
        f"{found['scale']:g}; share of truths within the intervals"
    )
    yield from _coverage(found["coverage"])


def _coverage(rows: Iterable[Coverage]) -> Iterator[str]:
    """The share of truths within the intervals of each unknown."""
    for row in rows:
        shares = ", ".join(
            f"{nominal:.0%}: {share:.0%} (+-{error:.0%})"
            for nominal, share, error in zip(
                row["nominal"], row["found"], row["error"], strict=True
            )
        )
        yield f"    {row['unknown']:<24}{shares}   uniform ranks p = {row['p_uniform']:.2f}"
