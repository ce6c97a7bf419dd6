"""The load generator as a program: its share of the processors, its memory, its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.machines.host import Host
    from sim.service.costs import GeneratorCosts
    from sim.world import Generator as GeneratorSettings

# The share from which on the measured service felt its neighbour (docs/calibration.md).
_FULL: Final = 0.8


class Generator:
    """A process with as many operating-system threads as its machine has cores.

    Users that spin (finished ones whose iterations return at once) are one continuous load whose
    weight is their number; the iterations they made follow from the processor time they got.
    """

    def __init__(
        self,
        env: Environment,
        host: Host,
        settings: GeneratorSettings,
        costs: GeneratorCosts,
    ) -> None:
        self._env = env
        self.settings = settings
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

    def start(self) -> None:
        """Look after its own load from now on, once a second."""
        used_s = self.process.used_s + self.process.background_s
        self.full = used_s - self._used_s > _FULL * self._cores
        self._used_s = used_s
        self._env.call_in(1.0, self.start)

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

    def start_vu(self) -> None:
        """Initialise one more user's script; blocks the current thread."""
        self.initialised_vus += 1
        self.process.compute(self.costs.vu_start_s)

    def spin(self) -> None:
        """Spin until interrupted: blocks the current thread."""
        self._set_spinning(self.spinning + 1)
        try:
            self._env.waiter().wait()
        finally:
            self._set_spinning(self.spinning - 1)

    def _set_spinning(self, spinning: int) -> None:
        self._account()
        self.spinning = spinning
        self.process.set_background(spinning)

    def _account(self) -> None:
        now = self._env.now
        self._spinner_s += self.spinning * (now - self._last_s)
        self._last_s = now

    def spun(self) -> tuple[float, float]:
        """Return (iterations of spinning users so far, the sum of their durations in seconds)."""
        self._account()
        return self.process.background_s / self.costs.spin_iteration_s, self._spinner_s
