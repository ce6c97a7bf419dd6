"""The load generator as a program: its share of the processors, its memory, its connections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sim.load.go_scheduler import GoScheduler

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Steps
    from sim.kernel.random_streams import Stream
    from sim.machines.host import Host
    from sim.service.costs import GeneratorCosts
    from sim.world import Generator as GeneratorSettings

# The share from which on the measured service felt its neighbour (docs/calibration.md).
_FULL: Final = 0.8
_LOOK_S: Final = 1.0
# Iterations of spinning users on two processors, in those on one (measured: generator_spin.csv,
# 1.3 to 1.6). The log's mutex, the channel of samples and what both cost do not allow more.
_PARALLEL: Final = 1.4


class Generator:
    """A process with as many operating-system threads as its machine has cores.

    Users that spin (finished ones whose iterations return at once) compete with users at work. On
    one processor Go's scheduler decides who goes first (`GoScheduler`). On several they are one
    continuous load on all of them: what they hold up there is not modelled, a user at work waits
    3 to 40 ms for up to 900 of them (measured: generator_spin.csv).
    With `scheduler` "even" all users share all processors evenly, however many there are.
    """

    def __init__(
        self,
        env: Environment,
        host: Host,
        settings: GeneratorSettings,
        costs: GeneratorCosts,
        rng: Stream,
        size: float = 1.0,
    ) -> None:
        self._env = env
        self.settings = settings
        if settings.speed != 1.0:
            costs = costs.at_speed(settings.speed)
        if settings.vu_start_s is not None:
            costs = replace(costs, vu_start_s=settings.vu_start_s)
        self.costs = costs
        self.sending_s = costs.request_s * costs.sending_share
        """Work of one request until it is sent, the script's not included."""
        self.receiving_s = costs.request_s * costs.receiving_share
        """Work on its answer."""
        self.script_s = costs.request_s * (1.0 - costs.sending_share - costs.receiving_share)
        """The script's work on a request."""
        self.process = host.cpu.process(threads=max(1.0, host.cpu.cores))
        self.spinning = 0
        self.initialised_vus = 0
        self.body_bytes = 0.0
        per_vu, per_body = settings.mb_per_vu, settings.mb_per_body_mb
        self._mb_per_vu = costs.mb_per_vu if per_vu is None else per_vu
        self._mb_per_body_mb = costs.mb_per_body_mb if per_body is None else per_body
        self._spinner_s = 0.0
        self._last_s = env.now
        self.full = False
        """Whether it used nearly all of its cores during the last second."""
        self._interval_s = 0.0 if settings.max_rps is None else 1.0 / settings.max_rps
        self._next_turn_s = env.now
        self._cores = host.cpu.cores * host.settings.speed * min(1.0, host.settings.cores)
        self._used_s = 0.0
        self._size = size
        self._processors = max(1, round(host.settings.cores / size))
        """GOMAXPROCS: of the machine at full size."""
        self._go: GoScheduler | None = None
        if settings.scheduler == "go" and self._processors == 1:
            self._go = GoScheduler(
                env,
                self.process,
                rng,
                costs.spin_iteration_s,
                costs.spin_lock_share if settings.console_lines else 0.0,
                size,
            )

    def start(self) -> None:
        """Look after its own load from now on."""
        self._env.process(self._look_after_load())

    def _look_after_load(self) -> Steps:
        while True:
            used_s = self.process.used_s + self.process.background_s
            self.full = used_s - self._used_s > _FULL * self._cores
            self._used_s = used_s
            yield self._env.timeout(_LOOK_S)

    def await_turn(self) -> None:
        """Block until a request may be sent: as many a second as `max_rps` allows, in order."""
        if self._interval_s == 0.0:
            return
        now_s = self._env.now
        turn_s = max(now_s, self._next_turn_s)
        self._next_turn_s = turn_s + self._interval_s
        if turn_s > now_s:
            self._env.sleep(turn_s - now_s)

    def resident_mb(self) -> float:
        """Return its memory: per initialised user, and per byte of bodies read and printed."""
        return self.initialised_vus * self._mb_per_vu + (
            self.body_bytes * 1e-6 * self._mb_per_body_mb
        )

    # What a user's goroutine does. Each blocks the current thread.

    def start_vu(self) -> None:
        """Initialise one more user's script."""
        self.initialised_vus += 1
        self.compute(self.costs.vu_start_s)

    def compute(self, work_s: float) -> None:
        """Do the script's own work."""
        if self._go is not None and self.spinning and work_s > 0.0:
            self._go.work(work_s)
        else:
            self.process.compute(work_s)

    def send(self, work_s: float) -> None:
        """Prepare and send a request."""
        if self._go is not None and self.spinning:
            self._go.work(work_s, hands_over=True)
        else:
            self.process.compute(work_s)

    def receive(self, work_s: float) -> None:
        """Read what has come in: it is noticed late while others compute."""
        if self._go is not None and self.spinning:
            self._go.receive(work_s)
        else:
            self.process.compute(work_s)

    def report(self) -> None:
        """Hand in the samples of a request, and write a line about it."""
        if self._go is not None and self.spinning:
            self._go.send_sample()
            if self.settings.console_lines:
                self._go.write_line()

    def spin(self) -> None:
        """Spin until interrupted."""
        self._set_spinning(self.spinning + 1)
        if self._go is not None:
            self._go.add_spinner()
        try:
            self._env.waiter().wait()
        finally:
            self._set_spinning(self.spinning - 1)
            if self._go is not None:
                self._go.remove_spinner()

    def _set_spinning(self, spinning: int) -> None:
        self._account()
        self.spinning = spinning
        if self._go is not None:
            return
        if self.settings.scheduler == "even":
            self.process.set_background(spinning)
        else:
            # At full size as many as there are processors, and no more.
            self.process.set_background(min(spinning, self._processors * self._size))

    def _account(self) -> None:
        now = self._env.now
        self._spinner_s += self.spinning * (now - self._last_s)
        self._last_s = now

    def spun(self) -> tuple[float, float]:
        """Return (iterations of spinning users so far, the sum of their durations in seconds)."""
        self._account()
        if self._go is not None:
            return self._go.iterations, self._spinner_s
        iterations = self.process.background_s / self.costs.spin_iteration_s
        if self.settings.scheduler == "go":
            iterations *= min(1.0, _PARALLEL / self._processors)
        return iterations, self._spinner_s
