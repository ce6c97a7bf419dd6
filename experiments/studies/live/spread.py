"""What a calibration does not know: how much a number changes when it is measured again.

Each program's demand is measured in several rounds, and a later run is one round more. The
logarithm of its demand lies around the rounds' mean as Student's t says, with one degree of freedom
less than there are rounds and a scale of s sqrt(1 + 1/n): s for the change from round to round, the
rest for the error of the mean. The programs change together, as they did in the rounds: all of them
may have a slow minute of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from experiments.studies.live.demands import Demands
from sim.kernel.random_streams import Stream

Deviations = Sequence[Demands]
"""Of each round: the logarithms of its demands, less their means over the rounds."""
_FEWEST: Final = 2
_NONE: Final = Demands(1.0, 1.0, 1.0, 1.0)


def mean_of(rounds: Sequence[Demands]) -> Demands:
    """The geometric mean of each program's demands; 0 for a program that was not measured."""
    return Demands(*(_mean(values) for values in zip(*rounds, strict=True)))


def deviations_of(rounds: Sequence[Demands]) -> Deviations:
    """How far each round lies from the mean."""
    means = mean_of(rounds)
    return [
        Demands(
            *(
                math.log(value / mean) if mean > 0.0 else 0.0
                for value, mean in zip(each, means, strict=True)
            )
        )
        for each in rounds
    ]


def spread(deviations: Deviations) -> Demands:
    """Standard deviation of each logarithm between rounds; 0 with a single round."""
    degrees = max(1, len(deviations) - 1)
    return Demands(
        *(
            math.sqrt(math.fsum(value**2 for value in values) / degrees)
            for values in zip(*deviations, strict=True)
        )
    )


def drawn(deviations: Deviations, stream: Stream) -> Demands:
    """Factors on the demands of one further run; all 1 with fewer than two rounds."""
    count = len(deviations)
    if count < _FEWEST:
        return _NONE
    degrees = count - 1
    weights = [stream.normal() for _ in deviations]
    chi_square = math.fsum(stream.normal() ** 2 for _ in range(degrees))
    scale = math.sqrt((1.0 + 1.0 / count) / chi_square)
    return Demands(
        *(
            math.exp(scale * math.fsum(w * value for w, value in zip(weights, values, strict=True)))
            for values in zip(*deviations, strict=True)
        )
    )


def _mean(values: Sequence[float]) -> float:
    if min(values) <= 0.0:
        return 0.0
    return math.exp(math.fsum(map(math.log, values)) / len(values))
