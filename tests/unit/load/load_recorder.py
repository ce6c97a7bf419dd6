"""A world around an executor that only keeps the books."""

from __future__ import annotations

from collections.abc import Callable

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.load.executors import VirtualUser, make_executor
from sim.load.settings import Load

Script = Callable[["Recorder", VirtualUser], None]


class Recorder:
    """Runs a load alone on simulated time and notes everything that the executor reports.

    `curve` has a pair (time, active users) per change, `begins` a triple (time, user id,
    iteration), `ends` (time, user id, interrupted), and `lives` (time, +1 or -1, user id).
    """

    def __init__(
        self, load: Load, script: Script, overhead_s: float = 0.0, opens_s: float = 0.0
    ) -> None:
        self.env = Environment()
        self.script = script
        self.overhead_s = overhead_s
        self.initialise_s = 0.0
        self.lives: list[tuple[float, int, int]] = []
        self.begins: list[tuple[float, int, int]] = []
        self.ends: list[tuple[float, int, bool]] = []
        self.durations: list[float] = []
        self.drops: list[tuple[float, int]] = []
        self.failures: list[Exception] = []
        self.spins: list[tuple[float, float, int]] = []
        self.curve: list[tuple[float, int]] = []
        self.users: dict[int, VirtualUser] = {}
        rng = Streams(1).stream("arrivals")
        self.executor = make_executor(self.env, load, self.iterate, self, opens_s=opens_s, rng=rng)

    def run(self) -> Recorder:
        self.executor.start()
        self.env.run(until=self.executor.all_done)
        return self

    def iterate(self, vu: VirtualUser) -> None:
        self.script(self, vu)

    def note_vus(self) -> None:
        self.curve.append((self.env.now, self.executor.active_vus))

    def active_between(self, begin_s: float, end_s: float) -> set[int]:
        """Every number of active users there was in a span of time."""
        before = [vus for at_s, vus in self.curve if at_s <= begin_s][-1:] or [0]
        return {*before, *(vus for at_s, vus in self.curve if begin_s < at_s <= end_s)}

    def vu_started(self, vu: VirtualUser) -> None:
        self.users[vu.id] = vu
        self.lives.append((self.env.now, 1, vu.id))
        self.env.call_in(0.0, self.note_vus)

    def vu_stopped(self, vu: VirtualUser) -> None:
        self.lives.append((self.env.now, -1, vu.id))
        self.note_vus()

    def iteration_started(self, vu: VirtualUser) -> None:
        self.begins.append((self.env.now, vu.id, vu.iteration))
        self.note_vus()
        self.env.sleep(self.overhead_s)

    def iteration_ended(self, vu: VirtualUser, duration_s: float, *, interrupted: bool) -> None:
        self.ends.append((self.env.now, vu.id, interrupted))
        self.durations.append(duration_s)
        self.env.call_in(0.0, self.note_vus)

    def script_failed(self, _vu: VirtualUser, error: Exception) -> None:
        self.failures.append(error)

    def spin(self, vu: VirtualUser) -> None:
        begin_s = self.env.now
        try:
            self.env.waiter().wait()
        finally:
            self.spins.append((begin_s, self.env.now, vu.id))

    def initialise(self, _vu: VirtualUser) -> None:
        self.env.sleep(self.initialise_s)

    def dropped(self, count: int) -> None:
        self.drops.append((self.env.now, count))
