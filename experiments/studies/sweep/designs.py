"""Which values of which keys a sweep tries: grids, Latin hypercubes, samples for sensitivities."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, Final

from experiments.config.changes import Change
from experiments.config.sources import parse_value, show_value
from experiments.config.toml_text import TomlError
from experiments.errors import ConfigError, OptionError

PARAM: Final = "--param"
MOST_POINTS: Final = 10_000
"""Each is a whole checked config."""
_ALLOWED: Final = "allowed: key=v1,v2,v3 with TOML values, or key=low..high with numbers"
Point = tuple[Any, ...]
"""One value per parameter, in their order."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A key with the values to try, or with the range that they are taken from."""

    key: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    source: str = PARAM
    """How messages name the place where it was asked for."""

    def change(self, value: Any) -> Change:
        """The change that gives the key one of its values."""
        return Change(self.key, value, self.source)

    @property
    def is_range(self) -> bool:
        """Whether it is a range."""
        return not self.values

    def at(self, share: float) -> float | int:
        """The value at a share (0 to 1) of the range; whole when both ends are."""
        value = self.low + share * (self.high - self.low)
        return round(value) if self.whole else value


def parse_parameter(text: str) -> Parameter:
    """Read `key=v1,v2,v3` or `key=low..high`, as `--param` takes it.

    Raises:
        ConfigError: it is neither.
    """
    key, equals, values = text.partition("=")
    if not equals or not key.strip() or not values.strip():
        shown = show_value(text).strip('"')
        raise ConfigError(PARAM, "", f"'{shown}': {_ALLOWED}")
    return parse_values(key.strip(), values, PARAM)


def parse_values(key: str, text: str, source: str) -> Parameter:
    """Read the values of a key, `v1,v2,v3` as TOML, or its range, `low..high`.

    Raises:
        ConfigError: the text is neither; names `source`.
    """
    low, dots, high = text.partition("..")
    shown = show_value(text).strip('"')
    try:
        values = parse_value(f"[{low}, {high}]" if dots else f"[{text}]")
    except TomlError as error:
        raise ConfigError(source, key, _ALLOWED, value=shown) from error
    if not isinstance(values, list) or not values:
        raise ConfigError(source, key, _ALLOWED, value=shown)
    if not dots:
        return Parameter(key, tuple(values), source=source)
    ends = [end for end in values if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(ends) != 2 or not ends[0] < ends[1]:  # noqa: PLR2004 (both ends)
        raise ConfigError(source, key, "allowed: low..high, low below high", value=shown)
    whole = all(isinstance(end, int) for end in ends)
    return Parameter(key, (), float(ends[0]), float(ends[1]), whole, source)


def grid(parameters: Sequence[Parameter]) -> list[Point]:
    """Every combination. Raises ConfigError for a range, which has no values."""
    _demand(parameters, ranges=False, design="a grid")
    _check_points(parameters, math.prod(len(parameter.values) for parameter in parameters))
    return list(itertools.product(*(parameter.values for parameter in parameters)))


def latin_hypercube(parameters: Sequence[Parameter], samples: int, seed: int) -> list[Point]:
    """`samples` points, one in each of as many slices of every range."""
    _demand(parameters, ranges=True, design="a Latin hypercube")
    _check_points(parameters, samples)
    from scipy.stats import qmc

    shares = qmc.LatinHypercube(len(parameters), rng=seed).random(samples)
    return [_point(parameters, row) for row in shares]


def _point(parameters: Sequence[Parameter], shares: Sequence[float]) -> Point:
    return tuple(
        parameter.at(float(share)) for parameter, share in zip(parameters, shares, strict=True)
    )


def sobol_points(parameters: Sequence[Parameter], samples: int, seed: int) -> list[Point]:
    """Saltelli's sample for first and total indices: samples x (parameters + 2) points.

    Raises:
        ConfigError: no range, or a number of samples that is no power of two.
    """
    _demand(parameters, ranges=True, design="--sobol")
    if samples.bit_count() != 1:
        raise OptionError("sobol", f"{samples}; allowed: a power of two, such as 64")
    _check_points(parameters, samples * (len(parameters) + 2))
    from SALib.sample import sobol

    problem = unit_problem(parameters)
    shares = sobol.sample(problem, samples, calc_second_order=False, seed=seed)
    return [_point(parameters, row) for row in shares]


def morris_points(parameters: Sequence[Parameter], samples: int, seed: int) -> list[Point]:
    """Morris' trajectories: samples x (parameters + 1) points."""
    return [_point(parameters, row) for row in morris_shares(parameters, samples, seed)]


def morris_shares(parameters: Sequence[Parameter], samples: int, seed: int) -> Any:
    """The trajectories in shares of the ranges: one row per point, one column per parameter."""
    _demand(parameters, ranges=True, design="--morris")
    _check_points(parameters, samples * (len(parameters) + 1))
    from SALib.sample import morris

    return morris.sample(unit_problem(parameters), samples, num_levels=4, seed=seed)


def unit_problem(parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The parameters as SALib names them, each from 0 to 1."""
    return {
        "num_vars": len(parameters),
        "names": [parameter.key for parameter in parameters],
        "bounds": [[0.0, 1.0]] * len(parameters),
    }


def _demand(parameters: Sequence[Parameter], *, ranges: bool, design: str) -> None:
    for parameter in parameters:
        if parameter.is_range != ranges:
            wanted = "a range, key=low..high" if ranges else "values, key=v1,v2,v3"
            raise ConfigError(parameter.source, parameter.key, f"{design} needs {wanted}")


def _check_points(parameters: Sequence[Parameter], count: int) -> None:
    if count > MOST_POINTS:
        raise ConfigError(
            parameters[0].source, "", f"{count:,} points; allowed: up to {MOST_POINTS:,}"
        )
