"""What `simulate`, `compare` and `sweep` of the Python API return: tables, plots, words.

Everything here reads results and never runs anything. Tables are pandas DataFrames whose columns
name their units (`experiments.api.tables`); plots are those of the report
(`experiments.views.plots`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from html import escape

from experiments.api import tables as api_tables
from experiments.api.plots import EmptyPlotError, Plot, overlay
from experiments.api.tables import Table
from experiments.config.keys import nearest
from experiments.config.reading import Config
from experiments.errors import ConfigError
from experiments.statistics.quantities import QUANTITIES, Quantity
from experiments.statistics.summary import RunSummary
from experiments.statistics.verdict import Outcome, Verdict, verdict_on
from experiments.studies.compare.differences import ComparisonResult
from experiments.studies.sweep.points import SweepResult
from experiments.studies.terms import terms_of
from experiments.views import plots
from experiments.views.plots.funnel import at_least
from experiments.views.text.compare_text import decision
from experiments.views.text.compare_text import render_verbose as render_comparison
from experiments.views.text.run_text import WIDEST, number, percent, scale_suffix
from experiments.views.text.summary_text import render_verbose
from experiments.views.text.sweep_text import render_verbose as render_sweep
from experiments.views.text.verdict_text import WORDS, all_failures, headline, verdict_lines
from sim.result import RunResult
from sim.world import World

_COLUMNS = 100
_GAUGES = "http_reqs, vus, waiting, passed, ..."


class RunVerdict:
    """The verdict on a run; printed, it says what `ticketsim run` says first.

    Args:
        name: of the config.
        data: `verdict` of what `ticketsim run --json` prints.
    """

    def __init__(self, name: str, data: Verdict) -> None:
        self.name = name
        self.data = data

    @property
    def outcome(self) -> Outcome:
        """Either "holds", "fails", or "open" where it cannot be decided."""
        return self.data["outcome"]

    @property
    def holds(self) -> bool:
        """Whether everything that is demanded is met."""
        return self.outcome == "holds"

    @property
    def failures(self) -> list[str]:
        """What failed, in which step and why, a sentence each."""
        return all_failures(self.data)

    def __str__(self) -> str:
        """Say the outcome, what failed, and what was sold to whom."""
        return "\n".join([f"{self.name}: {WORDS[self.outcome]}", *verdict_lines(self.data, WIDEST)])

    def __repr__(self) -> str:
        """Say the outcome and the first reason."""
        return headline(self.name, self.data)


class Run:
    """One config, simulated once or more often: what `simulate` and `load` return.

    Args:
        config: as it was run, changes included.
        results: replication -> result.
        summary: what `ticketsim run --json` prints.
    """

    def __init__(
        self, config: Config, results: Mapping[int, RunResult], summary: RunSummary
    ) -> None:
        self.config = config
        self.results = dict(results)
        self.summary = summary

    @property
    def name(self) -> str:
        """The config's name."""
        return self.summary["config"]

    @property
    def digest(self) -> str:
        """SHA-256 of everything that happened; the same config and seed give the same one."""
        return self.summary["digest"]

    @property
    def world(self) -> World:
        """The world as it was simulated, already scaled."""
        return self.config.world_at(self.summary["scale"])

    @functools.cached_property
    def verdict(self) -> RunVerdict:
        """Whether the on-sale holds, and if not, what failed and why; the command's own verdict."""
        stored = self.summary.get("verdict")
        if stored is None:
            terms = terms_of(self.config, self.summary["scale"], with_limits=True)
            stored = verdict_on(list(self.results.values()), terms)
        return RunVerdict(self.name, stored)

    @property
    def total_requests(self) -> float:
        """Requests of all endpoints; mean over the replications."""
        return self.value("http_reqs", "count")

    @property
    def failed_share(self) -> float:
        """Share of failed requests, 0 to 1; mean over the replications."""
        return self.value("http_req_failed", "rate")

    @functools.cached_property
    def requests(self) -> Table:
        """Requests by endpoint: requests, share, failed, failed_share, avg_ms ... max_ms."""
        return api_tables.requests(self.summary)

    @functools.cached_property
    def statuses(self) -> Table:
        """Requests by endpoint and HTTP status; status 0 means that there was no answer."""
        return api_tables.statuses(self.summary)

    @functools.cached_property
    def errors(self) -> Table:
        """Failed requests by endpoint and primary cause, one cause each: count, share."""
        return api_tables.causes(self.summary, "errors")

    @functools.cached_property
    def exceptions(self) -> Table:
        """What the service logged, by endpoint or job and class: count, share."""
        return api_tables.causes(self.summary, "exceptions")

    @functools.cached_property
    def latency(self) -> Table:
        """Durations in milliseconds, all and by endpoint and status: avg_ms ... p99_ms, max_ms."""
        return api_tables.latency(self.summary)

    @functools.cached_property
    def metrics(self) -> Table:
        """Every metric by k6's name and statistic: value; durations in milliseconds."""
        return api_tables.metrics(self.summary)

    @functools.cached_property
    def funnel(self) -> Table:
        """People by the furthest state they reached, each counted once: people, share."""
        return api_tables.funnel(self.summary)

    @functools.cached_property
    def reached(self) -> Table:
        """People who came at least so far: people."""
        return api_tables.counts(at_least(self.summary["funnel"]), "step", "people")

    @functools.cached_property
    def tables(self) -> Table:
        """Rows in the service's database at the end: rows; `booking:CANCELLED` and the like too."""
        return api_tables.counts(self.summary["tables"], "table", "rows")

    @functools.cached_property
    def invariants(self) -> Table:
        """What must never happen: violations, all 0 in a sound run."""
        return api_tables.counts(self.summary["invariants"], "invariant", "violations")

    @functools.cached_property
    def observed(self) -> Table:
        """What was observed on the real system beside what was simulated; may be empty."""
        return api_tables.observed(self.summary)

    @functools.cached_property
    def series(self) -> Table:
        """The state over time, by replication and t_s (simulated s since the load began)."""
        return api_tables.series(self.results)

    @functools.cached_property
    def sweeps(self) -> Table:
        """Every run of the sweep, times in simulated seconds, members before and after."""
        return api_tables.sweeps(self.results)

    @functools.cached_property
    def replications(self) -> Table:
        """One row per replication: seed, how it ended, main numbers, digest."""
        return api_tables.replications(self.summary)

    def value(self, metric: str, statistic: str) -> float:
        """A statistic of a metric, such as `value("http_req_duration", "p(95)")`.

        Durations are in milliseconds; means over the replications.

        Raises:
            LookupError: there is no such metric, or it has no samples.
        """
        metrics = self.summary["metrics"]
        numbers = {
            name: value
            for name, value in metrics.get(metric, {}).items()
            if isinstance(value, int | float)
        }
        if statistic in numbers:
            return float(numbers[statistic])
        known = list(numbers or metrics)
        near = nearest(statistic if numbers else metric, known)
        hint = f"; did you mean {near}?" if near else ""
        raise LookupError(f"{metric}: {statistic}: no samples; there are {', '.join(known)}{hint}")

    def interval(self, metric: str) -> tuple[float, float] | None:
        """The 95 % confidence interval of a metric's mean; None below 3 replications.

        Of a rate the rate (0 to 1), of a counter the count, of a duration its mean in ms.
        """
        found = self.summary["metrics"].get(metric, {}).get("ci95")
        # Read back from a file it is a list.
        return (found[0], found[1]) if isinstance(found, tuple | list) else None

    def plot_failures(self) -> Plot:
        """Share of failed requests over time by cause, with load, stages and sweeps."""
        return Plot(plots.failures(self._with_series(), self.world.load))

    def plot_outcomes(self) -> Plot:
        """What became of the requests of each endpoint."""
        return Plot(plots.outcomes(self.summary["outcomes"]))

    def plot_exceptions(self) -> Plot:
        """Exceptions logged per second by class, over time."""
        return Plot(plots.exceptions(self._with_series(), self.world.load))

    def plot_queue(self) -> Plot:
        """People waiting and let in, and Redis's memory (MB), over time, with the sweeps."""
        world = self.world
        return Plot(
            plots.waiting_room(
                self._with_series(),
                world.load,
                capacity=world.catalogue.capacity,
                maxmemory_bytes=world.redis.maxmemory_bytes or None,
            )
        )

    def plot_occupancy(self) -> Plot:
        """Worker threads and database connections in use, and who waits for one, over time."""
        world = self.world
        return Plot(
            plots.occupancy(
                self._with_series(),
                world.load,
                threads=world.service.threads,
                connections=world.pool.connections,
            )
        )

    def plot_latency(self) -> Plot:
        """Median, 95th and 99th percentile of durations at each endpoint."""
        return Plot(plots.latency(self.summary["metrics"]))

    def plot_funnel(self) -> Plot:
        """How many people came at least as far as each step."""
        return Plot(plots.funnel(self.summary["funnel"], scale=self.summary["scale"]))

    def _with_series(self) -> list[RunResult]:
        found = [run for run in self.results.values() if len(run.series.get("t_s", ())) > 1]
        if not found:
            raise EmptyPlotError(f"{self.name}: no time series, the run was too short")
        return found

    def __str__(self) -> str:
        """Say all that `ticketsim run --verbose` prints, the verdict first."""
        return render_verbose(self.summary, _COLUMNS)

    def __repr__(self) -> str:
        """Say the main numbers in a line."""
        return f"{_heading(self.summary)}: {self._gist()}"

    def _gist(self) -> str:
        everyone = sum(self.summary["funnel"].values())
        paid = self.summary["funnel"].get("paid", 0)
        requests = self.summary["metrics"].get("http_reqs", {}).get("count")
        failed = self.summary["metrics"].get("http_req_failed", {}).get("rate")
        share = percent(failed) if isinstance(failed, int | float) else "none"
        return (
            f"{number(requests)} requests, {share} failed; "
            f"{number(paid)} of {number(everyone)} people paid"
        )

    def _repr_html_(self) -> str:
        broken = [name for name, count in self.summary["invariants"].items() if count]
        remarks = [*(f"BROKEN: {name}" for name in broken), *self.summary["warnings"]]
        return "".join(
            [
                f"<p><b>{escape(repr(self.verdict))}</b></p>",
                f"<p>{escape(_heading(self.summary))}: {escape(self._gist())}</p>",
                self.requests._repr_html_(),
                _listed(remarks),
                f"<p><small>digest {self.digest[:16]}</small></p>",
            ]
        )


