"""How often the statistics are right, over synthetic experiments: run as a program for a table."""

import sys

import numpy as np

from experiments.statistics.intervals import two_stage
from experiments.statistics.stopping import verdict_of
from experiments.studies.compare.differences import Design, replicate
from tests.support.synthetic import Experiment

BASE = 0.30
PRECISION = 0.02


def compared(seed, alternative, design, most=2_000):
    """Run the whole procedure of compare on one experiment and return its estimate."""
    experiment = Experiment(np.random.default_rng(seed), BASE, alternative)

    def extend(totals):
        experiment.extend(min(most, totals["it"]))
        return True

    replicate(design, ["it"], extend, lambda _name: experiment.differences())
    return two_stage(experiment.differences(), design.first)


def coverage(experiments, design, alternative=BASE - 0.02):
    """The share of experiments whose interval holds the true difference."""
    truth = alternative - BASE
    estimates = [compared(seed, alternative, design) for seed in range(experiments)]
    return sum(one.low <= truth <= one.high for one in estimates) / experiments


def verdicts(experiments, design, alternative):
    """Verdict -> share of experiments."""
    counts = {}
    for seed in range(experiments):
        estimate = compared(seed, alternative, design)
        verdict = verdict_of(estimate, estimate.p_value, design.precision, -1)
        counts[verdict] = counts.get(verdict, 0) + 1
    return {verdict: count / experiments for verdict, count in sorted(counts.items())}


def main(experiments):
    """Print the table that docs/fixes.md records."""
    for first in (3, 5, 10):
        for precision in (None, PRECISION):
            share = coverage(experiments, Design(first, precision))
            rule = "one stage" if precision is None else f"until +-{precision:g}"
            sys.stdout.write(f"coverage   first stage {first:2}  {rule:<14} {share:.4f}\n")
    for points in (0, 2, 5):
        for first in (5, 10):
            design = Design(first, PRECISION)
            found = verdicts(experiments, design, BASE - points / 100)
            sys.stdout.write(f"verdicts   {points} points better, first stage {first:2}  {found}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
