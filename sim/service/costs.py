"""The cost of work: processor seconds on one core of the measured machine.

Every number comes from `sim/data/costs.toml`, which `python -m tools.fit_costs` fits to the
measurements in `sim/data/measured/`; docs/calibration.md says how and how well. Costs are work,
not latency: how long it takes follows from who shares the processors.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

NULL_DEREFERENCE: Final = "NullDereferenceError"
_CONTAINER: Final = "dispatcherServlet"
# Warm-up is looked up: below this many requests one entry each, then eight per doubling.
_EXACT: Final = 256
_PER_DOUBLING: Final = 8
_ENTRIES: Final = _EXACT + 56 * _PER_DOUBLING
_EXACT_BITS: Final = _EXACT.bit_length()
_INSIDE_BITS: Final = _EXACT_BITS - _PER_DOUBLING.bit_length()


class CostsError(ValueError):
    """A cost table is not one: a key is missing, unknown or no number of 0 or more."""


def table_folder(without: str = "") -> Traversable:
    """Where the shipped tables are; those fitted without a measured run have a folder each."""
    data = resources.files("sim").joinpath("data")
    return data.joinpath("costs_without", without) if without else data


class NormalStream(Protocol):
    """A stream of standard normal numbers, such as `sim.kernel.random_streams.Stream`."""

    def normal(self) -> float:
        """Return the next one."""
        ...


@dataclass(frozen=True, slots=True)
class ExceptionCosts:
    """CPU of one logged stack trace in hot code, by what was thrown and who logged it."""

    malformed_s: float
    """By the token parser: not a JWT."""
    expired_s: float
    """By the token parser: a JWT past its time."""
    null_s: float
    """By the error mapping: a null dereference (its message is worked out from the bytecode)."""
    handled_s: float
    """By the error mapping or anyone else: every other exception."""
    filter_s: float
    """By the token parser or the servlet container: in or out of the access filter, where the
    stack is shallow."""

    def of(self, logger: str, error_class: str, *, in_filter: bool = False) -> float:
        """Return the cost of one exception logged by `logger`; `error_class` is a name."""
        if in_filter or _CONTAINER in logger:
            return self.filter_s
        if error_class == NULL_DEREFERENCE:
            return self.null_s
        if error_class == "ExpiredTokenError":
            return self.expired_s
        if error_class == "MalformedTokenError":
            return self.malformed_s
        return self.handled_s


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How much dearer code is before the just-in-time compiler has seen it often.

    `g(n) = 1 + excess / (1 + (n / half_requests) ** exponent)` after n requests.
    """

    excess: float
    half_requests: float
    exponent: float
    shared: float
    """Share of the code that every endpoint runs: heated by all requests, not only its own."""
    exception_sensitivity: float
    """Share of the excess that logging a stack trace feels."""
    row_excess: float
    """As `excess`, for mapping and writing rows."""
    row_half_requests: float
    """As `half_requests`, of the endpoint that lists them."""

    def growth(self, requests: float) -> float:
        """Return g(n), at least 1."""
        ratio = requests / self.half_requests
        return 1.0 + self.excess / (1.0 + math.pow(ratio, self.exponent))

    def row_growth(self, requests: float) -> float:
        """Return the factor on a row after so many requests of the endpoint, at least 1."""
        ratio = requests / self.row_half_requests
        return 1.0 + self.row_excess / (1.0 + math.pow(ratio, self.exponent))


class Factor(NamedTuple):
    """Factors on the service's work for one request: warm-up times noise."""

    code: float
    exception: float
    row: float


class WarmUpTable:
    """`WarmUp` by table lookup: cheap enough for every request.

    With `warm` the code is hot from the start.
    """

    __slots__ = ("_growth", "_row_growth", "_warm_up")

    def __init__(self, warm_up: WarmUp, *, warm: bool) -> None:
        self._warm_up = warm_up
        counts = [_middle(index) for index in range(_ENTRIES)]
        self._growth = [1.0 if warm else warm_up.growth(n) for n in counts]
        self._row_growth = [1.0 if warm else warm_up.row_growth(n) for n in counts]

    def factor(self, own: int, total: int, noise: float) -> Factor:
        """Return the factors on a request: warm-up times `noise`.

        Args:
            own: requests of this endpoint so far.
            total: requests of all endpoints so far.
            noise: factor of this request alone, of mean 1.
        """
        warm_up, growth = self._warm_up, self._growth
        own_index = _index_of(own)
        excess = (
            warm_up.shared * growth[_index_of(total)]
            + (1.0 - warm_up.shared) * growth[own_index]
            - 1.0
        )
        return Factor(
            noise * (1.0 + excess),
            noise * (1.0 + warm_up.exception_sensitivity * excess),
            noise * self._row_growth[own_index],
        )


def _index_of(count: int) -> int:
    if count < _EXACT:
        return count
    doublings = count.bit_length() - _EXACT_BITS
    index = (
        _EXACT + doublings * _PER_DOUBLING + (count >> (doublings + _INSIDE_BITS)) % _PER_DOUBLING
    )
    return index if index < _ENTRIES else _ENTRIES - 1


def _middle(index: int) -> float:
    """Return the middle of the counts that share an entry."""
    if index < _EXACT:
        return float(index)
    doublings, inside = divmod(index - _EXACT, _PER_DOUBLING)
    width = (_EXACT / _PER_DOUBLING) * 2.0**doublings
    return float(_EXACT * 2.0**doublings + (inside + 0.5) * width)


