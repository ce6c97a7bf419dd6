"""An explanation in sentences: what happened, how sure that is, what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from experiments.config.explain_settings import Explain
from experiments.studies.explain.attribution import Attribution
from experiments.studies.explain.results import (
    Explanation,
    FullSizeRow,
    ModelRow,
    PredictionRow,
    UnknownRow,
)

_SURE: Final = 0.95
_LIKELY: Final = 0.5
_NARROWED: Final = 0.3
_MOST_NAMED: Final = 4


def conclusion(found: Explanation, settings: Explain) -> Iterator[str]:
    """What happened and how sure that is."""
    if found["tolerance"] is None:
        yield "No world within the limits was found at all: the unknowns as given explain nothing."
        return
    yield from _hypotheses(found["models"], settings)
    yield from _narrowed(found["unknowns"])
    yield from _fit(found["predictions"])
    attribution = found.get("attribution")
    if attribution is not None:
        yield from _owners(attribution)


def _hypotheses(rows: Sequence[ModelRow], settings: Explain) -> Iterator[str]:
    if not settings.hypotheses:
        return
    best = rows[0]
    low, high = best["ci95"]
    if len(rows) == 1:
        yield f"Only one account was asked for, {best['model']}: there is none to compare it with."
        return
    sure = (
        "No other account comes near"
        if low >= _SURE
        else "It is likelier than all others together"
        if low > _LIKELY
        else "That decides nothing"
    )
    yield (
        f"The likeliest account is {best['model']}: "
        f"{best['probability']:.0%} (Monte-Carlo error: {low:.0%} to {high:.0%}), where each of "
        f"{len(rows)} was equally likely before. {sure}."
    )
    for name, hypothesis in settings.hypotheses.items():
        own = [row for row in rows if name in row["hypotheses"]]
        alone = next((row for row in own if row["hypotheses"] == [name]), None)
        if alone is not None:
            misses = ", ".join(alone["misses"]) or "nothing"
            yield (
                f"{name} alone ({hypothesis.description}): {alone['probability']:.1%} "
                f"({alone['ci95'][0]:.1%} to {alone['ci95'][1]:.1%}); its best fit misses {misses}."
            )


def _narrowed(rows: Sequence[UnknownRow]) -> Iterator[str]:
    learnt = sorted(
        (row for row in rows if row["narrowing"] >= _NARROWED), key=lambda row: -row["narrowing"]
    )
    names = [f"{row['unknown']} ({_posterior(row)})" for row in learnt[:_MOST_NAMED]]
    if names:
        yield f"Narrowed down most by the observations: {', '.join(names)}."
    open_ones = [row["unknown"] for row in rows if row["narrowing"] < _NARROWED]
    if open_ones:
        yield f"Left as open as before, or nearly: {', '.join(open_ones)}."


def _posterior(row: UnknownRow) -> str:
    if row["posterior"]:
        return " to ".join(row["posterior"])
    value, (_, share) = max(row["shares"].items(), key=lambda item: item[1][1])
    return f"{value}, {share:.0%}"


def _fit(rows: Sequence[PredictionRow]) -> Iterator[str]:
    missed = [
        row["observation"]
        for row in rows
        if not (row["explained"] and row.get("full_size_explained", True))
    ]
    shown = [row["observation"] for row in rows if row["observation"] not in missed]
    if shown:
        yield f"Explained: {', '.join(shown)}."
    if missed:
        yield f"Not explained by any accepted world: {', '.join(missed)}."


def _owners(attribution: Attribution) -> Iterator[str]:
    for outcome in attribution["outcomes"]:
        whole = outcome["every"] - outcome["none"]
        first = outcome["shares"][0] if outcome["shares"] else None
        if first is None or outcome["quantity"] != "failed" or not whole:
            continue
        shares = [f"{share['player']} {100 * share['value']:+.1f}" for share in outcome["shares"]]
        yield (
            f"Of the {100 * whole:.1f} points of failed requests that the defects add, "
            f"these own: {', '.join(shares)}."
        )


def would_change_it(
    found: Explanation, settings: Explain, pairs: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """What a reader who disagrees should look at."""
    rejected = sum(row["rejected"] for row in found["models"])
    runs = sum(row["runs"] for row in found["models"])
    if runs:
        yield (
            f"{rejected} of {runs} worlds were out of the question: more than "
            f"{settings.most_rows:g} times the token rows, or more than "
            f"{settings.most_requests:,} requests at full size, or a load generator that was "
            "killed and could print no summary. "
            "Raise explain.most_rows or explain.most_requests to let them in."
        )
    for one, other in pairs:
        yield f"No full-size world shows {one} and {other} together, though each by itself."
    close = [row for row in found["models"][1:] if row["ci95"][1] > found["models"][0]["ci95"][0]]
    if close:
        names = ", ".join(row["model"] for row in close)
        yield f"More runs could put first: {names} (their intervals overlap)."
    edges = [row["unknown"] for row in found["unknowns"] if _at_edge(row)]
    if edges:
        yield (
            f"The posterior leans against the end of its prior: {', '.join(edges)}. "
            "A wider prior could fit better."
        )
    yield (
        "Another prior is one edit of the table [explain.priors] away; an observation that was "
        "read wrongly, one edit of [observed]."
    )


def _at_edge(row: UnknownRow) -> bool:
    if not row["prior"] or not row["posterior"] or row["narrowing"] < _NARROWED:
        return False
    return row["prior"][0] == row["posterior"][0] or row["prior"][1] == row["posterior"][1]


def best_world(rows: Sequence[FullSizeRow]) -> FullSizeRow | None:
    """The nearest world that was run at full size to its end."""
    return next((row for row in rows if row["numbers"]), None)
