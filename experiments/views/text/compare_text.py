"""A comparison for people: which variant to take, then one line per variant, best first."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from experiments.statistics.intervals import FEWEST_FOR_INTERVALS
from experiments.statistics.quantities import (
    COMPARED_OF_APPLICATIONS,
    FAILED,
    FAILED_BUT_REFUSED,
    QUANTITIES,
    WAITING_ROOM,
    Quantity,
)
from experiments.statistics.ranking import broken
from experiments.statistics.uncertainty import in_words
from experiments.statistics.verdict import Verdict
from experiments.studies.compare.coverage import in_words as in_words_of_runs
from experiments.studies.compare.differences import ComparisonResult, Difference, VariantRow
from experiments.studies.compare.over_worlds import Effect, OverWorlds
from experiments.views.text.run_text import (
    in_unit,
    number,
    percent,
    scale_suffix,
    shown_threshold,
    words,
    wrapped,
)
from experiments.views.text.verdict_text import (
    WORDS,
    all_failures,
    demand,
    has_seats,
    headline,
    scale_words,
)

NARROWEST, WIDEST = 40, 120
AS_IT_IS = "(as it is)"
"""How the config itself is called among its variants."""
_SHORT = {
    "tokens": "tokens",
    "bookings": "sold",
    "payments": "paid",
    "p95": "p95",
    "goodput": "paid/min",
    "waiting_median": "wait p50",
    "waiting_p95": "wait p95",
    "never_let_in": "never in",
    "places_lost": "places lost",
    "unevenness": "unevenness",
    "violations": "violations",
    "refused": "refused",
}
_MOST_MISSING = 6
_BUYING = "buying failed"
"""The quantity where nothing fails; of an application it has a column of its own."""
_TEXTS = frozenset({"variant", "verdict"})
"""Columns that are read from the left."""
_MARKS = {
    "better": "+",
    "worse": "-",
    "more": ">",
    "fewer": "<",
    "no difference shown": "=",
    "undecided": "?",
}


def render(comparison: ComparisonResult, width: int) -> str:
    """The decision in brief; lines are at most `width` long, between 80 and 120."""
    width = max(NARROWEST, min(width, WIDEST))
    parts = [
        _decision(comparison, width),
        _ranks(comparison, width),
        _first_choices(comparison, width),
        _over_worlds(comparison, width),
        _brief_remarks(comparison, width),
    ]
    return _joined(parts)


def render_verbose(comparison: ComparisonResult, width: int) -> str:
    """The whole comparison: every quantity with its interval and what its difference shows."""
    width = max(NARROWEST, min(width, WIDEST))
    parts = [
        _decision(comparison, width),
        _ranks(comparison, width),
        _heading(comparison, width),
        _violations(comparison, width),
        _failures(comparison),
        _others(comparison),
        _waiting_room(comparison, width),
        _first_choices(comparison, width),
        _over_worlds(comparison, width),
        _measured(comparison),
        _remarks(comparison, width),
    ]
    return _joined(parts)


def _joined(parts: Iterable[Iterable[str]]) -> str:
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines) + "\n"


def _decision(comparison: ComparisonResult, width: int) -> Iterator[str]:
    """The recommendation, and the verdict on the config as it is."""
    yield from wrapped("", words(f"{comparison['config']}: {decision(comparison)}"), width, " ")
    yield from _ended_early(comparison, width)
    verdict = comparison.get("base_verdict")
    if verdict is not None:
        yield from wrapped("", words(headline("as it is", verdict)), width, " ")


def _ended_early(comparison: ComparisonResult, width: int) -> Iterator[str]:
    """Why a comparison is not whole, and how many runs each variant has."""
    if comparison["partial"]:
        yield "PARTIAL: interrupted; this is what was measured so far"
    runs = comparison.get("runs")
    if runs:
        more = "the same command with --out makes the missing ones"
        yield from wrapped("", words(f"{in_words_of_runs(runs)}; {more}"), width, " ")


def is_ranked(comparison: ComparisonResult) -> bool:
    """Whether enough runs are done to rank the variants."""
    return bool(comparison.get("base_rank", 1))


def decision(comparison: ComparisonResult) -> str:
    """Which variant to take, in a sentence."""
    best = comparison.get("recommended", [])
    if not is_ranked(comparison):
        return "not ranked: too few runs are done to compare by"
    if len(best) > 1:
        return f"recommended: {' or '.join(best)}; the runs cannot tell them apart"
    if best:
        return f"recommended: {best[0]}"
    if not comparison["variants"] or "base_verdict" not in comparison:
        return "compared"
    return _nothing_recommended(comparison["base_verdict"], comparison["variants"])


def _nothing_recommended(base: Verdict, rows: Sequence[VariantRow]) -> str:
    if min(row["replications"] for row in rows) < FEWEST_FOR_INTERVALS:
        return f"no recommendation from fewer than {FEWEST_FOR_INTERVALS} replications"
    if base["outcome"] == "holds":
        return "no variant is shown to be better; as it is, everything is met"
    if any(map(_meets, rows)):
        return "no variant that meets everything is shown to be better than the config as it is"
    better = [row for row in rows if row["against_base"] == "better"]
    if not better:
        return "no variant meets everything, and none is shown to be better"
    nearest = better[0]
    missing = all_failures(nearest["verdict"]) or nearest["verdict"]["open"]
    tied = [row["name"] for row in better if row["rank"] == nearest["rank"]]
    come = "comes nearest" if len(tied) == 1 else "come nearest and cannot be told apart"
    return f"no variant meets everything; {' and '.join(tied)} {come}, not met there: {missing[0]}"


def _meets(row: VariantRow) -> bool:
    return row["verdict"]["outcome"] == "holds"


def _ranks(comparison: ComparisonResult, columns: int) -> Iterator[str]:
    """One line for the config as it is and each variant: rank, verdict, seats, the rest."""
    verdict = comparison.get("base_verdict")
    if verdict is None:
        return
    rows = [_base_cells(comparison, verdict)]
    rows += [
        _cells(comparison, row["rank"], row["name"], row["verdict"])
        for row in comparison["variants"]
    ]
    if not is_ranked(comparison):
        yield from _table(rows, columns)
        return
    rows.sort(key=lambda cells: int(cells["rank"]))
    yield from _table(rows, columns)
    yield from _missing(comparison, verdict, columns)
    failing = comparison.get("failing", "")
    seats = "most seats sold (reserved or paid at the end), then " if has_seats(verdict) else ""
    rule = (
        f"rank: fewest invariants broken, fewest demands not met, then {seats}{failing}; the same "
        "rank: the runs cannot tell them apart"
    )
    yield from wrapped("", words(rule), columns, " ")


def _missing(comparison: ComparisonResult, base: Verdict, columns: int) -> Iterator[str]:
    """Which demands are not met, one line for all the variants that miss the same ones."""
    found: dict[tuple[str, ...], list[str]] = {}
    named = [(AS_IT_IS, base), *((row["name"], row["verdict"]) for row in comparison["variants"])]
    for name, verdict in named:
        demands = tuple(dict.fromkeys(map(demand, verdict["failures"])))
        if demands:
            found.setdefault(demands, []).append(name)
    lines = list(found.items())
    for demands, names in lines[:_MOST_MISSING]:
        text = f"not met by {', '.join(names)}: {', '.join(demands)}"
        yield from wrapped("", words(text), columns, " ")
    if len(lines) > _MOST_MISSING:
        yield f"and {len(lines) - _MOST_MISSING} other sets of demands not met: --json"


def _table(rows: Sequence[Mapping[str, str]], columns: int) -> Iterator[str]:
    """Rows below the names of their cells; a sentence for each row where they do not fit."""
    widths = {head: max(len(head), *(len(row[head]) for row in rows)) for head in rows[0]}
    if sum(widths.values()) + 2 * (len(widths) - 1) > columns:
        for row in rows:
            first, *others = row.items()
            text = ", ".join(f"{head} {cell}" for head, cell in others)
            yield from wrapped(f"{first[1]:>4}  ", words(text), columns, " ")
        return
    for line in (dict(zip(widths, widths, strict=True)), *rows):
        cells = (
            f"{line[head]:<{width}}" if head in _TEXTS else f"{line[head]:>{width}}"
            for head, width in widths.items()
        )
        yield "  ".join(cells).rstrip()


def _base_cells(comparison: ComparisonResult, verdict: Verdict) -> dict[str, str]:
    return _cells(comparison, comparison.get("base_rank", 0), AS_IT_IS, verdict)


def _cells(comparison: ComparisonResult, rank: int, name: str, verdict: Verdict) -> dict[str, str]:
    """Name of a cell -> what stands in it."""
    cells = {
        "rank": f"{rank or '-':>4}",
        "variant": name,
        "verdict": WORDS[verdict["outcome"]],
        "not met": str(broken(verdict)),
    }
    cells |= _sold(verdict) if has_seats(verdict) else _answered(_values_of(comparison, name))
    failing = comparison.get("failing")
    if failing and not (failing == _BUYING and not has_seats(verdict)):
        value = comparison.get("failing_values", {}).get(name)
        cells[failing] = _failing(failing, value)
    return cells


def _sold(verdict: Verdict) -> dict[str, str]:
    """Seats sold, and people without a seat, at full size."""
    size = min(1.0, verdict["scale"])
    counts = {
        "seats sold": verdict["seats"]["standing"],
        "paid": verdict["seats"]["paid"],
        "shut out": verdict["people"]["shut_out"],
    }
    return {head: number(round(count / size)) for head, count in counts.items()}


def _values_of(comparison: ComparisonResult, name: str) -> Mapping[str, float | None]:
    """Every quantity of the config as it is, or of a variant."""
    for row in comparison["variants"]:
        if row["name"] == name:
            return {key: found["variant"] for key, found in row["quantities"].items()}
    return comparison["base"]


def _answered(values: Mapping[str, float | None]) -> dict[str, str]:
    """How an application of the user's own answered: it has no seats that are known here."""
    known = [one for one in COMPARED_OF_APPLICATIONS if one.name in values]
    # With whole words a usual table is two columns wider than a terminal.
    heads = {FAILED_BUT_REFUSED.name: _BUYING, "violations": "broken", "p95": "p95"}
    return {heads.get(one.name, one.name): in_unit(values[one.name], one.unit) for one in known}


