"""Compares variants of a config with the config as it is: runs, then one row for each variant."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence

from experiments.config.reading import Config, Reading
from experiments.config.sources import Merged
from experiments.config.variants import Variant
from experiments.errors import InterruptedRunError, OptionError
from experiments.runs.campaign import Campaign, Cell
from experiments.runs.options import RunOptions
from experiments.runs.pace import nothing_measured
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of
from experiments.runs.study_result import StudyResult
from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.stopping import first_stage
from experiments.statistics.summary import combined_digest
from experiments.studies.compare.coverage import in_words, on_already, runs_done
from experiments.studies.compare.differences import (
    CORRECTION,
    SCHEMA,
    Alternative,
    ComparisonResult,
    Design,
    VariantRow,
    changes_nothing,
    comparison_of,
    extrapolate,
    never_asked_for,
    run_comparison,
)
from experiments.studies.compare.race_of_runs import left_early
from experiments.studies.compare.robust_choice import Candidate, first_choices
from experiments.studies.compare.standings import Standings, ranking_of, unranked
from experiments.studies.drawn_worlds import remarks
from experiments.studies.scale_check import warnings as scale_warnings
from experiments.studies.validate.measured_runs import beside
from experiments.studies.whole_units import rounded_changes

BASE = "(as it is)"


def compare(
    given: Reading,
    options: RunOptions,
    variants: Sequence[Variant],
    precision: float | None = None,
    *,
    race: bool = False,
) -> StudyResult[ComparisonResult]:
    """Compare variants with a config.

    Args:
        given: the config as read.
        options: how to run; its replications are those of the first stage.
        variants: what to compare.
        precision: half-width wanted of the difference in the share of failed requests.
        race: whether variants that are clearly worse get no further replications.

    Raises:
        TicketsimError: a variant or `out` cannot be used, or nothing was measured.
    """
    config = given.config
    base = Cell(BASE, config)
    every = [_alternative(variant, given.merged, config) for variant in variants]
    unchanged = [one for one in every if changes_nothing(base, one)]
    alternatives = [one for one in every if one not in unchanged]
    if not alternatives:
        reason = on_already(unchanged) if unchanged else "no variant; allowed: at least one"
        raise OptionError("variants", f"nothing to compare: {reason}")
    seed = options.seed_for(config)
    journal = Journal(options.out, "compare", identity_of(config.resolved, seed, options.scale))
    campaign = Campaign(journal, options, seed)
    first = first_stage(config.header.replications, options.replications)
    design = Design(first, precision)
    left = left_early(campaign, base, alternatives, design.first, options.scale) if race else {}
    staying = [one for one in alternatives if one.cell.name not in left]
    run_comparison(campaign, base, staying, design)
    _run_again(campaign, base, staying, design)
    ended = campaign.interrupted or campaign.cut_short
    means, rows = comparison_of(campaign, base, alternatives, design)
    if not rows:
        done = in_words(runs_done(campaign, base, staying, design))
        raise InterruptedRunError(f"{nothing_measured(campaign.so_far)}; {done}")
    if options.scale < 1:
        extrapolate(rows, options.scale)
    _add_measured(rows, variants, config, options.scale)
    for row in rows:
        if row["name"] in left:
            row["left"] = left[row["name"]]
    standing = _as_far_as_run(
        ranking_of(campaign, base, alternatives, rows, options.scale),
        rows,
        ended and len(rows) < len(alternatives),
        ended,
    )
    comparison: ComparisonResult = {
        "schema": SCHEMA,
        "config": config.name,
        "seed": seed,
        "scale": options.scale,
        "replications": design.first,
        "precision": design.precision,
        "partial": campaign.interrupted,
        "correction": CORRECTION,
        "base": means,
        "variants": rows,
        "base_verdict": standing.base_verdict,
        "base_rank": standing.base_rank,
        "recommended": standing.recommended,
        "failing": standing.failing,
        "failing_values": standing.failing_values,
        "warnings": [
            *remarks(config),
            *([on_already(unchanged)] if unchanged else []),
            *_unused(campaign, base, alternatives),
            *_rounded(config, alternatives, options.scale),
            *_warnings(config, options.scale, design, campaign, len(rows), len(alternatives)),
        ],
        "digest": combined_digest(
            [run.digest for run in campaign.results(base)] + sorted(row["digest"] for row in rows)
        ),
        "wall_seconds": round(time.monotonic() - options.began_s, 3),
    }
    if unchanged:
        comparison["unchanged"] = [one.cell.name for one in unchanged]
    if ended:
        comparison["runs"] = runs_done(campaign, base, staying, design)
    uncertainty = campaign.uncertainty(base, campaign.results(base))
    if uncertainty is not None:
        comparison["uncertainty"] = uncertainty
    _add_first_choices(comparison, rows)
    return StudyResult(comparison, campaign.interrupted, journal)


def _run_again(
    campaign: Campaign, base: Cell, alternatives: Sequence[Alternative], design: Design
) -> None:
    """Make the second runs that tell chance from what is unknown.

    Where variants are named as choices, only of these and of the base: nobody takes the others.
    """
    _, rows = comparison_of(campaign, base, alternatives, design)
    named = {choice["name"] for choice in first_choices(_candidates(rows))}
    cells = [one.cell for one in alternatives if not named or one.cell.name in named]
    campaign.run_again([base, *cells], len(campaign.results(base)))


def _as_far_as_run(
    standing: Standings, rows: Sequence[VariantRow], incomplete: bool, ended: bool
) -> Standings:
    """Ranks only where no variant lacks its runs; no recommendation without intervals.

    Args:
        standing: as if everything had been run.
        rows: of the variants; unranked in place.
        incomplete: whether some variant has no pair of runs at all.
        ended: whether the comparison ended early.
    """
    few = min(row["replications"] for row in rows) < FEWEST_FOR_INTERVALS
    if incomplete or (ended and few):
        return unranked(standing, rows)
    return dataclasses.replace(standing, recommended=[]) if few else standing


def _add_first_choices(comparison: ComparisonResult, rows: Sequence[VariantRow]) -> None:
    """Where something is unknown and variants state a cost: what to take for how much."""
    candidates = _candidates(rows)
    if candidates:
        comparison["first_choices"] = first_choices(candidates)


def _candidates(rows: Sequence[VariantRow]) -> list[Candidate]:
    return [
        Candidate(row["name"], row["cost"], row["over_worlds"]["effects"])
        for row in rows
        if "cost" in row and "over_worlds" in row
    ]


def _add_measured(
    rows: Sequence[VariantRow], variants: Sequence[Variant], config: Config, scale: float
) -> None:
    """Add to each row what runs of the real system showed of it, where there are any."""
    by_name = {variant.name: variant for variant in variants}
    for row in rows:
        measured = beside(config.world, by_name[row["name"]].measured, scale)
        if measured:
            row["measured"] = measured


def _alternative(variant: Variant, merged: Merged, config: Config) -> Alternative:
    changed = variant.applied(merged, config.name)
    cell = Cell(variant.name, changed)
    return Alternative(cell, variant.description, variant.keys(), variant.cost)


def _unused(campaign: Campaign, base: Cell, alternatives: Sequence[Alternative]) -> Iterator[str]:
    """Which variants change nothing that matters here."""
    names = never_asked_for(campaign, base, alternatives)
    if names:
        yield (
            f"{', '.join(names)}: the config as it is never reads what this changes, so its "
            "results were reused: no user reaches that step, or another setting overrides it"
        )


def _rounded(config: Config, alternatives: Sequence[Alternative], scale: float) -> Iterator[str]:
    """Which variants change a resource that the scale rounds."""
    found: dict[tuple[str, ...], list[str]] = {}
    for one in alternatives:
        keys = rounded_changes(config.world, one.cell.config.world, scale)
        if keys:
            found.setdefault(tuple(keys), []).append(one.cell.name)
    for changed, names in found.items():
        does, whose = ("change", "their") if len(names) > 1 else ("changes", "its")
        yield (
            f"{', '.join(names)} {does} {' and '.join(changed)}, which scale {scale:g} rounds: "
            f"{whose} difference is partly that of the scale"
        )


def _warnings(
    config: Config, scale: float, design: Design, campaign: Campaign, compared: int, wanted: int
) -> list[str]:
    found = scale_warnings(config, scale)
    if design.first < FEWEST_FOR_INTERVALS:
        found.append("no intervals and no verdicts below 3 replications")
    if compared < wanted:
        found.append(f"{wanted - compared} of {wanted} variants have no finished pair of runs")
    if campaign.cut_short and not campaign.interrupted:
        found.append("the budget is spent: some intervals may be wider than asked for")
    return found
