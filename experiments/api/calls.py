"""The Python API: what the commands do, for notebooks and scripts.

    from ticketsim import compare, load, simulate, sweep

    run = simulate("incident-as-planned", scale=0.02)
    run.plot_failures()
    compare("incident-as-planned", variants=["F3", "all-fixes"], scale=0.02, replications=3).table()

Names and meanings are those of the command line; what the commands print, the results carry as
pandas tables and plots. Config keys are changed by their dotted paths in a mapping, or as keyword
arguments with two underscores for each dot: `changes={"redis.maxmemory": "4mb"}` and
`redis__maxmemory="4mb"` are the same. Times are simulated seconds unless a name says otherwise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.api.results import Comparison, Run, Sweep, plot_drawn, plot_together
from experiments.api.tables import Table, changes_in_words, drawn_values, from_records
from experiments.config.changes import Change
from experiments.config.key_table import config_rows
from experiments.config.reading import Reading
from experiments.config.sources import read_source, shipped_names
from experiments.config.toml_text import without_observations
from experiments.config.variants import Variant, Variants
from experiments.errors import ConfigError, OptionError, OutputError, TicketsimError
from experiments.runs.budget import Budget
from experiments.runs.options import RunOptions
from experiments.studies.sweep.designs import Parameter, parse_values

__all__ = [
    "Comparison",
    "Run",
    "Sweep",
    "Table",
    "TicketsimError",
    "compare",
    "configs",
    "draws",
    "init",
    "keys",
    "load",
    "plot_drawn",
    "plot_together",
    "show",
    "simulate",
    "sweep",
    "variants",
]

Changes = Mapping[str, Any]
"""Dotted path of a config key -> its value."""
VariantNames = str | Sequence[str] | Mapping[str, str | Changes]
"""A name or several, or name -> what it changes: a shipped variant's name, or keys and values."""


def simulate(
    config: str | Path,
    *,
    seed: int | None = None,
    scale: float = 1.0,
    replications: int | None = None,
    workers: int | str | None = None,
    out: str | Path | None = None,
    changes: Changes | None = None,
    **keys: Any,
) -> Run:
    """Simulate one config, as `ticketsim run` does.

    Args:
        config: a path that ends in .toml, or the name of a shipped config (`configs()`).
        seed: instead of the config's seed.
        scale: 0 < scale <= 1; so many times the users on a proportionally weaker system.
        replications: independent runs; intervals need at least 3.
        workers: processes, or the address of a Dask cluster. When left out, one process per core
            in notebooks, and one in a script: more would run the script again in each of them,
            unless its statements stand under `if __name__ == "__main__":`.
        out: a folder to keep the results in, or to go on from.
        changes: dotted path of a config key -> value.
        keys: the same, with two underscores for each dot.

    Raises:
        TicketsimError: the config, a change or `out` cannot be used; says what is allowed.
    """
    from experiments.runs.failures import raise_if_failed
    from experiments.studies.run import run

    with _arguments_named():
        options = _options(
            "simulate",
            seed=seed,
            scale=scale,
            replications=replications,
            workers=workers,
            out=out,
        )
        finished = run(_read(config, changes, keys), options)
        raise_if_failed(*finished.results.values())
    return Run(finished.config, finished.results, finished.summary)


def compare(
    config: str | Path,
    variants: VariantNames,
    *,
    sets_of: Sequence[str] = (),
    set_size: int = 3,
    precision: float | None = None,
    race: bool = False,
    seed: int | None = None,
    scale: float = 1.0,
    replications: int | None = None,
    workers: int | str | None = None,
    budget: str | None = None,
    out: str | Path | None = None,
    changes: Changes | None = None,
    **keys: Any,
) -> Comparison:
    """Compare variants of a config with the config as it is, as `ticketsim compare` does.

    Replication k of every variant has the seed of replication k of the config as it is.

    Args:
        config: as in `simulate`.
        variants: names of shipped variants or sets (`variants()`) or paths of variant files; or
            name -> what it changes, which is a shipped variant's name or a mapping of keys:
            `{"a larger pool": {"pool.connections": 40}, "sweep by score": "F3"}`.
        sets_of: names of variants; each of them and every set of up to `set_size` is compared too.
        set_size: members of the largest of these sets.
        precision: half-width wanted of the difference in failed requests; 0.02 is two points.
        race: make no further replications of variants that are clearly worse than another one.
        seed: as in `simulate`.
        scale: as in `simulate`.
        replications: of the first stage; 5 when neither this nor the config says more.
        workers: as in `simulate`.
        budget: begin no run after this wall time ("90s", "15m"), or at most so many runs ("200").
        out: as in `simulate`.
        changes: of the config, before the variants go over it.
        keys: the same, with two underscores for each dot.

    Raises:
        TicketsimError: config, variants or `out` cannot be used; says what is allowed.
    """
    from experiments.studies.compare import study
    from experiments.views.saved_files import keep_comparison

    with _arguments_named():
        options = _options(
            "compare",
            seed=seed,
            scale=scale,
            replications=replications,
            workers=workers,
            out=out,
            budget=budget,
        )
        given = _read(config, changes, keys)
        chosen = [*_variants(variants), *Variants().select_with_sets((), sets_of, set_size)]
        result = study.compare(given, options, chosen, precision, race=race)
    keep_comparison(result)
    return Comparison(result.document)