def _failing(name: str, value: float | None) -> str:
    if name.endswith(" failed"):
        return "-" if value is None else percent(value)
    return shown_threshold(name.partition(" ")[0], value)


def _left_early(comparison: ComparisonResult, width: int) -> Iterator[str]:
    """Of a race: who got no further replications, and behind which variant."""
    behind: dict[tuple[int, str, str], list[str]] = {}
    for row in comparison["variants"]:
        if "left" in row:
            why = row["left"]
            behind.setdefault((why["after"], why["ahead"], why["quantity"]), []).append(row["name"])
    for (after, ahead, quantity), names in sorted(behind.items()):
        text = (
            f"no further runs after {after} replications: {', '.join(names)}; "
            f"{ahead} is clearly better in {quantity} and breaks nothing that they keep"
        )
        yield from wrapped("- ", words(text), width, " ")


def _brief_remarks(comparison: ComparisonResult, width: int) -> Iterator[str]:
    yield from _left_early(comparison, width)
    if is_ranked(comparison) and not comparison.get("recommended"):
        # A comparison keeps no time series, so it cannot say itself how busy a limit was.
        text = "how busy each limit was: ticketsim run CONFIG --out DIR, then ticketsim report DIR"
        yield from wrapped("- ", words(text), width, " ")
    for warning in comparison["warnings"]:
        yield from wrapped("- ", words(warning), width, " ")
    scale = scale_words(comparison["scale"])
    made = [row["replications"] for row in comparison["variants"]]
    least, most = min(made, default=0), max(made, default=0)
    runs = f"{most} replications each" if least == most else f"{least} to {most} replications each"
    about = ", ".join(part for part in (f"seed {comparison['seed']}", runs, scale) if part)
    yield from wrapped("", words(about), width, " ")
    yield (
        f"digest {comparison['digest'][:16]}   wall time {comparison['wall_seconds']:.1f} s   "
        "every quantity: --verbose"
    )


