"""A variant in every world that is drawn: in how many and where it helps, and where it harms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from typing_extensions import TypedDict

from experiments.statistics.quantities import Quantity

_SHARE_THAT_COUNTS: Final = 0.01
"""A point: smaller changes of a share count as none."""
_COUNT_THAT_COUNTS: Final = 1.0
_RELATIVE_THAT_COUNTS: Final = 0.02
"""Of everything else, durations and the like."""
_TAIL: Final = 0.05
_ERROR: Final = 0.05
_TRUSTED: Final = 0.75
"""Share of the worlds to be told apart that a rule holds, and share of those in what it holds."""


class Effect(TypedDict):
    """The change of one quantity over the worlds, variant minus base.

    `helps` and `harms` are shares of the worlds in which it changed for better or worse by more
    than counts (a point of a share, one row, 2 % of the rest); `low` and `high` hold 90 % of the
    changes. Quantities of which neither more nor less is better have neither.
    """

    helps: float | None
    harms: float | None
    median: float
    low: float
    high: float


class OverWorlds(TypedDict):
    """What a variant does in every world; `helpful` and `harmful` are numbers of replications.

    `helpful_where` and `harmful_where` say what these worlds have in common, as far as one value
    of one unknown tells them apart from the others.
    """

    worlds: int
    effects: dict[str, Effect]
    helpful: list[int]
    helpful_where: str
    harmful: list[int]
    harmful_where: str


def effect(quantity: Quantity, pairs: Sequence[tuple[float, float]]) -> Effect:
    """The effect on a quantity, from (base, variant) of at least one world."""
    changes = sorted(after - before for before, after in pairs)
    signs = [sign(quantity, before, after) for before, after in pairs]
    known = quantity.better != 0
    return {
        "helps": signs.count(1) / len(pairs) if known else None,
        "harms": signs.count(-1) / len(pairs) if known else None,
        "median": _quantile(changes, 0.5),
        "low": _quantile(changes, _TAIL),
        "high": _quantile(changes, 1 - _TAIL),
    }


def sign(quantity: Quantity, before: float, after: float) -> int:
    """1 if a change is for the better and counts, -1 if for the worse, else 0."""
    if quantity.unit == "share":
        counts = _SHARE_THAT_COUNTS
    elif quantity.unit in {"rows", "people"}:
        counts = _COUNT_THAT_COUNTS
    else:
        counts = _RELATIVE_THAT_COUNTS * max(abs(before), abs(after))
    change = (after - before) * quantity.better
    if abs(change) < counts or change == 0:
        return 0
    return 1 if change > 0 else -1


def _quantile(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation between ranks."""
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def features(world: Mapping[str, Any]) -> dict[str, Any]:
    """Of the drawn values of a world those that can be compared: numbers, texts, switches.

    Stages of a load become their highest target and their end.
    """
    found: dict[str, Any] = {}
    for key, value in world.items():
        if isinstance(value, bool | int | float | str):
            found[key] = value
        elif isinstance(value, list) and value and all("duration_s" in one for one in value):
            found["people at most"] = max(one["target"] for one in value)
            found["end of the load (s)"] = sum(one["duration_s"] for one in value)
    return found


def in_common(worlds: Sequence[Mapping[str, Any]], chosen: Sequence[int]) -> str:
    """The one comparison that tells some worlds best from the others, in words.

    Empty if there is none: if no comparison holds three quarters of these worlds with three
    quarters of what it holds being among them, or if chance would find one as good among as many
    comparisons in more than 5 of 100 cases (Fisher's exact test, corrected by Bonferroni). Few
    worlds have no such comparison.

    Args:
        worlds: the drawn values of each.
        chosen: numbers of the worlds to be told apart.
    """
    if not 0 < len(chosen) < len(worlds):
        return ""
    wanted = set(chosen)
    rules = _rules([features(world) for world in worlds])
    best: tuple[float, str] = (0.0, "")
    for rule, inside in rules:
        hits = len(wanted & inside)
        if not inside or len(inside) == len(worlds):
            continue
        recall, precision = hits / len(wanted), hits / len(inside)
        if min(recall, precision) < _TRUSTED or recall + precision <= best[0]:
            continue
        if len(rules) * _by_chance(hits, len(inside), len(wanted), len(worlds)) > _ERROR:
            continue
        words = f"{rule} ({hits} of the {len(wanted)}; {len(inside)} worlds are like that)"
        best = (recall + precision, words)
    return best[1]


def _by_chance(hits: int, inside: int, wanted: int, worlds: int) -> float:
    """Probability of so many hits or more, were the wanted worlds drawn at random."""
    ways = sum(
        math.comb(inside, k) * math.comb(worlds - inside, wanted - k)
        for k in range(hits, min(inside, wanted) + 1)
    )
    return ways / math.comb(worlds, wanted)


def _rules(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, set[int]]]:
    """Comparisons of one feature with one value, and the worlds that they hold."""
    found: list[tuple[str, set[int]]] = []
    for key in dict.fromkeys(key for row in rows for key in row):
        values = {number: row[key] for number, row in enumerate(rows) if key in row}
        distinct = list(dict.fromkeys(values.values()))
        if all(isinstance(one, int | float) and not isinstance(one, bool) for one in distinct):
            for limit in sorted(distinct)[1:]:
                below = {number for number, value in values.items() if value < limit}
                found.append((f"{key} below {limit:.4g}", below))
                found.append((f"{key} of at least {limit:.4g}", set(values) - below))
        else:
            for wanted in distinct:
                same = {number for number, value in values.items() if value == wanted}
                shown = str(wanted).lower() if isinstance(wanted, bool) else wanted
                found.append((f"{key} = {shown}", same))
    return found


def over_worlds(
    quantities: Sequence[Quantity],
    pairs: Mapping[str, Sequence[tuple[float, float]]],
    worlds: Sequence[Mapping[str, Any]],
    deciding: str,
) -> OverWorlds:
    """What a variant does in every world.

    Args:
        quantities: which.
        pairs: by name of the quantity, (base, variant) of each world in order; a quantity without
            a number in some world is left out.
        worlds: the drawn values of each.
        deciding: name of the quantity that says whether a world is harmed.
    """
    by_name = {one.name: one for one in quantities}
    signs = [sign(by_name[deciding], *pair) for pair in pairs.get(deciding, ())]
    helpful = [number for number, found in enumerate(signs) if found > 0]
    harmful = [number for number, found in enumerate(signs) if found < 0]
    return {
        "worlds": len(worlds),
        "effects": {name: effect(by_name[name], found) for name, found in pairs.items() if found},
        "helpful": helpful,
        "helpful_where": in_common(worlds, helpful),
        "harmful": harmful,
        "harmful_where": in_common(worlds, harmful),
    }