def sweep(
    config: str | Path,
    parameters: Mapping[str, Sequence[Any] | str],
    *,
    knee: bool = False,
    latin: int | None = None,
    sobol: int | None = None,
    morris: int | None = None,
    seed: int | None = None,
    scale: float = 1.0,
    replications: int | None = None,
    workers: int | str | None = None,
    budget: str | None = None,
    out: str | Path | None = None,
    changes: Changes | None = None,
    **keys: Any,
) -> Sweep:
    """Try values of config keys, as `ticketsim sweep` does.

    Args:
        config: as in `simulate`.
        parameters: dotted path of a config key -> values to try, or a range as text, "50..5000".
            Without a further argument: every combination of values.
        knee: the highest value of one range that meets the config's thresholds.
        latin: so many points of a Latin hypercube over ranges.
        sobol: base samples for Sobol indices over ranges, a power of two.
        morris: trajectories for Morris screening over ranges.
        seed: as in `simulate`.
        scale: as in `simulate`.
        replications: at each point; of a knee, the first look at each try.
        workers: as in `simulate`.
        budget: as in `compare`.
        out: as in `simulate`.
        changes: as in `simulate`.
        keys: the same, with two underscores for each dot.

    Raises:
        TicketsimError: config, keys, values or `out` cannot be used; says what is allowed.
    """
    from experiments.studies.sweep import study
    from experiments.views.saved_files import keep_sweep

    design, samples = _design(knee=knee, latin=latin, sobol=sobol, morris=morris)
    with _arguments_named():
        options = _options(
            "sweep",
            seed=seed,
            scale=scale,
            replications=replications,
            workers=workers,
            out=out,
            budget=budget,
        )
        given = _read(config, changes, keys)
        chosen = [_parameter(key, values) for key, values in parameters.items()]
        result = study.sweep(given, options, chosen, design, samples)
    keep_sweep(result)
    return Sweep(result.document)


def load(folder: str | Path) -> Run | Comparison | Sweep:
    """Read what `--out` or `out=` kept: a run, a comparison or a sweep.

    Raises:
        OutputError: there are no results in the folder.
    """
    path = Path(folder)
    if (path / "comparison.json").is_file():
        return Comparison(_read_json(path / "comparison.json"))
    if (path / "sweep.json").is_file():
        return Sweep(_read_json(path / "sweep.json"))
    if not (path / "summary.json").is_file():
        raise OutputError(
            f"{folder}: no results; allowed: a folder that run, compare or sweep wrote"
        )
    from experiments.config.reading import load as load_config
    from experiments.runs.storage.store import read_replications

    config = load_config(str(path / "config.toml"))
    return Run(config, read_replications(path), _read_json(path / "summary.json"))


def init(folder: str | Path) -> Path:
    """Write a starter project into a new or empty folder, as `ticketsim init` does.

    Returns:
        the path of its config, for `simulate` and the others.

    Raises:
        TicketsimError: the folder is not empty, or cannot be written to.
    """
    from experiments.shipped.starter_project import write_starter

    return write_starter(str(folder))


def configs() -> Table:
    """The configs that come with the program, as `ticketsim list`: name, description."""
    rows = (
        {"name": name, "description": read_source(name).parsed().get("description", "")}
        for name in shipped_names()
    )
    return from_records(rows, "name")


def variants(names: str | Sequence[str] = ("all-fixes-singly", "combinations")) -> Table:
    """Shipped variants: name, description, and the keys that each one sets.

    Args:
        names: of variants or sets; all fixes, each by itself and together, when left out.
    """
    wanted = [names] if isinstance(names, str) else list(names)
    rows = (
        {
            "variant": variant.name,
            "description": variant.description,
            "changes": changes_in_words(variant.keys()),
        }
        for variant in Variants().select(wanted, "variants")
    )
    return from_records(rows, "variant")


def keys(containing: str = "") -> Table:
    """The keys of a config: type, default, unit, plausible range, meaning, source of the default.

    Args:
        containing: only those with this text in their path or meaning.
    """
    found = (
        row
        for row in config_rows()
        if containing.lower() in f"{row['key']} {row['meaning']}".lower()
    )
    return from_records(found, "key")


def draws(config: str | Path, replications: int | None = None) -> Table:
    """What is drawn of a config's unknowns, one row for each replication, without a run.

    Args:
        config: as in `simulate`.
        replications: as many as the config says when nothing is said.

    Raises:
        TicketsimError: the config cannot be used, or names nothing that is unknown.
    """
    given = _read(config, None, {})
    found = given.config
    if found.worlds is None:
        raise ConfigError(str(config), "unknowns", "nothing is unknown; allowed: at least one")
    count = found.header.replications if replications is None else replications
    rows = [found.worlds.settings(found.header.seed, number) for number in range(count)]
    return drawn_values(rows)