def _heading(comparison: ComparisonResult, width: int) -> Iterator[str]:
    scale = scale_suffix(comparison["scale"])
    yield (
        f"{comparison['config']}: seed {comparison['seed']}{scale}, "
        f"{len(comparison['variants'])} variants, each minus the config as it is"
    )
    if comparison["partial"]:
        yield "PARTIAL: interrupted; this is what was measured so far"
    yield from _as_it_is("as it is: ", comparison, known_quantities(comparison), width)


def known_quantities(comparison: ComparisonResult) -> Sequence[Quantity]:
    """The quantities that the simulated service has."""
    base = comparison.get("base_verdict")
    if base is None or has_seats(base):
        return QUANTITIES
    # Comparisons that were kept by an earlier version have fewer.
    return [one for one in COMPARED_OF_APPLICATIONS if one.name in comparison["base"]]


def deciding_quantity(comparison: ComparisonResult) -> Quantity:
    """The quantity of failures by which variants are judged."""
    known = known_quantities(comparison)
    return FAILED_BUT_REFUSED if FAILED_BUT_REFUSED in known else FAILED


def _as_it_is(
    label: str, comparison: ComparisonResult, quantities: Sequence[Quantity], width: int
) -> Iterator[str]:
    base = comparison["base"]
    values = [f"{one.label} {in_unit(base[one.name], one.unit)}," for one in quantities]
    yield from wrapped(label, [*values[:-1], values[-1].rstrip(",")], width, " ")