class Comparison:
    """Variants against a config: what `compare` and `load` return.

    Args:
        data: what `ticketsim compare --json` prints.
    """

    def __init__(self, data: ComparisonResult) -> None:
        self.data = data

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all runs."""
        return self.data["digest"]

    @functools.cached_property
    def differences(self) -> Table:
        """Base, variant, difference, its 95 % interval (low, high) and verdict, in every quantity.

        Index: variant, quantity. `failed` is a share, `p95` in milliseconds, `goodput` people who
        paid per simulated minute; the others are rows in the database.
        """
        return api_tables.differences(self.data)

    def table(self, quantity: str = "failed") -> Table:
        """The variants by one quantity, units in the column names, as in `differences`."""
        return api_tables.of_quantity(self.differences, _quantity(quantity).name)

    @functools.cached_property
    def changes(self) -> Table:
        """What each variant changes: its description and the keys it sets."""
        rows = [
            {
                "variant": row["name"],
                "description": row["description"],
                "changes": api_tables.changes_in_words(row["changes"]),
            }
            for row in self.data["variants"]
        ]
        return api_tables.from_records(rows, "variant")

    def plot(self, quantity: str = "failed") -> Plot:
        """The difference of every variant with its interval.

        Args:
            quantity: failed, tokens, bookings, payments, p95 or goodput.
        """
        return Plot(plots.differences(self.data["variants"], _quantity(quantity)))

    def __str__(self) -> str:
        """Say all that `ticketsim compare` prints."""
        return render_comparison(self.data, _COLUMNS)

    def __repr__(self) -> str:
        """Say what was compared in a line."""
        names = ", ".join(row["name"] for row in self.data["variants"])
        return f"{_heading(self.data)}: as it is, and {names}"

    def _repr_html_(self) -> str:
        return "".join(
            [
                f"<p><b>{escape(self.data['config'])}: {escape(decision(self.data))}</b></p>",
                f"<p>{escape(_heading(self.data))}: failed requests by variant</p>",
                self.table()._repr_html_(),
                _listed(self.data["warnings"]),
            ]
        )


class Sweep:
    """Values of config keys and what each does: what `sweep` and `load` return.

    Args:
        data: what `ticketsim sweep --json` prints.
    """

    def __init__(self, data: SweepResult) -> None:
        self.data = data

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of all runs."""
        return self.data["digest"]

    @functools.cached_property
    def points(self) -> Table:
        """One row per point: the keys, then the mean of every quantity and its interval."""
        return api_tables.points(self.data)

    @functools.cached_property
    def sensitivities(self) -> Table:
        """How much each key matters, of designs that tell (sobol, morris)."""
        return api_tables.sensitivities(self.data)

    @property
    def meets(self) -> float | None:
        """The highest value shown to meet the thresholds, of a knee; None if there is none."""
        knee = self.data.get("knee")
        return knee["meets"] if knee else None

    @property
    def does_not(self) -> float | None:
        """The lowest value not shown to meet them, of a knee; None if there is none."""
        knee = self.data.get("knee")
        return knee["does_not"] if knee else None

    @property
    def first_cause(self) -> str:
        """The commonest cause of failures just above the knee; empty without one."""
        knee = self.data.get("knee")
        return knee["first_cause"] if knee else ""

    def plot(self, key: str | None = None) -> Plot:
        """Failed requests and the 95th percentile of durations over the values of a key.

        Args:
            key: of those that were swept; the first one when left out.
        """
        keys = list(self.data["points"][0]["values"])
        if key is not None and key not in keys:
            raise ConfigError("plot", "key", f"allowed: {', '.join(keys)}", value=key)
        points = self.data["points"]
        return Plot(plots.steps(points, key or keys[0], breaks_at=self.does_not))

    def __str__(self) -> str:
        """Say all that `ticketsim sweep` prints."""
        return render_sweep(self.data, _COLUMNS)

    def __repr__(self) -> str:
        """Say what was swept in a line."""
        keys = ", ".join(self.data["points"][0]["values"])
        return f"{_heading(self.data)}: {keys} at {len(self.data['points'])} points"

    def _repr_html_(self) -> str:
        return "".join(
            [
                f"<p><b>{escape(repr(self))}</b></p>",
                self.points._repr_html_(),
                _listed(self.data["warnings"]),
            ]
        )


