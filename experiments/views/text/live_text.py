"""A live run for people: how many measured numbers were predicted, then the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from experiments.studies.live.numbers import kind_of
from experiments.studies.live.study import LiveNumber, LiveResult

_NUMBER_WIDTH: Final = 24
_MOST_DIGITS: Final = 3


def render(result: LiveResult, width: int) -> str:
    """The whole text, ending with a newline."""
    return "\n".join([*_lines(result, width), ""])


def _lines(result: LiveResult, width: int) -> Iterator[str]:
    inside, judged = result["inside"], result["judged"]
    if judged:
        yield (
            f"{inside} of {judged} measured numbers ({100 * inside / judged:.0f} %) lie inside the "
            "95 % interval that was predicted for them."
        )
    elif all(row["measured"] is None for row in result["rows"]):
        yield "The prediction, written down before the real programs run."
    else:
        yield "Nothing could be judged: intervals need at least 3 replications."
    yield (
        f"{result['config']} at scale {result['scale']:g}, {result['load_s']:g} s of load, "
        f"{result['replications']} replications."
    )
    yield _calibration(result["calibration"])
    yield ""
    longest = max((len(row["name"]) for row in result["rows"]), default=0)
    names = max(12, min(longest, width - 4 * _NUMBER_WIDTH // 2))
    yield f"{'':<{names}}  {'predicted':>11}  {'95 % interval':>{_NUMBER_WIDTH}}  {'measured':>11}"
    for row in result["rows"]:
        yield _line(row, names)


def _calibration(fitted: list[str] | None) -> str:
    if fitted is None:
        return (
            "Not calibrated: the prediction has the costs of the measured system and not of this "
            "service. --calibrate fits its speed first."
        )
    if not fitted:
        return "The calibration could not tell the service's speed: the default stayed."
    return f"Calibrated: {', '.join(fitted)}."


def _line(row: LiveNumber, names: int) -> str:
    name = row["name"]
    shown = name if len(name) <= names else f"{name[: names - 3]}..."
    interval = row["pi95"]
    between = "-" if interval is None else " to ".join(_number(name, end) for end in interval)
    mark = {True: "", False: "  OUTSIDE", None: "  not judged"}[row["inside"]]
    return (
        f"{shown:<{names}}  {_number(name, row['simulated']):>11}  {between:>{_NUMBER_WIDTH}}  "
        f"{_number(name, row['measured']):>11}{mark}"
    )


def _number(name: str, value: float | None) -> str:
    """A number with its unit: shares in per cent, latencies in milliseconds, counts bare."""
    if value is None:
        return "-"
    if kind_of(name) == "share":
        return f"{100 * max(0.0, value):.2f} %"
    if kind_of(name) == "count":
        return f"{max(0.0, value):,.0f}"
    return f"{max(0.0, value):.{_MOST_DIGITS}g} ms"