class Toml(str):
    """A config as text; notebooks show it as such."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the text itself."""
        return str(self)

    def _repr_markdown_(self) -> str:
        return f"```toml\n{self}\n```"


def show(config: str | Path, *, observed: bool = False) -> Toml:
    """A config as TOML, as `ticketsim show`: to read, copy and change.

    Args:
        config: a path that ends in .toml, or the name of a shipped config.
        observed: whether to keep what was observed of the incident and what explain asks about it.
    """
    text = read_source(str(config)).text
    return Toml(text if observed else without_observations(text))


def _workers(wanted: int | str | None) -> int | str | None:
    """One process in a script, which every further process would run again from the top."""
    main = sys.modules["__main__"]
    is_script = hasattr(main, "__file__") and main.__spec__ is None
    return 1 if wanted is None and is_script else wanted


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _options(
    function: str,
    *,
    seed: int | None,
    scale: float,
    replications: int | None,
    workers: int | str | None,
    out: str | Path | None,
    budget: str | None = None,
) -> RunOptions:
    """How to run, as the arguments say. Raises ConfigError where the command line does."""
    _check_numbers(function, seed, scale, replications)
    return RunOptions(
        seed=seed,
        replications=replications,
        workers=_workers(workers),
        scale=scale,
        out=None if out is None else Path(out),
        budget=_budget(budget),
        # A warning is enough: Python has no other way to begin the run all the same.
        force=True,
    )


def _check_numbers(function: str, seed: int | None, scale: float, replications: int | None) -> None:
    """Refuse what the command line refuses."""
    if not 0 < scale <= 1:
        raise ConfigError(function, "scale", "allowed: 0 < scale <= 1", value=str(scale))
    if seed is not None and not 0 <= seed < 2**63:
        allowed = "allowed: a whole number from 0 to 2^63 - 1"
        raise ConfigError(function, "seed", allowed, value=str(seed))
    if replications is not None and replications < 1:
        allowed = "allowed: a whole number from 1"
        raise ConfigError(function, "replications", allowed, value=str(replications))


def _read(config: str | Path, changes: Changes | None, keys: Changes) -> Reading:
    """The config with all changes. Raises ConfigError where one is not allowed."""
    from experiments.config.reading import read_changed

    named = {key.replace("__", "."): value for key, value in keys.items()}
    wanted = {**(changes or {}), **named}
    return read_changed(
        str(config),
        [Change(key, _plain(key, value), "changes") for key, value in wanted.items()],
    )


def _plain(key: str, value: Any) -> Any:
    """A value that TOML can write; numbers of NumPy become Python's."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(name): _plain(key, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, inner) for inner in value]
    if not isinstance(value, bool | int | float | str):
        problem = "allowed: a number, a truth value, text, or a list or mapping of them"
        raise ConfigError("changes", key, problem, value=repr(value))
    return value


def _parameter(key: str, values: Sequence[Any] | str) -> Parameter:
    """A key of a sweep with its values, or with the range that a text says."""
    source = "parameters"
    if isinstance(values, str):
        return parse_values(key, values, source)
    return Parameter(key, tuple(_plain(key, value) for value in values), source=source)


def _design(*, knee: bool, **samples: int | None) -> tuple[Any, int]:
    """The design of a sweep and its number of samples."""
    chosen = {name: count for name, count in samples.items() if count is not None}
    if knee:
        chosen["knee"] = 0
    if len(chosen) > 1:
        problem = "allowed: one of knee, latin, sobol and morris"
        raise ConfigError("sweep", "", f"{' and '.join(chosen)}: {problem}")
    return next(iter(chosen.items()), ("grid", 0))


def _variants(wanted: VariantNames) -> list[Variant]:
    known = Variants()
    if isinstance(wanted, str):
        return known.select([wanted], "variants")
    if not isinstance(wanted, Mapping):
        return known.select(wanted, "variants")
    return [_variant(known, name, content) for name, content in wanted.items()]


def _variant(known: Variants, name: str, content: str | Changes) -> Variant:
    """A variant under a name of its own."""
    if isinstance(content, str):
        (one,) = known.select([content], "variants")
        return Variant(name, one.description, one.patches, one.measured)
    patch: dict[str, Any] = {}
    for key, value in content.items():
        table = patch
        *path, last = key.split(".")
        for part in path:
            table = table.setdefault(part, {})
        table[last] = _plain(key, value)
    return Variant(name, "", ((f"variant {name}", patch),), ())


def _budget(text: str | None) -> Budget:
    if text is None:
        return Budget()
    try:
        return Budget.parse(text)
    except ValueError as error:
        raise ConfigError("budget", "", str(error)) from error


@contextmanager
def _arguments_named() -> Iterator[None]:
    """Name arguments where the command line names its options."""
    try:
        yield
    except OptionError as error:
        raise ConfigError(error.option, "", error.problem) from None