def plot_together(
    runs: Mapping[str, Run], column: str, *, label: str = "", counts: bool = False
) -> Plot:
    """One quantity of several runs over time, a line for each.

    Args:
        runs: name in the legend -> run.
        column: of `Run.series`, such as waiting, passed, redis_used_bytes or http_req_failed.
        label: of the vertical axis; the column's name when left out.
        counts: whether the column counts up since the load began; shown per second then.

    Raises:
        ConfigError: no run has such a column.
    """
    known = list(dict.fromkeys(name for run in runs.values() for name in run.series.columns))
    if column not in known:
        raise ConfigError(
            "plot_together",
            "column",
            f"allowed: a column of Run.series such as {_GAUGES}",
            value=column,
            nearest=nearest(column, known),
        )
    worlds = {name: list(run.results.values()) for name, run in runs.items()}
    return Plot(overlay(worlds, column, label=label or column, counts=counts))


def _quantity(name: str) -> Quantity:
    names = [quantity.name for quantity in QUANTITIES]
    if name not in names:
        allowed = f"allowed: {', '.join(names)}"
        raise ConfigError("quantity", "", allowed, value=name, nearest=nearest(name, names))
    return QUANTITIES[names.index(name)]


def _heading(data: RunSummary | ComparisonResult | SweepResult) -> str:
    """Config, seed, scale and replications."""
    scale = scale_suffix(data["scale"])
    runs = data["replications"]
    over = f", {runs} replications" if runs > 1 else ""
    return f"{data['config']}, seed {data['seed']}{scale}{over}"


def _listed(remarks: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return f"<ul>{items}</ul>" if items else ""
