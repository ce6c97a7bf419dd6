"""How far the cost table may be off, and cost tables that are as likely as the estimate.

A prediction for a system that was calibrated once is wrong by the errors of the calibration as
well as by chance. Runs that draw their costs within these errors scatter as much as they should.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sim.service.costs import Costs, CostsError, NormalStream, table_folder

_NESTED: Final = ("exceptions", "warm_up", "generator")
_SHARES: Final = frozenset({"warm_up.shared", "warm_up.exception_sensitivity"})


@dataclass(frozen=True, slots=True)
class CostErrors:
    """Errors of the logarithms of costs. Names are fields of `Costs`, dotted where they nest."""

    correlated: Mapping[str, Sequence[float]]
    """Name -> its row of the lower Cholesky factor of their covariance; row k has k + 1 numbers."""
    independent: Mapping[str, float]
    """Name -> standard error."""

    @classmethod
    def load(cls, without: str = "") -> CostErrors:
        """Read the shipped table, perhaps the one fitted without a measured run.

        Raises `CostsError` for a row of another length.
        """
        text = (table_folder(without) / "cost_errors.toml").read_text("utf-8")
        tables = tomllib.loads(text)
        errors = cls(tables["correlated"], tables["independent"])
        for number, (name, row) in enumerate(errors.correlated.items()):
            if len(row) != number + 1:
                raise CostsError(
                    f"cost_errors.toml: {name} has {len(row)} errors, not {number + 1}"
                )
        return errors

    def draw(self, costs: Costs, rng: NormalStream) -> Costs:
        """Return a cost table with errors drawn from `rng`; what is 0 stays 0, shares stay below 1.

        Raises `CostsError` for a name that is no cost.
        """
        drawn: list[float] = []
        logs: dict[str, float] = {}
        for name, row in self.correlated.items():
            drawn.append(rng.normal())
            logs[name] = math.fsum(factor * z for factor, z in zip(row, drawn, strict=True))
        for name, error in self.independent.items():
            logs[name] = error * rng.normal()
        return _multiplied(costs, {name: math.exp(log) for name, log in logs.items()})


def _multiplied(costs: Costs, factors: Mapping[str, float]) -> Costs:
    changes: dict[str, dict[str, Any]] = {part: {} for part in ("", *_NESTED)}
    for name, factor in factors.items():
        part, _, field = name.rpartition(".")
        holder = getattr(costs, part) if part in _NESTED else costs
        value = getattr(holder, field, None)
        if part not in changes or not isinstance(value, float):
            raise CostsError(f"cost_errors.toml: {name} is no cost")
        changes[part][field] = min(1.0, value * factor) if name in _SHARES else value * factor
    nested = {part: replace(getattr(costs, part), **changes[part]) for part in _NESTED}
    return replace(costs, **changes[""], **nested)
