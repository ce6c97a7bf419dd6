"""Makes runs on an existing Dask cluster: `--cluster ADDRESS`.

Every worker needs this program in the same version; users' own modules are sent to it. A run
depends on its world and seed only, so that it has the same digest wherever it is made; the
scheduler sends the runs of a worker that dies to another one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from experiments.config import code_folders
from experiments.errors import TicketsimError
from experiments.runs.storage.store import program_version
from experiments.runs.workers.users_code import UsersCode, packed, unpack
from sim.result import RunResult

if TYPE_CHECKING:
    from experiments.runs.workers.worker import Task

_PATIENCE_S = 0.2
_CONNECT_S = 10.0


class ClusterError(TicketsimError):
    """The cluster cannot be reached, has no workers or other versions of the program."""


class Cluster:
    """Runs tasks on a Dask cluster and hands over each result as it comes."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = False

    def stop(self) -> None:
        """Begin no further run and give up those under way."""
        self._stop = True

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop

    def run(
        self,
        tasks: Sequence[Task],
        finished: Callable[[int, RunResult], bool],
        _needless: Callable[[int], bool],
    ) -> None:
        """Run tasks, also needless ones; see `workers.replications.stream_replications`.

        Raises:
            ClusterError: see there.
        """
        client = self._connect()
        try:
            self._check(client)
            with client.as_current():
                self._run(client, tasks, finished)
        finally:
            client.close()

    def _connect(self) -> Any:
        try:
            return _distributed().Client(self._address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ClusterError(f"--cluster {self._address}: cannot be reached: {reason}") from error

    def _check(self, client: Any) -> None:
        versions = set(client.run(program_version).values())
        if not versions:
            raise ClusterError(f"--cluster {self._address}: has no workers")
        if versions != {program_version()}:
            found = ", ".join(sorted(versions))
            raise ClusterError(
                f"--cluster {self._address}: workers have version {found} of ticketsim; "
                f"allowed: {program_version()}, as here"
            )

    def _run(
        self, client: Any, tasks: Sequence[Task], finished: Callable[[int, RunResult], bool]
    ) -> None:
        code = packed(code_folders.known())
        # `pure` would let the cluster answer from what another client asked for.
        futures = {
            client.submit(_simulate, task, code, pure=False): task.replication for task in tasks
        }
        pending = set(futures)
        while pending and not self._stop:
            try:
                done, _ = _distributed().wait(
                    pending, timeout=_PATIENCE_S, return_when="FIRST_COMPLETED"
                )
            except TimeoutError:
                continue
            for future in done:
                pending.discard(future)
                enough = finished(futures[future], future.result())
                future.release()
                if enough:
                    self._give_up(client, pending)
                    return
        self._give_up(client, pending)

    @staticmethod
    def _give_up(client: Any, pending: set[Any]) -> None:
        """Give up what is not done: which of it is under way only the cluster knows."""
        client.cancel(list(pending))


def _distributed() -> Any:
    """The library, which has no types and is loaded only when it is used."""
    return importlib.import_module("distributed")


def _simulate(task: Task, code: UsersCode | None) -> RunResult:
    """Make a run. A world names users' modules as texts, which are looked up during the run."""
    if code is not None:
        unpack(code)
    return task.simulate(lambda _progress: False, lambda: False)