@dataclass(frozen=True, slots=True)
class GeneratorCosts:
    """CPU and memory of the load generator (k6), and bytes on the wire."""

    request_s: float
    """CPU per request, script included."""
    sending_share: float
    """Share of `request_s` before the request is sent, inside http_req_duration."""
    receiving_share: float
    """Share of `request_s` for reading the answer, inside http_req_duration; the rest is script."""
    body_byte_s: float
    """CPU per byte of response body: reading, parsing, printing."""
    vu_start_s: float
    """CPU of a virtual user's first iteration beyond that of the others: its code is cold."""
    script_error_s: float
    """CPU, beyond its request's, of an iteration that ends with an error of the script."""
    spin_iteration_s: float
    """CPU per iteration of a finished user, console line included."""
    spin_lock_share: float
    """Share of it under the mutex of the log."""
    mb_per_vu: float
    """Memory per virtual user."""
    mb_per_body_mb: float
    """Memory per megabyte of bodies read and printed."""
    request_bytes: float
    """Bytes sent per request, headers and token included."""
    response_header_bytes: float
    """Bytes received per answer beyond its body."""

    def at_speed(self, speed: float) -> GeneratorCosts:
        """Return the costs of a generator whose code is `speed` times as fast."""
        work = (
            "request_s",
            "body_byte_s",
            "vu_start_s",
            "script_error_s",
            "spin_iteration_s",
        )
        return replace(self, **{name: getattr(self, name) / speed for name in work})


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost table. CPU in seconds; the JVM's for hot code, to be multiplied by a `Factor`."""

    jvm_request_s: float
    """Receiving, routing and answering one request."""
    jvm_borrow_s: float
    """Begin, options, commit or rollback of one transaction, and what is done around it."""
    jvm_statement_s: float
    """Sending one statement, reading its result."""
    jvm_row_sent_s: float
    """Mapping one row of a result (feels warm-up as `Factor.row`)."""
    jvm_redis_s: float
    """Sending one Redis command, reading its answer."""
    jvm_response_byte_s: float
    """Writing one byte of the body (feels warm-up as `Factor.row`)."""
    jvm_event_s: float
    """One outbox event: handing it to the broker, and the service's own listener receiving it."""
    jvm_background_cores: float
    """Cores that the service uses while no request is under way."""
    db_borrow_s: float
    """Begin, options, commit or rollback of one transaction."""
    db_statement_s: float
    """Parsing, planning and answering one statement."""
    db_commit_write_s: float
    """More for a transaction that wrote."""
    db_row_visited_s: float
    """Reading one row."""
    db_row_sorted_s: float
    """Sorting one row."""
    db_row_sent_s: float
    """Sending one row."""
    redis_command_s: float
    """One command on a small key: reading, executing and answering."""
    redis_background_cores: float
    """Cores that the Redis server uses without any command."""
    request_wait_s: float
    """Time of a request that is neither CPU nor queueing: loopback and wake-ups."""
    redis_wait_s: float
    """The same per Redis command."""
    request_cv: float
    """Coefficient of variation of the CPU of like requests."""
    busy_generator_factor: float
    """Factor on the JVM's work (not the database's) while the generator fills its own core."""
    speed_cv: float
    """Coefficient of variation of the JVM's speed from ten seconds to the next, within a run."""
    run_speed_cv: float
    """The same from one run to another, beyond what the seconds explain."""
    run_speed_degrees: float
    """Degrees of freedom of that estimate: runs it is from, less one."""
    rare_code_factor: float
    """Factor on work of endpoints that few requests use, in a JVM that only others have heated."""
    first_write_s: float
    """More for the first statement that writes a table in one way; for the n-th, 1 / n of it."""
    first_write_turns: float
    """Factor on that where threads run one at a time; it is estimated anew there."""
    exceptions: ExceptionCosts
    warm_up: WarmUp
    generator: GeneratorCosts

    @classmethod
    def load(cls, path: str | None = None, *, without: str = "") -> Costs:
        """Read a cost table, by default the shipped one, perhaps fitted without a measured run.

        Raises `CostsError`, `OSError`.
        """
        if path is None:
            text = (table_folder(without) / "costs.toml").read_text("utf-8")
        else:
            text = Path(path).read_text("utf-8")
        tables = tomllib.loads(text)
        flat: dict[str, Any] = {}
        for name in _FLAT:
            flat |= tables.pop(name, {})
        flat["exceptions"] = _filled(ExceptionCosts, tables.pop("exceptions", {}))
        flat["warm_up"] = _filled(WarmUp, tables.pop("warm_up", {}))
        flat["generator"] = _filled(GeneratorCosts, tables.pop("generator", {}))
        if tables:
            raise CostsError(f"{path or 'costs.toml'}: unknown table {next(iter(tables))}")
        return _filled(cls, flat)

    def draw_noise(self, rng: NormalStream) -> float:
        """Return a factor on the CPU of one request: log-normal, mean 1, CV `request_cv`."""
        sigma, half_variance = _log_normal(self.request_cv)
        return math.exp(sigma * rng.normal() - half_variance)


@lru_cache
def _log_normal(cv: float) -> tuple[float, float]:
    """Return sigma and half the variance of the logarithm of a factor of mean 1."""
    variance = math.log1p(cv**2)
    return math.sqrt(variance), variance / 2.0


_T = TypeVar("_T")
_FLAT: Final = ("service", "database", "redis", "waits", "variability", "machine")


def _filled(kind: type[_T], values: dict[str, Any]) -> _T:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in known:
            raise CostsError(f"{kind.__name__}.{key} is no cost")
        nested = isinstance(value, ExceptionCosts | WarmUp | GeneratorCosts)
        if not nested and not (isinstance(value, int | float) and 0 <= value < math.inf):
            raise CostsError(f"{kind.__name__}.{key} = {value}: must be a number of 0 or more")
    missing = known - values.keys()
    if missing:
        raise CostsError(f"{kind.__name__}.{min(missing)} is missing")
    return kind(**values)
