"""Runs that ended because code of the user's own failed."""

from __future__ import annotations

from experiments.errors import UserCodeFailedError
from sim.result import RunResult


def raise_if_failed(*runs: RunResult) -> None:
    """Raise for the first run that the user's own code ended.

    Raises:
        UserCodeFailedError: which code, where, and why.
    """
    for run in runs:
        if run.failure:
            raise UserCodeFailedError(
                f"seed {run.seed}, after {run.simulated_s:g} simulated seconds: {run.failure}"
            )
