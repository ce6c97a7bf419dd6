"""Contenders that do the same work in turns: what disturbs the machine disturbs them alike."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Rates:
    """Name -> work per second in each round."""

    rates: Mapping[str, list[float]]

    def best(self, name: str) -> float:
        """Work per second in the contender's best round: the least disturbed one."""
        return max(self.rates[name])

    def ratio(self, name: str, other: str) -> float:
        """How many times as fast as `other`: the median over rounds."""
        pairs = zip(self.rates[name], self.rates[other], strict=True)
        return median(mine / theirs for mine, theirs in pairs)

    def noise(self, name: str) -> float:
        """How far the median round is behind the best one, as a share of the best."""
        return 1.0 - median(self.rates[name]) / self.best(name)


def race(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run each of them once per round, each round beginning with another one; return the rates.

    A contender returns how much work it did, in a unit of its own choice. Seconds are processor
    time of this process.
    """
    runners = list(contenders.items())
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        first = number % len(runners)
        for name, work in runners[first:] + runners[:first]:
            gc.collect()
            began_s = time.process_time()
            done = work()
            rates[name].append(done / (time.process_time() - began_s))
    return rates
