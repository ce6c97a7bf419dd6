"""The tables `[unknowns]` and `[explain]`: what is not known, causes, defects as players."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt

from model.setting import Setting


@dataclass(frozen=True)
class Prior:
    """The prior of an unknown: its possible values before the comparison with observations."""

    key: Annotated[
        str,
        Setting(
            "the config key that is not known, by its dotted path; `load.stages` stands for the "
            "second at which the load was stopped by hand, `load.stages.target` for all targets; "
            "without a key each of the values is a table of keys, and perhaps a label"
        ),
    ] = ""
    distribution: Annotated[
        Literal["uniform", "log-uniform", "choice"], Setting("how values are drawn")
    ] = "uniform"
    low: Annotated[float | None, Setting("lowest value of a range")] = None
    high: Annotated[float | None, Setting("highest value of a range")] = None
    values: Annotated[tuple[Any, ...], Setting("values of a choice")] = ()
    weights: Annotated[
        tuple[float, ...], Setting("how likely each value of a choice is; equally when not given")
    ] = ()
    scales: Annotated[
        bool, Setting("what is drawn multiplies the config's value instead of replacing it")
    ] = False
    reason: Annotated[str, Setting("why this range or these values; `explain` asks for it")] = ""


@dataclass(frozen=True)
class UnknownInput(Prior):
    """Something that nobody knows: each replication draws another world."""

    draws: Annotated[
        str,
        Setting(
            "instead of a distribution: a file of weighted draws, relative to the file that says "
            "so; `ticketsim explain --out DIR` writes DIR/draws.toml"
        ),
    ] = ""
    sha256: Annotated[
        str, Setting("digest of the file of draws; where it is given, no other file will do")
    ] = ""
    known: Annotated[
        tuple[str, ...],
        Setting(
            "keys of it that are known after all, so that the config's own value stays; a key that "
            "--set, a variant or a config on top of this one sets is known as well"
        ),
    ] = ()


@dataclass(frozen=True)
class Hypothesis:
    """A cause that may be at work or not."""

    description: Annotated[str, Setting("one line for tables")]
    on: Annotated[dict[str, Any], Setting("dotted keys and values when it is at work")] = field(
        default_factory=dict
    )
    off: Annotated[dict[str, Any], Setting("dotted keys and values when it is not")] = field(
        default_factory=dict
    )
    priors: Annotated[dict[str, Prior], Setting("unknowns that only matter when it is")] = field(
        default_factory=dict
    )


@dataclass(frozen=True)
class Explain:
    """The settings of `ticketsim explain` besides the world."""

    priors: Annotated[dict[str, Prior], Setting("the unknowns, by short name")] = field(
        default_factory=dict
    )
    hypotheses: Annotated[dict[str, Hypothesis], Setting("causes held against each other")] = field(
        default_factory=dict
    )
    combinations: Annotated[
        tuple[tuple[str, ...], ...],
        Setting("hypotheses at work together, beside each one alone; all of them when not given"),
    ] = ()
    alone: Annotated[
        bool,
        Setting(
            "whether each hypothesis is held against the others by itself too; off where the code "
            "is known and some are at work for certain"
        ),
    ] = True
    groups: Annotated[
        dict[str, tuple[str, ...]],
        Setting("defects as players: a name and the variants (fixes) that mend them"),
    ] = field(default_factory=dict)
    most_rows: Annotated[
        float,
        Gt(1),
        Setting("a run is rejected once it has so many times the observed token rows"),
    ] = 3.0
    most_requests: Annotated[
        int,
        Ge(1_000),
        Setting("a run is rejected once it has more requests than this, at full size", "requests"),
    ] = 300_000
