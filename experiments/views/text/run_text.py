"""The summary of a run as plain text, for a terminal of a given width."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from experiments.statistics.outcomes import is_failure, is_late
from experiments.statistics.quantities import QUANTITIES
from experiments.statistics.summary import RunSummary, is_count
from experiments.statistics.uncertainty import in_words
from experiments.views.text.remarks import remarks
from sim.result import FAILED

NARROWEST, WIDEST = 40, 120
_WORD = re.compile(r"\S+(?: %\S*)?")
_TREND = ("avg", "min", "med", "max", "p(90)", "p(95)")
_EXPECTED = "http_req_duration{expected_response:true}"
_MOST_SWEEPS = 12
LIMITS = {None: "", "at_least": ">= ", "at_most": "<= "}
"""The words before an observation that is a limit, by `ObservedRow.bound`."""


def render(summary: RunSummary, width: int) -> str:
    """The whole summary.

    Args:
        summary: see `experiments.statistics.summary.summarise`.
        width: columns of the terminal; lines are at most 120 long, however wide it is.
    """
    width = max(NARROWEST, min(width, WIDEST))
    parts = [
        _heading(summary),
        _section("observed and simulated", _observed(summary, width)),
        _section("thresholds", _thresholds(summary)),
        _section("k6 metrics", _metrics(summary, width)),
        _section("failed requests", _failures(summary)),
        _section("requests by endpoint", _endpoints(summary, width)),
        _section("sweeps", _sweeps(summary)),
        _section("rows at the end", _pairs(summary["tables"], width)),
        _section("funnel: users by the furthest state reached", _funnel(summary)),
        _section("invariants", _invariants(summary, width)),
        _section("what is not known", _unknown(summary, width)),
        _section("remarks", _remarks(summary, width)),
        _closing(summary),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    body = list(lines)
    return [title, *body] if body else []


def number(value: Any) -> str:
    """A number with thousands separators and no more digits than can be read."""
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 1e3 else f"{value:.1f}" if size >= 10 else f"{value:.3g}"  # noqa: PLR2004 (digits)


def scale_suffix(scale: float) -> str:
    """The scale after a comma, for a heading; nothing at full size."""
    return f", scale {scale:g}" if scale < 1 else ""


def percent(share: float) -> str:
    """A share between 0 and 1."""
    return f"{100 * share:.2f} %"


def in_unit(value: float | None, unit: str) -> str:
    """A number in its unit, "share", "ms" or any other; a dash where there is none."""
    if value is None:
        return "-"
    if unit == "share":
        return percent(value)
    return duration(value) if unit == "ms" else number(value)


def duration(milliseconds: float) -> str:
    """A duration in the unit that suits it, as k6 prints it."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f}µs" if milliseconds > 0 else "0s"
    if milliseconds < 1_000:  # noqa: PLR2004 (a second)
        return f"{milliseconds:.4g}ms"
    seconds = milliseconds / 1_000
    if seconds < 60:  # noqa: PLR2004 (a minute)
        return f"{seconds:.4g}s"
    return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"


def size(count: float) -> str:
    """Bytes in the unit that suits them, as k6 prints them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1_000 or unit == "GB":  # noqa: PLR2004 (a decimal prefix)
            return f"{count:.4g} {unit}"
        count /= 1_000
    raise AssertionError


def words(text: str) -> list[str]:
    """The words of a text; a sign of per cent stays with its number."""
    return _WORD.findall(text)


def wrapped(label: str, values: Sequence[str], width: int, gap: str = "  ") -> Iterator[str]:
    """A label and values behind it, going on below the first value where the line is full."""
    line = label
    empty = True
    for value in values:
        if not empty and len(line) + len(gap) + len(value) > width:
            yield line
            line, empty = " " * len(label), True
        line += value if empty else gap + value
        empty = False
    yield line


def _heading(summary: RunSummary) -> list[str]:
    runs = summary["replications"]
    over = f", means over {runs} replications" if runs > 1 else ""
    scale = scale_suffix(summary["scale"])
    lines = [f"{summary['config']}: seed {summary['seed']}{scale}{over}"]
    if summary["partial"]:
        failed = any(run["ended"] == FAILED for run in summary["runs"])
        why = "ended with an error (see the remarks)" if failed else "interrupted"
        lines.append(f"PARTIAL: {why}; this is what was measured so far")
    return [*lines, *ended_early(summary)]


def ended_early(summary: RunSummary) -> Iterator[str]:
    """A line for each replication that did not end as planned."""
    for run in summary["runs"]:
        if run["ended"] != "completed":
            which = f"replication {run['replication']} " if len(summary["runs"]) > 1 else ""
            minutes = run["simulated_s"] / 60
            yield f"{which}ended after {minutes:.1f} simulated minutes: {run['ended']}"


def _thresholds(summary: RunSummary) -> Iterator[str]:
    verdict = summary.get("verdict")
    for row in verdict["thresholds"] if verdict else ():
        met = {True: "met", False: "NOT MET", None: f"not decided: {row['reason']}"}[row["met"]]
        size = " at full size" if row["at_full_size"] else ""
        yield f"  {row['name']}: {shown_threshold(row['name'], row['value'])}{size}: {met}"


def shown_threshold(name: str, value: float | None) -> str:
    """A number in the unit of the threshold of this name."""
    metric = name.partition("{")[0].partition(":")[0]
    if value is None:
        return "-"
    if metric in {"http_req_failed", "step_failed", "checks"}:
        return percent(value)
    return duration(value) if _is_duration(metric) else number(value)


def _metrics(summary: RunSummary, width: int) -> Iterator[str]:
    """k6's metrics; of those by tag only the one that k6 shows by itself."""
    shown = {
        "  { expected_response:true }" if name == _EXPECTED else name: statistics
        for name, statistics in summary["metrics"].items()
        if "{" not in name or name == _EXPECTED
    }
    longest = max(map(len, shown), default=0)
    for name, statistics in shown.items():
        label = f"  {name:.<{longest + 2}}: "
        yield from wrapped(label, list(_statistics(name.strip(), statistics)), width)


