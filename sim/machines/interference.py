"""Slows down the service's own work from outside: a busy neighbour, a shared machine.

Both effects are as measured (docs/calibration.md, whole runs). Worlds without them are unchanged.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Steps
    from sim.kernel.random_streams import Stream
    from sim.load.generator import Generator
    from sim.service.charges import Charges
    from sim.service.costs import Costs
    from sim.world import World

_LOOK_S: Final = 1.0
# The variation was measured from one window of ten seconds to the next.
_REDRAW_S: Final = 10.0


class Interference:
    """Sets the factor on the service's work once a second."""

    def __init__(
        self,
        env: Environment,
        world: World,
        costs: Costs,
        generator: Generator,
        charges: Charges,
        rng: Stream,
    ) -> None:
        self._env = env
        self._generator = generator
        self._charges = charges
        self._rng = rng
        self._beside = costs.busy_generator_factor if world.generator.beside_service else 1.0
        self._cv = costs.speed_cv if world.host.speed_varies else 0.0
        self._run = 1.0
        if world.host.speed_varies:
            tail = self._tail(costs.run_speed_degrees) if world.service.costs_uncertain else 1.0
            self._run = self._factor(costs.run_speed_cv, tail)
        self._drift = 1.0

    def start(self) -> None:
        """Begin, unless there is nothing that could interfere."""
        if self._cv:
            self._env.process(self._vary())
        if self._cv or self._beside > 1.0:
            self._env.process(self._slow_down())

    def _factor(self, cv: float, tail: float = 1.0) -> float:
        """Draw a log-normal factor of mean 1; `tail` widens it about the same median."""
        variance = math.log1p(cv**2)
        return math.exp(math.sqrt(variance) * tail * self._rng.normal() - variance / 2.0)

    def _tail(self, degrees: float) -> float:
        """Draw the factor that turns a normal number into a Student t number for a new run.

        Mean and variation were estimated from `degrees` + 1 runs, so one more is farther from that
        mean: t sqrt(1 + 1/n), t being a normal number over sqrt(chi square / degrees).
        """
        chi_square = math.fsum(self._rng.normal() ** 2 for _ in range(round(degrees)))
        return math.sqrt(degrees / chi_square * (1.0 + 1.0 / (degrees + 1.0)))

    def _vary(self) -> Steps:
        """Draw the speed of the machine again and again."""
        while True:
            self._drift = self._run * self._factor(self._cv)
            yield self._env.timeout(_REDRAW_S)

    def _slow_down(self) -> Steps:
        """Set the factor on the service's work."""
        while True:
            neighbour = self._beside if self._generator.full else 1.0
            self._charges.slowdown = self._drift * neighbour
            yield self._env.timeout(_LOOK_S)
