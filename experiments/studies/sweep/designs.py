"""Which values of which keys a sweep tries: grids, Latin hypercubes, samples for sensitivities."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final

from experiments.config.sources import parse_value, show_value
from experiments.config.toml_text import TomlError
from experiments.errors import ConfigError

_OPTION = "--param"
MOST_POINTS: Final = 10_000
"""Each is a whole checked config."""
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

    @property
    def is_range(self) -> bool:
        """Whether it is a range."""
        return not self.values

    def at(self, share: float) -> float | int:
        """The value at a share (0 to 1) of the range; whole when both ends are."""
        value = self.low + share * (self.high - self.low)
        return round(value) if self.whole else value


def parse_parameter(text: str) -> Parameter:
    """Read `key=v1,v2,v3` or `key=low..high`.

    Raises:
        ConfigError: it is neither.
    """
    key, equals, rest = text.partition("=")
    key = key.strip()
    allowed = "allowed: key=v1,v2,v3 with TOML values, or key=low..high with numbers"
    if not equals or not key or not rest.strip():
        shown = show_value(text).strip('"')
        raise ConfigError(_OPTION, "", f"'{shown}': {allowed}")
    low, dots, high = rest.partition("..")
    shown = show_value(rest).strip('"')
    try:
        found = parse_value(f"[{low}, {high}]" if dots else f"[{rest}]")
    except TomlError as error:
        raise ConfigError(_OPTION, key, allowed, value=shown) from error
    if not isinstance(found, list) or not found:
        raise ConfigError(_OPTION, key, allowed, value=shown)
    if not dots:
        return Parameter(key, tuple(found))
    numbers = [end for end in found if isinstance(end, int | float) and not isinstance(end, bool)]
    if len(numbers) != 2 or not numbers[0] < numbers[1]:  # noqa: PLR2004 (both ends)
        raise ConfigError(_OPTION, key, "allowed: low..high, low below high", value=shown)
    whole = all(isinstance(end, int) for end in numbers)
    return Parameter(key, (), float(numbers[0]), float(numbers[1]), whole)


def assignment(key: str, value: Any) -> str:
    """The `--set` that gives a key a value."""
    return f"{key}={_toml(value)}"


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        items = [f"{_toml_key(key)} = {_toml(inner)}" for key, inner in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, float):
        return repr(value)
    # JSON's escapes are TOML's, but for characters beyond 16 bits, which stay as they are.
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else show_value(value)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def grid(parameters: Sequence[Parameter]) -> list[Point]:
    """Every combination. Raises ConfigError for a range, which has no values."""
    _demand(parameters, ranges=False, design="a grid")
    _check_points(math.prod(len(parameter.values) for parameter in parameters))
    return list(itertools.product(*(parameter.values for parameter in parameters)))


def latin_hypercube(parameters: Sequence[Parameter], samples: int, seed: int) -> list[Point]:
    """`samples` points, one in each of as many slices of every range."""
    _demand(parameters, ranges=True, design="a Latin hypercube")
    _check_points(samples)
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
        raise ConfigError("--sobol", "", f"{samples}; allowed: a power of two, such as 64")
    _check_points(samples * (len(parameters) + 2))
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
    _check_points(samples * (len(parameters) + 1))
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
            raise ConfigError(_OPTION, parameter.key, f"{design} needs {wanted}")


def _check_points(count: int) -> None:
    if count > MOST_POINTS:
        raise ConfigError(_OPTION, "", f"{count:,} points; allowed: up to {MOST_POINTS:,}")