def _statistics(name: str, statistics: Mapping[str, Any]) -> Iterator[str]:
    """The values of one metric, in k6's order and units."""
    show: Callable[[float], str] = number
    if "passes" in statistics:
        show = percent
        yield show(statistics["rate"])
        total = statistics["passes"] + statistics["fails"]
        yield f"{number(statistics['passes'])} of {number(total)}"
    elif "avg" in statistics:
        show = duration if _is_duration(name) else number
        yield from _trend(statistics, show)
    elif "count" in statistics:
        show = size if name.startswith("data_") else number
        yield show(statistics["count"])
        if "rate" in statistics:
            yield f"{show(statistics['rate'])}/s"
    else:
        yield (duration if _is_duration(name) else number)(statistics["value"])
        yield from (
            f"{key}={number(statistics[key])}" for key in ("min", "max") if key in statistics
        )
    if statistics.get("ci95"):
        low, high = statistics["ci95"]
        yield f"ci95=[{show(low)}, {show(high)}]"


def _trend(statistics: Mapping[str, Any], show: Callable[[float], str]) -> list[str]:
    return [f"{key}={show(statistics[key])}" for key in _TREND if key in statistics]


def _is_duration(name: str) -> bool:
    names = {"abandoned_after", "iteration_duration", "time_to_sell_out", "waiting_time"}
    return name in names or name.startswith(("http_req_", "{"))


def _observed(summary: RunSummary, width: int) -> Iterator[str]:
    rows = summary.get("observed")
    if not rows:
        return
    scaled = summary["scale"] < 1
    longest = max(map(len, rows))
    columns = ["observed", "simulated"] + ["at full size"] * scaled
    columns += ["95 % of runs"] * (summary["replications"] > 2)  # noqa: PLR2004 (as intervals)
    yield "  " + " " * longest + "".join(f"{column:>14}" for column in columns)
    for name, row in rows.items():
        show = shown_as(row["metric"])
        cells = [LIMITS[row.get("bound")] + show(row["observed"]), show(row["simulated"])]
        if scaled:
            cells.append(show(row.get("extrapolated")))
        line = f"  {name:<{longest}}" + "".join(f"{cell:>14}" for cell in cells)
        if row["pi95"]:
            low, high = (show(max(0.0, bound)) for bound in row["pi95"])
            line += f"   {low} to {high}"
        yield line
        if row["note"]:
            yield from wrapped("      ", row["note"].split(), width, " ")


def shown_as(metric: str) -> Callable[[float | None], str]:
    """How the number at a path of a summary is written."""
    name, _, statistic = metric.partition(".")

    def show(value: float | None) -> str:
        if value is None:
            return "-"
        if name in {"exception_share", "refused_tokens"}:
            return percent(value)
        if name == "http_req_failed" and statistic == "rate":
            return percent(value)
        if _is_duration(name) and not is_count(metric):
            return duration(value)
        return number(value)

    return show


def _failures(summary: RunSummary) -> Iterator[str]:
    failures = summary["failures"]
    rows = {
        "of all requests": percent(failures["all"]),
        "apart from lost races (409)": percent(failures["without_409"]),
        "apart from 409, without polls of one's place": percent(failures["without_409_and_polls"]),
        "lost races (409), a business outcome": number(failures["lost_seat_races"]),
    }
    for label, value in rows.items():
        yield f"  {label:<45}{value:>12}"


