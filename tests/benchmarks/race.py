"""Contenders that do the same work in turns: what disturbs the machine disturbs them alike."""

import gc
import time
from collections.abc import Callable, Mapping
from statistics import median


class Race:
    """Rounds in which every contender runs once, each round beginning with another one.

    A contender returns how much work it did, in a unit of its own choice. Seconds are processor
    time of this process.
    """

    def __init__(self, contenders: Mapping[str, Callable[[], float]]):
        self._contenders = list(contenders.items())
        self._rounds = 0
        self.rates: dict[str, list[float]] = {name: [] for name in contenders}
        """Name -> work per second in each round."""

    def round(self):
        """Let each of them run once."""
        first = self._rounds % len(self._contenders)
        self._rounds += 1
        for name, work in self._contenders[first:] + self._contenders[:first]:
            gc.collect()
            began_s = time.process_time()
            done = work()
            self.rates[name].append(done / (time.process_time() - began_s))

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
