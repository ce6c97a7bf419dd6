"""The page of `ticketsim run`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from experiments.statistics.full_size import whole_parts
from experiments.statistics.intervals import ci95
from experiments.statistics.summary import ObservedRow, RunSummary
from experiments.statistics.verdict import (
    Terms,
    ThresholdRow,
    Verdict,
    got_in,
    paid,
    standing,
    verdict_on,
)
from experiments.studies.saved_results import SavedRun
from experiments.studies.scale_check import RATE_TOLERANCE, RATIO_TOLERANCE
from experiments.studies.terms import terms_of
from experiments.views import plots
from experiments.views.plots.funnel import at_full_size as at_full_size_people
from experiments.views.plots.latency_over_time import P95
from experiments.views.plots.redis_keys import redis_key_names, wiped_s
from experiments.views.plots.timeline import (
    clock,
    columns,
    has_series,
    is_late,
    is_lost,
    mark_opening,
)
from experiments.views.report.bottlenecks import Bottleneck, bottlenecks, threads_of
from experiments.views.report.content import Level, Page, PageTable, Section, Tile, made_by
from experiments.views.report.explanations import CAUSES, broken
from experiments.views.report.full_size import at_full_size
from experiments.views.report.run_verdict import BADGES, RULE, causes, level_of, sentences
from experiments.views.text.remarks import remarks
from experiments.views.text.run_text import (
    LIMITS,
    duration,
    in_unit,
    number,
    percent,
    shown_as,
    shown_threshold,
)
from experiments.views.text.verdict_text import has_seats
from sim.load.settings import Loads
from sim.result import FAILED, Cleanup, RunResult
from sim.world import Catalogue, World

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_SWEEPS = 30
_MOST_CAUSES = 12
_MOST_KEYS = 20
_PARTS: tuple[Literal["answered", "refused", "failed"], ...] = ("answered", "refused", "failed")
_MET: Mapping[bool | None, tuple[Level, str]] = {
    True: ("held", "met"),
    False: ("failed", "not met"),
    None: ("open", "not decided"),
}
_ENDED: Mapping[str, str] = {
    "never_arrived": "never came",
    "arrived": "came and got no token",
    "waited": "waited, never let in",
    "admitted": "let in, saw no list of seats",
    "abandoned": "lost patience before seeing a free seat",
    "saw_seats": "saw free seats, booked none",
    "sold_out": "let in when all was sold",
    "booked": "booked, did not pay",
    "paid": "paid",
}
"""State of the funnel in words."""
_MINUTES_FROM = 3
"""Shorter runs are told in seconds."""


def run_page(kept: SavedRun) -> Page:
    """What a reader is told about a run."""
    summary = kept.summary
    world = kept.config.world if kept.config else None
    runs = at_full_size(_told(kept.runs), world, summary["scale"])
    full = bottlenecks(runs, world) if world else []
    verdict = _verdict(kept)
    level = level_of(verdict)
    return Page(
        title=summary["config"],
        subtitle=kept.config.header.description if kept.config else "",
        facts=_facts(summary),
        level=level,
        badge=BADGES[level],
        sentences=sentences(summary, verdict, runs, full),
        tiles=_tiles(summary, runs, verdict),
        sections=[
            *_thresholds(verdict, _as_simulated(summary)),
            *_observed(summary),
            *(_with_opening(one, world) for one in _over_time(runs, world, verdict)),
            *_totals(summary, sells=has_seats(verdict)),
            *_full(full),
            *_tables(summary, runs),
            *_two_scales(summary),
            *_remarks(kept),
        ],
        footer=_footer(kept),
        partial=_partial(summary),
    )


def _verdict(kept: SavedRun) -> Verdict:
    """The verdict that was kept; made again of a run that an older version kept."""
    stored = kept.summary.get("verdict")
    if stored is not None:
        return stored
    terms = terms_of(kept.config, kept.summary["scale"]) if kept.config else Terms()
    return verdict_on(_told(kept.runs), terms)


def _told(runs: Sequence[RunResult]) -> list[RunResult]:
    """The complete replications; the interrupted ones where there is no other."""
    return [run for run in runs if not run.partial] or list(runs)


def _facts(summary: RunSummary) -> list[str]:
    minutes = max(run["simulated_s"] for run in summary["runs"]) / 60
    length = f"{minutes:.0f} simulated minutes"
    facts = [length if minutes >= _MINUTES_FROM else f"{60 * minutes:.0f} simulated seconds"]
    if summary["replications"] > 1:
        facts.append(f"means over {summary['replications']} runs, shades from lowest to highest")
    if summary["scale"] < 1:
        facts.append(
            f"simulated at {summary['scale']:g} of the full size; figures and limits show full size"
        )
    return [*facts, f"seed {summary['seed']}"]


def _partial(summary: RunSummary) -> str:
    if not summary["partial"]:
        return ""
    if any(run["ended"] == FAILED for run in summary["runs"]):
        return "An error ended the run (see the remarks); this is what was measured until then."
    return (
        "The user interrupted it; this is what was measured so far. The same command with the "
        "same --out goes on."
    )


def _tiles(summary: RunSummary, runs: Sequence[RunResult], verdict: Verdict) -> list[Tile]:
    """The most important numbers; people and seats, at full size, where the service sells seats."""
    failed = summary["metrics"].get("http_req_failed", {})
    people, seats = verdict["people"], verdict["seats"]
    size = min(1.0, summary["scale"])
    numbers = (
        ("people let in", people["got_in"], people["came"], got_in),
        ("seats sold", seats["standing"], seats["on_sale"], standing),
        ("seats paid", seats["paid"], seats["on_sale"], paid),
    )
    return [
        Tile("requests failed", percent(summary["failures"]["all"]), _interval(failed.get("ci95"))),
        *(
            Tile(
                label,
                number(round(count / size)),
                _note(whole / size, [of(run) / size for run in runs], extrapolated=size < 1),
            )
            for label, count, whole, of in numbers
            if has_seats(verdict)
        ),
        _slowest(summary),
    ]


def _note(whole: float, values: Sequence[float], *, extrapolated: bool) -> str:
    """Of how many, the interval where there is one, and whether it is extrapolated."""
    parts = [f"of {number(round(whole))}", _spread(values), "extrapolated" if extrapolated else ""]
    return "; ".join(part for part in parts if part)


def _slowest(summary: RunSummary) -> Tile:
    durations = summary["metrics"].get("http_req_duration", {})
    p95, longest = durations.get("p(95)"), durations.get("max")
    if not isinstance(p95, int | float) or not isinstance(longest, int | float):
        return Tile("95 % of requests within", "-")
    return Tile("95 % of requests within", duration(p95), f"the longest {duration(longest)}")


def _interval(interval: object) -> str:
    if not isinstance(interval, list | tuple):
        return ""
    low, high = (percent(max(0.0, min(1.0, end))) for end in interval)
    return f"95 % interval {low} to {high}"


def _spread(values: Sequence[float]) -> str:
    interval = ci95(values)
    if interval is None:
        return ""
    low, high = (number(round(max(0.0, end))) for end in interval)
    return f"95 % interval {low} to {high}"


def _observed(summary: RunSummary) -> Iterator[Section]:
    rows = summary.get("observed")
    if not rows:
        return
    scale = summary["scale"] < 1
    intervals = any(row["pi95"] for row in rows.values())
    head = ["", "observed", "simulated"]
    head += ["at full size"] * scale + ["95 % of runs"] * intervals
    head += ["how far off", "what was observed"]
    table = PageTable(
        head,
        [_observed_row(name, row, scale=scale, intervals=intervals) for name, row in rows.items()],
        frozenset({0, len(head) - 1}),
    )
    text = "What the real system did, beside what this run did."
    if scale:
        text += " Counts at full size are those simulated, divided by the scale."
    yield Section("Observed and simulated", text, table=table)


def _observed_row(name: str, row: ObservedRow, *, scale: bool, intervals: bool) -> list[str]:
    show = shown_as(row["metric"])
    observed = LIMITS[row.get("bound")] + show(row["observed"])
    cells = [name.replace("_", " "), observed, show(row["simulated"])]
    found = row.get("extrapolated") if scale else row["simulated"]
    if scale:
        cells.append(show(found))
    if intervals:
        ends = row["pi95"]
        cells.append(" to ".join(show(max(0.0, end)) for end in ends) if ends else "-")
    return [*cells, _off(row, found), row["note"]]


def _off(row: ObservedRow, found: float | None) -> str:
    """The difference in points for shares, otherwise the factor; none within a limit."""
    metric, observed = row["metric"], row["observed"]
    if found is None:
        return "-"
    within = {"at_least": found >= observed, "at_most": found <= observed}
    if within.get(row.get("bound", "")):
        return "as observed"
    if metric.endswith(".rate") or metric.startswith("exception_share"):
        return f"{100 * (found - observed):+.1f} points"
    if found == observed:
        return "as observed"
    if not found or not observed:
        return "none at all" if observed else "none observed"
    factor = found / observed
    return f"{factor:.1f} times" if factor >= 1 else f"{1 / factor:.1f} times less"


def _thresholds(verdict: Verdict, counted: str) -> Iterator[Section]:
    """The thresholds of the config, and how each step of buying went."""
    rows = verdict["thresholds"]
    if rows:
        yield Section(
            "Thresholds",
            table=PageTable(
                ["threshold", "limit", "in this run", ""],
                [_threshold(row) for row in rows],
                frozenset({0, 3}),
                [_MET[row["met"]][0] for row in rows],
            ),
        )
    steps = verdict["steps"]
    if steps:
        yield Section(
            "The steps of buying",
            "Answered, refused as business and failed add up to all requests of the step. Polls of "
            "the place in the queue are no step. The share that failed is the mean over the runs."
            f"{counted}",
            table=PageTable(
                ["step", "requests", "answered", "refused", "failed", "share failed", "limit"],
                [
                    [
                        name,
                        number(round(step["requests"])),
                        *map(number, whole_parts([step[part] for part in _PARTS])),
                        percent(step["failed_share"]),
                        percent(step["limit"]),
                    ]
                    for name, step in steps.items()
                ],
                frozenset({0}),
                [
                    "failed" if step["failed_share"] > step["limit"] else "held"
                    for step in steps.values()
                ],
            ),
        )


def _threshold(row: ThresholdRow) -> list[str]:
    word = _MET[row["met"]][1] if not row["reason"] else f"{_MET[row['met']][1]}: {row['reason']}"
    if row["at_full_size"]:
        word += " (extrapolated to full size)"
    limit, value = (shown_threshold(row["name"], one) for one in (row["limit"], row["value"]))
    return [row["name"], limit, value, word]


def _sold_and_slow(
    runs: Sequence[RunResult], world: World | None, verdict: Verdict
) -> Iterator[Section]:
    load = world.load if world else None
    if has_seats(verdict):
        yield Section(
            "Sales",
            "Bookings and payments that were answered, added up since the load began. A booking "
            "that lapsed stays counted, so bookings can be more than seats.",
            draw=lambda narrow: plots.sales(
                runs, load, seats=world.catalogue.seats if world else None, narrow=narrow
            ),
        )
    limits = [row["limit"] for row in verdict["thresholds"] if limits_p95(row)]
    if any(P95 in run.series for run in runs):
        yield Section(
            "How long requests took, over time",
            "Of the requests that ended in each second, on a logarithmic axis.",
            draw=lambda narrow: plots.latency_over_time(
                runs, load, limit_ms=min(limits, default=None), narrow=narrow
            ),
        )


def limits_p95(row: ThresholdRow) -> bool:
    """Whether a threshold limits the 95th percentile of all requests."""
    return (
        row.get("metric") == "http_req_duration"
        and not row.get("tags")
        and row.get("aggregation") == "p(95)"
    )


def _redis(runs: Sequence[RunResult], load: Loads | None) -> Iterator[Section]:
    """Every key over time, and a table of what they were at most."""
    names = redis_key_names(runs)
    if not names:
        return
    run = runs[0]
    which = " Table, times to live and wipes are of the first run." if len(runs) > 1 else ""
    evicted, refused = (
        number(round(float(run.series.get(name, np.zeros(1)).max(initial=0.0))))
        for name in ("redis_evicted_keys", "redis_refused_commands")
    )
    yield Section(
        "Redis",
        "The keys as their operator would see them: members above, bytes below. A red line is a "
        "moment at which a key lost all of its members; a triangle, keys evicted; a cross, writes "
        f"refused at the memory limit ({evicted} keys evicted, {refused} commands refused). "
        f"Below, the time to live of keys that expire.{which}",
        draw=lambda narrow: plots.redis_keys(runs, load, narrow=narrow),
        table=PageTable(
            ["key (type)", "members at most", "bytes at most", "shortest time to live", "wiped"],
            [_redis_key(run, name) for name in names[:_MOST_KEYS]],
            frozenset({0}),
        ),
    )


def _redis_key(run: RunResult, name: str) -> list[str]:
    members, size, ttl = (
        run.series.get(f"redis_{what}:{name}", np.zeros(1))
        for what in ("members", "bytes", "ttl_s")
    )
    there = ttl[members > 0]
    least = float(there.min(initial=np.inf)) if len(there) else np.inf
    lives = "none set" if least < 0 else "-" if np.isinf(least) else duration(least * 1e3)
    return [
        name,
        number(members.max(initial=0.0)),
        number(size.max(initial=0.0)),
        lives,
        number(len(wiped_s(run, name))),
    ]


def _over_time(
    runs: Sequence[RunResult], world: World | None, verdict: Verdict
) -> Iterator[Section]:
    measured = [run for run in runs if len(run.series.get("t_s", ())) > 1]
    if not has_series(runs):
        return
    load = world.load if world else None
    yield from _sold_and_slow(measured, world, verdict)
    yield Section(
        "When requests failed, and of what",
        "Each colour is one cause; together they are the share of all requests that failed at that "
        "moment. Dotted lines are sweeps, which take people out and let others in; a lost one is "
        "red with a cross. Grey bands are the stages of the load.",
        draw=lambda narrow: plots.failures(measured, load, narrow=narrow),
        key="failures",
    )
    if has_seats(verdict):
        yield Section(
            "The queue",
            "People waiting and people let in, after every second; below, the memory that Redis "
            "used.",
            draw=lambda narrow: plots.waiting_room(
                measured,
                load,
                capacity=world.catalogue.capacity if world else None,
                maxmemory_bytes=world.redis.maxmemory_bytes if world else None,
                narrow=narrow,
            ),
        )
    # The pools of an application are its own: their limits are not known.
    limited = world is not None and not world.app.path
    yield Section(
        "Threads and database connections",
        "Where a queue stands before a line at its limit, that is what everyone waits for.",
        draw=lambda narrow: plots.occupancy(
            measured,
            load,
            threads=threads_of(world) if world and not world.app.asgi else None,
            connections=world.pool.connections if world and limited else None,
            narrow=narrow,
        ),
    )
    yield from _redis(measured, load)
    yield _logged(measured, load)


def _with_opening(section: Section, world: World | None) -> Section:
    """The same section, the opening of the sale marked in its figure over time."""
    draw = section.draw
    opens_s = world.catalogue.opens_after_s if world else None
    if draw is None or world is None or opens_s is None:
        return section
    epoch_s = world.catalogue.opening_epoch_s
    told = epoch_s != Catalogue().opening_epoch_s
    begins_s = epoch_s + world.service.started_before_s if told else None

    def marked(narrow: bool) -> Figure:
        figure = draw(narrow)
        mark_opening(figure, opens_s, begins_s)
        return figure

    return dataclasses.replace(section, draw=marked)


def _logged(runs: Sequence[RunResult], load: Loads | None) -> Section:
    title = "What the service logged"
    if not columns(runs, "exception"):
        return Section(title, "No exceptions.")
    return Section(
        title,
        "Exceptions by class. One request can log several, and one that never reached the "
        "service logs none.",
        draw=lambda narrow: plots.exceptions(runs, load, narrow=narrow),
    )


def _totals(summary: RunSummary, *, sells: bool) -> Iterator[Section]:
    if any(sum(statuses.values()) for statuses in summary["outcomes"].values()):
        yield Section(
            "What became of the requests of each endpoint",
            _as_simulated(summary).strip(),
            draw=lambda narrow: plots.outcomes(summary["outcomes"], narrow=narrow),
        )
    if sells:
        yield Section(
            "How far people came",
            "The figure counts everyone in every step that they reached; the table counts everyone "
            f"once, where they ended.{_extrapolated(summary)}",
            draw=lambda narrow: plots.funnel(
                summary["funnel"], scale=summary["scale"], narrow=narrow
            ),
            table=_ended(summary),
        )
    if "http_req_duration" in summary["metrics"]:
        yield Section(
            "How long requests took",
            "On a logarithmic axis. As in k6, a request that never got a connection took 0 s.",
            draw=lambda narrow: plots.latency(summary["metrics"], narrow=narrow),
        )


def _extrapolated(summary: RunSummary) -> str:
    """A sentence on people at full size; nothing where full size was simulated."""
    if summary["scale"] >= 1:
        return ""
    people = number(round(sum(summary["funnel"].values())))
    return f" People are extrapolated to full size, from {people} simulated."


def _as_simulated(summary: RunSummary) -> str:
    """A sentence on counts that are not extrapolated; nothing at full size."""
    if summary["scale"] >= 1:
        return ""
    return f" Counts as simulated, at {summary['scale']:g} of the size."


def _ended(summary: RunSummary) -> PageTable:
    """Where everyone ended: the rows add up to all people."""
    funnel = at_full_size_people(summary["funnel"], summary["scale"])
    people = sum(funnel.values()) or 1.0
    rows = [
        (_ENDED.get(state, state.replace("_", " ")), count)
        for state, count in funnel.items()
        if count
    ]
    return PageTable(
        ["ended as", "people", "share"],
        [
            *([words, number(round(count, 1)), percent(count / people)] for words, count in rows),
            ["all", number(round(people, 1)), percent(1.0)],
        ],
    )


def _full(bottlenecks: Sequence[Bottleneck]) -> Iterator[Section]:
    if bottlenecks:
        yield Section(
            "What was full",
            table=PageTable(
                ["", "there was", "used", "who had to wait"],
                [[one.what, one.limit, one.used, one.waiting] for one in bottlenecks],
                frozenset({0, 2, 3}),
                ["failed" if one.full else "held" for one in bottlenecks],
            ),
        )


def _tables(summary: RunSummary, runs: Sequence[RunResult]) -> Iterator[Section]:
    found = causes(summary["errors"])
    total = sum(found.values())
    if total:
        yield Section(
            "Causes of failed requests",
            "One cause for each failed request, so they sum to all of them."
            + _as_simulated(summary),
            table=PageTable(
                ["cause", "requests", "share", "in plain words"],
                [
                    [name, number(count), percent(count / total), CAUSES.get(name, "")]
                    for name, count in found.most_common(_MOST_CAUSES)
                ],
                frozenset({0, 3}),
            ),
        )
    yield from _sweeps(runs, _as_simulated(summary))
    broken_ones = {name: count for name, count in summary["invariants"].items() if count}
    yield Section(
        "What must never happen",
        "" if broken_ones else f"None of the {len(summary['invariants'])} did.",
        table=PageTable(
            ["", "times, mean of the runs" if len(runs) > 1 else "times"],
            [[broken(name), number(count)] for name, count in broken_ones.items()],
        )
        if broken_ones
        else None,
    )


def _sweeps(runs: Sequence[RunResult], counted: str) -> Iterator[Section]:
    sweeps = runs[0].sweeps if runs else []
    if not sweeps:
        return
    odd = [sweep for sweep in sweeps if is_lost(sweep) or is_late(sweep)]
    shown = sweeps if len(sweeps) <= _MOST_SWEEPS else odd[:_MOST_SWEEPS]
    which = " of the first run" if len(runs) > 1 else ""
    late = sum(map(is_late, sweeps))
    text = f"{len(sweeps)} sweeps{which}: {late} late, {sum(map(is_lost, sweeps))} lost.{counted}"
    if len(shown) < len(sweeps):
        text += f" Shown are {len(shown)} that were late or lost."
    table = PageTable(
        ["planned", "started", "ended", "let in before", "after", "waiting before", "after", ""],
        [_sweep(sweep) for sweep in shown],
        frozenset({7}),
        ["failed" if is_lost(s) else "strained" if is_late(s) else "held" for s in shown],
    )
    yield Section("Sweeps", text, table=table if shown else None)


def _sweep(sweep: Cleanup) -> list[str]:
    times = (sweep.planned_s, sweep.started_s, sweep.ended_s)
    members = (
        sweep.passed_before,
        sweep.passed_after,
        sweep.waiting_before,
        sweep.waiting_after,
    )
    late = "late" if is_late(sweep) else "ok"
    return [
        *(f"{'-' if time < 0 else ''}{clock(abs(time) / 60)}" for time in times),
        *map(number, members),
        f"lost: {sweep.outcome}" if is_lost(sweep) else late,
    ]


def _two_scales(summary: RunSummary) -> Iterator[Section]:
    """What `--check-scale` found."""
    check = summary.get("scale_check")
    if check is None:
        return
    outcome = "the same verdict" if check["same_outcome"] else "different verdicts"
    yield Section(
        "Does a larger scale tell the same?",
        f"Both scales give {outcome}. Shares agree within {100 * RATE_TOLERANCE:g} points, "
        f"durations within {100 * RATIO_TOLERANCE:g} %. What differs cannot be right at the "
        "smaller scale; what agrees may still differ at full size.",
        table=PageTable(
            ["", f"at {check['smaller']:g}", f"at {check['larger']:g}", ""],
            [
                [
                    row["name"],
                    in_unit(row["smaller"], row["unit"]),
                    in_unit(row["larger"], row["unit"]),
                    "agrees" if row["agrees"] else "differs",
                ]
                for row in check["rows"]
            ],
            frozenset({0, 3}),
            ["held" if row["agrees"] else "failed" for row in check["rows"]],
        ),
    )


def _remarks(kept: SavedRun) -> Iterator[Section]:
    found = remarks(kept.summary)
    if kept.config_problem:
        found.append(f"stages and limits are left out, as {kept.config_problem}")
    if found:
        yield Section("Remarks", items=found)


def _footer(kept: SavedRun) -> list[str]:
    summary = kept.summary
    command = f"ticketsim run config.toml --seed {summary['seed']}"
    if summary["scale"] < 1:
        command += f" --scale {summary['scale']:g}"
    if summary["replications"] > 1:
        command += f" --replications {summary['replications']}"
    again = f"The config as it was run is config.toml in the folder; again: {command}"
    return [RULE, again, made_by(kept.manifest, summary["digest"])]