def _endpoints(summary: RunSummary, width: int) -> Iterator[str]:
    total = sum(sum(counts.values()) for counts in summary["outcomes"].values())
    endpoints = dict.fromkeys([*summary["outcomes"], *summary["exceptions"]])
    for endpoint in endpoints:
        statuses = summary["outcomes"].get(endpoint, {})
        requests = sum(statuses.values())
        if requests:
            yield f"  {endpoint}: {number(requests)} requests, {percent(requests / total)} of all"
            yield from wrapped("      status: ", _shares(statuses, _status), width)
            durations = summary["metrics"].get(f"http_req_duration{{endpoint:{endpoint}}}", {})
            if durations:
                yield from wrapped("      duration: ", _trend(durations, duration), width)
        else:
            yield f"  {endpoint}"
        for kind in ("errors", "exceptions"):
            counts = summary[kind].get(endpoint)
            if counts:
                yield from wrapped(f"      {kind}: ", _shares(counts, str), width)


def _status(status: str) -> str:
    if status == "0":
        return "none"
    return f"{status}{' (failed)' if is_failure(status) else ''}"


def _shares(counts: Mapping[str, float], name_of: Callable[[str], str]) -> list[str]:
    """Each name with its count and its share of the whole, largest first."""
    whole = sum(counts.values()) or 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        f"{name_of(name)} {number(count)} ({100 * count / whole:.1f} %)" for name, count in ordered
    ]


def _sweeps(summary: RunSummary) -> Iterator[str]:
    run = summary["runs"][0]
    sweeps = run["sweeps"]
    if not sweeps:
        return
    late = [sweep for sweep in sweeps if is_late(sweep["planned_s"], sweep["started_s"])]
    lost = [sweep for sweep in sweeps if sweep["outcome"] != "ok"]
    which = " (first replication)" if len(summary["runs"]) > 1 else ""
    yield f"  {len(sweeps)} ran, {len(late)} late, {len(lost)} lost{which}"
    shown = sweeps if len(sweeps) <= _MOST_SWEEPS else [s for s in sweeps if s in late or s in lost]
    if not shown:
        return
    yield "   planned  started    ended        let in       waiting  outcome"
    for sweep in shown[:_MOST_SWEEPS]:
        times = "".join(f"{sweep[key]:>7.1f} s" for key in ("planned_s", "started_s", "ended_s"))
        members = "".join(f"{_before_after(sweep, group):>14}" for group in ("passed", "waiting"))
        remark = " (late)" if sweep in late else ""
        yield f" {times}{members}  {sweep['outcome']}{remark}"
    if len(shown) > _MOST_SWEEPS:
        yield f"    and {len(shown) - _MOST_SWEEPS} more late or lost"


def _before_after(sweep: Mapping[str, Any], group: str) -> str:
    return f"{number(sweep[f'{group}_before'])} > {number(sweep[f'{group}_after'])}"


def _pairs(counts: Mapping[str, float], width: int) -> Iterator[str]:
    if counts:
        values = [f"{name} {number(count)}" for name, count in counts.items()]
        yield from wrapped("  ", values, width, "   ")


def _funnel(summary: RunSummary) -> Iterator[str]:
    funnel = summary["funnel"]
    users = sum(funnel.values())
    longest = max(map(len, funnel), default=0)
    for state, count in funnel.items():
        share = count / users if users else 0.0
        yield f"  {state:<{longest}} {number(count):>9}  {percent(share):>9}"
    if funnel:
        yield f"  {'all':<{longest}} {number(users):>9}"


def _invariants(summary: RunSummary, width: int) -> Iterator[str]:
    broken = {name: count for name, count in summary["invariants"].items() if count}
    kept = [name for name, count in summary["invariants"].items() if not count]
    several = len(summary["runs"]) > 1
    for name, count in broken.items():
        told = f"{number(count)} violation{'s' if count != 1 else ''}"
        worst = max(run["invariants"].get(name, 0) for run in summary["runs"])
        more = f" in the mean of the runs, {number(worst)} in the worst" if several else ""
        yield f"  BROKEN  {name}: {told}{more}"
    if kept:
        yield from wrapped("  kept    ", [f"{name}," for name in kept[:-1]] + kept[-1:], width, " ")


def _unknown(summary: RunSummary, width: int) -> Iterator[str]:
    found = summary.get("uncertainty")
    if found is None:
        return
    for line in in_words(found, QUANTITIES):
        yield from wrapped("  ", line.split(), width, " ")


def _remarks(summary: RunSummary, width: int) -> Iterator[str]:
    for remark in remarks(summary):
        yield from wrapped("  - ", remark.split(), width, " ")


def _closing(summary: RunSummary) -> list[str]:
    return [f"digest {summary['digest'][:16]}   wall time {summary['wall_seconds']:.1f} s"]
