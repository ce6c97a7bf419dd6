"""Assert on a simulated on-sale in a team's own tests: the fixture `simulate`.

    def test_the_on_sale_stays_below_one_percent_failures(simulate):
        result = simulate("onsale.toml", scale=0.1, replications=5)
        assert result.high("http_req_failed") < 0.01

It runs the `ticketsim` command and imports none of its packages, so that a team's own `model` or
`sim` does not clash with ours. The ini option `ticketsim_command` names another command.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

_CROSSED = 99
_LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH")
"""Variables by which the team's packages would come before those of the command."""


class SimulationError(Exception):
    """`ticketsim` ended without a result.

    Args:
        exit_code: as the command's contract says; 104 for a config that is not valid.
        message: the line that it printed.
    """

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(f"{message} (exit code {exit_code})")
        self.exit_code = exit_code
        self.message = message


@dataclass(frozen=True)
class Simulation:
    """The result of `ticketsim run --json`; `summary` is all of it."""

    summary: Mapping[str, Any]

    def value(self, metric: str, statistic: str) -> float:
        """A statistic of one of k6's metrics, mean over the replications; durations in ms.

        Raises:
            LookupError: there is no such metric, or it has no samples.
        """
        metrics = self.summary["metrics"]
        try:
            return float(metrics[metric][statistic])
        except KeyError:
            known = ", ".join(f"{name}: {'/'.join(found)}" for name, found in metrics.items())
            raise LookupError(f"{metric}: {statistic}: no samples; measured: {known}") from None

    def low(self, metric: str) -> float:
        """The lower end of the 95 % confidence interval of a metric's principal statistic."""
        return self._interval(metric)[0]

    def high(self, metric: str) -> float:
        """The upper end of it: what a threshold should be compared with."""
        return self._interval(metric)[1]

    def _interval(self, metric: str) -> tuple[float, float]:
        interval = self.summary["metrics"].get(metric, {}).get("ci95")
        if interval is None:
            raise LookupError(f"{metric}: no interval; it needs samples and 3 replications")
        return (float(interval[0]), float(interval[1]))

    @property
    def failure_rate(self) -> float:
        """Share of failed requests, mean over the replications."""
        return self.value("http_req_failed", "rate")

    @property
    def invariants(self) -> Mapping[str, float]:
        """Invariant -> violations."""
        found: Mapping[str, float] = self.summary["invariants"]
        return found

    @property
    def digest(self) -> str:
        """The digest of the runs."""
        return str(self.summary["digest"])


class Simulate(Protocol):
    """What the fixture `simulate` is."""

    def __call__(
        self,
        config: str | Path,
        *,
        scale: float = 1.0,
        replications: int | None = None,
        seed: int | None = None,
        workers: int | None = None,
        values: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Simulation:
        """Run a config.

        Args:
            config: a path, relative to the tests' root folder, or the name of a shipped config.
            scale: 0 < scale <= 1.
            replications: independent runs; intervals need at least 3.
            seed: instead of the config's.
            workers: processes.
            values: config key -> value in TOML, as `--set`.
            timeout_s: wall time after which it is given up.

        Raises:
            SimulationError: the command ended without a result.
            subprocess.TimeoutExpired: it took longer than `timeout_s`.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini(
        "ticketsim_command", "the ticketsim command that the fixture simulate runs", default=""
    )


@pytest.fixture(scope="session")
def simulate(pytestconfig: pytest.Config) -> Simulate:
    """Run a simulation and give its result: `simulate("onsale.toml", scale=0.1)`."""
    command = _command(str(pytestconfig.getini("ticketsim_command")))

    def run(
        config: str | Path,
        *,
        scale: float = 1.0,
        replications: int | None = None,
        seed: int | None = None,
        workers: int | None = None,
        values: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Simulation:
        arguments = ["run", str(config), "--json", "--quiet", f"--scale={scale}"]
        given = {"replications": replications, "seed": seed, "workers": workers}
        arguments += [f"--{name}={value}" for name, value in given.items() if value is not None]
        for key, value in (values or {}).items():
            arguments += ["--set", f"{key}={value}"]
        return _run([command, *arguments], pytestconfig.rootpath, timeout_s)

    return run


def _command(configured: str) -> str:
    """The configured command; else the one of this Python; else the one on the path."""
    if configured:
        return configured
    beside = Path(sys.executable).with_name("ticketsim")
    if beside.exists():
        return str(beside)
    found = shutil.which("ticketsim")
    if found is None:
        raise pytest.UsageError("there is no ticketsim command; name it as ticketsim_command")
    return found


def _run(command: list[str], folder: Path, timeout_s: float | None) -> Simulation:
    environment = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT}
    done = subprocess.run(  # noqa: S603 (the team's own command)
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    # After a threshold with abortOnFail the results are those until then.
    if done.returncode not in {0, _CROSSED}:
        raise SimulationError(done.returncode, done.stderr.strip())
    return Simulation(json.loads(done.stdout))