def _name_width(comparison: ComparisonResult) -> int:
    return max(len("variant"), *(len(row["name"]) for row in comparison["variants"]))


def _violations(comparison: ComparisonResult, columns: int) -> Iterator[str]:
    """Which invariants broke, and how often in the mean of the runs, before everything else."""
    base = comparison.get("base_verdict")
    if base is None:
        return
    rows = [(AS_IT_IS, base), *((row["name"], row["verdict"]) for row in comparison["variants"])]
    if not any(verdict["invariants"] for _, verdict in rows):
        return
    width = max(len(name) for name, _ in rows)
    yield "broken invariants: violations, means of the runs"
    for name, verdict in rows:
        told = [f"{what} {number(count)}" for what, count in verdict["invariants"].items()]
        yield from wrapped(f"{name:<{width}}  ", [", ".join(told) or "none"], columns)


def _failures(comparison: ComparisonResult) -> Iterator[str]:
    """The deciding quantity, with intervals and verdicts."""
    width = _name_width(comparison)
    deciding = deciding_quantity(comparison)
    if deciding is not FAILED:
        yield "requests that failed, refusals (402, 403, 409, 410) apart"
    yield (
        f"{'variant':<{width}} {'failed':>9} {'points':>8} {'95 % interval':>18} {'runs':>5}"
        "  verdict"
    )
    for row in comparison["variants"]:
        found = row["quantities"][deciding.name]
        yield (
            f"{row['name']:<{width}} {in_unit(found['variant'], deciding.unit):>9} "
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


def _others(comparison: ComparisonResult) -> Iterator[str]:
    """The other quantities: the variant's value and what its difference shows."""
    decides = deciding_quantity(comparison)
    yield from _values(
        comparison, [one for one in known_quantities(comparison) if one is not decides]
    )
    yield "+ better  - worse  > more  < fewer  = no difference shown  ? undecided"


def _waiting_room(comparison: ComparisonResult, width: int) -> Iterator[str]:
    """The same of who waits, and for whom in vain, where anybody waits."""
    found = [row["quantities"][one.name] for row in comparison["variants"] for one in WAITING_ROOM]
    if all(one["base"] is None and one["variant"] is None for one in found):
        return
    yield from _as_it_is("waiting room as it is: ", comparison, WAITING_ROOM, width)
    yield from _values(comparison, WAITING_ROOM)


def _values(comparison: ComparisonResult, quantities: Sequence[Quantity]) -> Iterator[str]:
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


def _over_worlds(comparison: ComparisonResult, width: int) -> Iterator[str]:
    """Where something is unknown: in how many worlds each variant helps, and where it harms."""
    uncertainty = comparison.get("uncertainty")
    rows = [row for row in comparison["variants"] if "over_worlds" in row]
    if uncertainty is None or not rows:
        return
    yield from wrapped("", " ".join(in_words(uncertainty, QUANTITIES)).split(), width, " ")
    names = _name_width(comparison)
    yield "share of worlds in which it helps / harms; median change (90 % of worlds)"
    yield f"{'variant':<{names}}" + "".join(
        f"{label:>28}" for label in ("failed, points", "booked", "paid")
    )
    for row in rows:
        effects = row["over_worlds"]["effects"]
        yield f"{row['name']:<{names}}" + "".join(
            f"{_effect(effects.get(name), scale):>28}"
            for name, scale in (("failed", 100.0), ("bookings", 1.0), ("payments", 1.0))
        )
    for row in rows:
        for line in _where(row["name"], row["over_worlds"]):
            yield from wrapped("", line.split(), width, " ")


def _where(name: str, found: OverWorlds) -> Iterator[str]:
    """What the worlds have in common in which a variant helps, and in which it harms."""
    for said, chosen, where in (
        ("fewer", found["helpful"], found["helpful_where"]),
        ("more", found["harmful"], found["harmful_where"]),
    ):
        if where:
            count = f"{len(chosen)} of {found['worlds']} worlds"
            yield f"- {name}: {said} requests fail in {count}: {where}"


def _first_choices(comparison: ComparisonResult, width: int) -> Iterator[str]:
    """The first choice for each cost, where inputs are unknown and variants state a cost."""
    if "first_choices" not in comparison:
        return
    choices = comparison["first_choices"]
    if not choices:
        yield "robust choice: no variant that states a cost is better than none"
        return
    heading = (
        "robust choice for each cost: most seats gained at the lower end of the 90 % of the "
        "worlds, then in the median world, then fewest failed requests"
    )
    yield from wrapped("", heading.split(), width, " ")
    names = max(len("variant"), *(len(choice["name"]) for choice in choices))
    heads = f"{'booked':>28}{'failed, points':>28}"
    yield f"{'cost':>6}  {'variant':<{names}}{heads}"
    for choice in choices:
        booked, failed = _effect(choice["booked"], 1.0), _effect(choice["failed"], 100.0)
        yield f"{choice['cost']:>6g}  {choice['name']:<{names}}{booked:>28}{failed:>28}"


def _effect(found: Effect | None, scale: float) -> str:
    if found is None:
        return "-"
    shares = f"{found['helps'] or 0.0:.0%}/{found['harms'] or 0.0:.0%}"
    middle, low, high = (round(scale * found[key]) for key in ("median", "low", "high"))
    return f"{shares} {middle:+d} ({low:+d} to {high:+d})"


def _measured(comparison: ComparisonResult) -> Iterator[str]:
    rows = [row for row in comparison["variants"] if row.get("measured")]
    if not rows:
        return
    yield "beside runs of the real system: as it was > with the fix"
    for row in rows:
        yield f"  {row['name']}"
        yield from _beside(row)


def _beside(row: VariantRow) -> Iterator[str]:
    by_name = {quantity.name: quantity for quantity in QUANTITIES}
    for measured in row.get("measured", []):
        quantity = by_name[measured["quantity"]]
        show = functools.partial(in_unit, unit=quantity.unit)
        found = row["quantities"][quantity.name]
        simulated = f"{show(found['base'])} > {show(found['variant'])}"
        real = f"{show(measured['base'])} > {show(measured['variant'])}"
        yield f"    {quantity.label:<16} simulated {simulated:<22} measured {real}"


def _remarks(comparison: ComparisonResult, width: int) -> Iterator[str]:
    yield from _left_early(comparison, width)
    for warning in comparison["warnings"]:
        yield from wrapped("- ", words(warning), width, " ")
    yield from wrapped("", comparison["correction"].split(), width, " ")
    yield f"digest {comparison['digest'][:16]}   wall time {comparison['wall_seconds']:.1f} s"
