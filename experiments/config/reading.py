"""A config: a text in TOML becomes a checked, frozen `World` with its seed and replications.

Top-level keys are those of `Header`, and one table per field of `sim.world.World`. The dataclasses
of the lower floors stay free of pydantic: it reads their annotations here. Nothing is converted:
a number in quotes or a switch written as 1 is refused.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import annotated_types as at
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from experiments.config import code_folders
from experiments.config.changes import Change, changed, parse_set
from experiments.config.cross_checks import impossibilities
from experiments.config.explain_settings import Explain, UnknownInput
from experiments.config.keys import dataclasses_in, hints_of, keys_of, nearest
from experiments.config.sources import (
    Merged,
    Source,
    read_merged,
    read_source,
    show_value,
)
from experiments.config.toml_text import EXTENDS_OBSERVED, OF_ONE_EVENT
from experiments.config.user_code import announce_code
from experiments.config.worlds import TABLE, Worlds
from experiments.documents import with_dialect
from experiments.errors import ConfigError, OptionError
from model.setting import Setting
from sim.kernel.errors import NotAllowedError
from sim.scale import scaled
from sim.world import World

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_PRESET_KEY = "preset"


@dataclasses.dataclass(frozen=True)
class Observed:
    """One number that was observed on the real system, shown beside the simulated one."""

    metric: Annotated[
        str,
        Setting(
            "where the simulated number stands in the summary, such as http_req_failed.rate, "
            "tables.booking, exception_classes.GET /v1/token/check, exception_share.GET "
            "/v1/token/check, refused_tokens.rate (401 apart from checks) or tokens_vanished.any "
            "(1 if Redis ever lost members of the queue)"
        ),
    ]
    value: Annotated[float, Setting("the observed number; durations in milliseconds")]
    note: Annotated[str, Setting("where it comes from, and what it can and cannot tell")] = ""
    bound: Annotated[
        typing.Literal["equal", "at_least", "at_most"],
        Setting("whether the number itself was observed, or a limit read off words"),
    ] = "equal"
    spread: Annotated[
        float | None,
        at.Gt(0),
        Setting(
            "how far a simulated number may be off and still count as the same: of shares and "
            "classes in their own unit, of durations and counts as a share of the number"
        ),
    ] = None


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A threshold in k6's long form."""

    threshold: Annotated[str, Setting("the expression, such as p(95)<500")]
    abortOnFail: Annotated[  # noqa: N815 (k6's name)
        bool,
        Setting(
            "end a run where this threshold is crossed, as k6 does every two seconds, and run no "
            "further replication once it is shown to fail"
        ),
    ] = False
    delayAbortEval: Annotated[  # noqa: N815 (k6's name)
        str,
        Setting("how long abortOnFail waits, from the start of the load, such as 10s or 1m30s"),
    ] = "0"


@dataclasses.dataclass(frozen=True)
class Header:
    """The settings of a config besides the world."""

    name: Annotated[str, at.MinLen(1), Setting("how results and messages call it")]
    description: Annotated[str, Setting("one sentence for the list of configs")] = ""
    python_path: Annotated[
        str,
        Setting(
            "folder with the Python modules that customer.script and service.code name, relative "
            'to the file that says so ("." is beside it); without it only where the command is '
            "run is searched, and what is installed"
        ),
    ] = ""
    seed: Annotated[
        int,
        at.Ge(0),
        at.Lt(2**63),
        Setting("seed of the first replication; the others derive theirs from it"),
    ] = 1
    replications: Annotated[
        int, at.Ge(1), at.Le(100_000), Setting("independent runs; intervals need at least 3")
    ] = 1
    observed: Annotated[
        dict[str, Observed], Setting("the vector of observed numbers, by short name")
    ] = dataclasses.field(default_factory=dict)
    thresholds: Annotated[
        dict[str, tuple[str | Threshold, ...]],
        Setting("what `ticketsim gate` asks of a run: metric{tag:value} to k6's expressions"),
    ] = dataclasses.field(default_factory=dict)
    thresholds_check_model: Annotated[
        bool,
        Setting(
            "whether the thresholds check the simulator and not the service: `gate` then judges "
            "them alone, without steps of buying and invariants, and every verdict leaves them out"
        ),
    ] = False
    unknowns: Annotated[
        dict[str, UnknownInput],
        Setting(
            "what nobody knows, by short name: each replication draws another world, the same for "
            "every variant, so that intervals cover what is unknown as well as chance"
        ),
    ] = dataclasses.field(default_factory=dict)
    compared: Annotated[
        str,
        Setting(
            "a shipped record of what `ticketsim compare` found of fixes in the worlds of this "
            "config: `run` shows the first ones, as long as the worlds are the same"
        ),
    ] = ""
    explain: Annotated[
        Explain, Setting("unknowns, hypotheses and players of `ticketsim explain`")
    ] = dataclasses.field(default_factory=Explain)


@dataclasses.dataclass(frozen=True)
class Config:
    """A checked config; `resolved` is all of it as plain values, defaults written out.

    `worlds` is what it says of unknowns, None where everything is known. `world` has of each
    unknown the value that stands in the config; `drawn` gives the worlds of replications.
    """

    header: Header
    world: World
    resolved: Mapping[str, Any]
    worlds: Worlds | None = dataclasses.field(default=None, compare=False, repr=False)
    _drawn: dict[tuple[int, int], Config] = dataclasses.field(
        default_factory=dict, compare=False, repr=False
    )

    def drawn(self, seed: int, number: int) -> Config:
        """The config whose world replication `number` of a seed runs: itself without unknowns.

        Raises:
            ConfigError: what was drawn is not allowed together; names the draw.
        """
        if self.worlds is None:
            return self
        known = self._drawn.get((seed, number))
        if known is None:
            known = check(self.worlds.merged(seed, number), self.name)
            self._drawn[seed, number] = known
        return known

    @property
    def name(self) -> str:
        """How results and messages call this config."""
        return self.header.name

    def world_at(self, scale: float) -> World:
        """The world at 0 < scale <= 1. Raises ConfigError where that leaves nothing of its load."""
        try:
            return scaled(self.world, scale)
        except ValueError as error:
            reason = error.problem if isinstance(error, NotAllowedError) else str(error)
            problem = f"{scale:g}: too small for {self.name} ({reason}); allowed: a larger one"
            raise OptionError("scale", problem) from error


@functools.cache
def document_type() -> type[BaseModel]:
    """The pydantic model of a whole config: the header's keys and the world's tables."""
    fields: dict[str, Any] = {}
    for owner in (Header, World):
        for field in dataclasses.fields(owner):
            annotation = _discriminated(hints_of(owner)[field.name])
            fields[field.name] = (annotation, _default(field))
    return create_model("TicketsimConfig", __config__=_STRICT, **fields)


def _discriminated(annotation: Any) -> Any:
    """The annotation with the tag by which pydantic tells the members of its union apart."""
    tag = _tag(annotation)
    if not tag:
        return annotation
    bare, *notes = typing.get_args(annotation)
    if typing.get_origin(bare) is tuple:  # a list of them, each with its own tag
        each, _ = typing.get_args(bare)
        bare = tuple[Annotated[each, Field(discriminator=tag)], ...]  # type: ignore[valid-type]
        return Annotated[(bare, *notes)]
    lists = [part for part in typing.get_args(bare) if typing.get_origin(part) is tuple]
    if lists:
        return Annotated[(_one_or_several(bare, lists, Field(discriminator=tag)), *notes)]
    return Annotated[annotation, Field(discriminator=tag)]


def _one_or_several(union: Any, lists: Sequence[Any], discriminator: Any) -> Any:
    """A member of a union, or a list of them."""
    members = tuple(part for part in typing.get_args(union) if part not in lists)
    each: Any = Annotated[typing.Union[members], discriminator]  # noqa: UP007 - not known before
    several: Any = tuple[each, ...]
    return typing.Union[each, several]  # noqa: UP007


def _tag(annotation: Any) -> str:
    """The first field of the members of a union, whose value tells them apart; else nothing."""
    owners = dataclasses_in(annotation)
    return dataclasses.fields(owners[0])[0].name if len(owners) > 1 else ""


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return Field(default_factory=field.default_factory)
    return ... if field.default is dataclasses.MISSING else field.default


@dataclasses.dataclass(frozen=True)
class Reading:
    """A config as read.

    `source` is how messages name it, `merged` its tables before they were checked, and
    `code_folder` the folder that its `python_path` names.
    """

    source: str
    merged: Merged
    config: Config
    code_folder: Path | None


def read(reference: str, assignments: Sequence[str] = ()) -> Reading:
    """Read, combine and check a config; `assignments` are texts as `--set` takes them.

    Raises as `read_changed`.
    """
    return read_changed(reference, [parse_set(text) for text in assignments])


def read_changed(reference: str, changes: Sequence[Change]) -> Reading:
    """Read, combine and check a config; code that it names can be imported from here on.

    Args:
        reference: a path that ends in .toml, or the name of a shipped config.
        changes: other values for keys, applied in order.

    Raises:
        ConfigError: with the file, the key, the value and what is allowed.
    """
    source = read_source(reference)
    merged = read_merged(source)
    for change in changes:
        merged = changed(merged, change)
    code_folder = _code_folder(merged, source)
    if code_folder is not None:
        code_folders.add(code_folder)
    config = check(merged, source.name)
    announce_code(config.world, source.name)
    if config.worlds is not None:
        for _, possible in config.worlds.possible():
            check(possible, source.name)
    return Reading(source.name, merged, config, code_folder)


def load(reference: str, assignments: Sequence[str] = ()) -> Config:
    """The checked config alone. Arguments and errors are those of `read`."""
    return read(reference, assignments).config


def _code_folder(merged: Merged, source: Source) -> Path | None:
    """The folder that the config names, relative to the file that says so."""
    wanted = merged.table.get("python_path", "")
    if not wanted or not isinstance(wanted, str):
        return None  # `check` says what is wrong with it
    origin = merged.origin(("python_path",), source.name)
    folder = (Path(origin).parent if origin.endswith(".toml") else Path()) / wanted
    if not folder.is_dir():
        raise ConfigError(
            origin, "python_path", f"no such folder: {folder}", value=show_value(wanted)
        )
    return folder.resolve()


def check(merged: Merged, name: str) -> Config:
    """Check a combined config and build its world.

    Args:
        merged: the combined tables and where each value was written.
        name: the file that messages name when a value stands nowhere.

    Raises:
        ConfigError: see `read`.
    """
    table = _completed(merged, name)
    try:
        document = document_type().model_validate_json(json.dumps(table, default=str))
        header = _built(Header, document)
        world = _built(World, document)
    except ValidationError as error:
        raise _explained(error, Merged(table, merged.origins), name) from None
    except ValueError as error:
        raise ConfigError(name, "", str(error)) from error
    resolved = document.model_dump(mode="json", exclude_none=True)
    _check_possible(world, resolved, merged, name)
    if not header.unknowns:
        return Config(header, world, {key: one for key, one in resolved.items() if key != TABLE})
    worlds = Worlds(merged, resolved, header.unknowns, name)
    for unknown, said in worlds.resolved().items():
        resolved[TABLE][unknown] |= said
    return Config(header, world, resolved, worlds)


def _built(owner: type[Any], document: BaseModel) -> Any:
    return owner(
        **{field.name: getattr(document, field.name) for field in dataclasses.fields(owner)}
    )


def _completed(merged: Merged, name: str) -> dict[str, Any]:
    """The table with presets written out, and with the kind of a union where it has a default."""
    table = dict(merged.table)
    for key, annotation in hints_of(World).items():
        given = table.get(key)
        if not isinstance(given, dict):
            continue
        if _PRESET_KEY in given:
            preset = _preset_values(key, annotation, merged, name)
            own = {inner: value for inner, value in given.items() if inner != _PRESET_KEY}
            table[key] = {**preset, **own}
        elif _tag(annotation):
            table[key] = {**_default_tag(annotation), **given}
    return table


def _default_tag(annotation: Any) -> dict[str, str]:
    tag = _tag(annotation)
    fields = [dataclasses.fields(owner)[0] for owner in dataclasses_in(annotation)]
    defaults = [field.default for field in fields if field.default is not dataclasses.MISSING]
    return {tag: str(defaults[0])} if defaults else {}


def _preset_values(key: str, annotation: Any, merged: Merged, name: str) -> dict[str, Any]:
    choices = _presets(annotation)
    preset = merged.table[key][_PRESET_KEY]
    if isinstance(preset, str) and preset in choices:
        return dataclasses.asdict(choices[preset]())
    allowed = " or ".join(f'"{choice}"' for choice in choices) or "no preset in this table"
    source = merged.origin((key, _PRESET_KEY), name)
    raise ConfigError(
        source, f"{key}.{_PRESET_KEY}", f"allowed: {allowed}", value=show_value(preset)
    )


def _presets(annotation: Any) -> dict[str, Any]:
    """The presets of a table: those dataclasses that know how they were in the incident."""
    owners = [owner for owner in dataclasses_in(annotation) if hasattr(owner, "incident")]
    return {"incident": owners[0].incident, "correct": owners[0]} if owners else {}


def _all_keys() -> dict[str, str]:
    """Every valid dotted path -> unit of its value."""
    keys = [*keys_of(Header), *keys_of(World)]
    presets = [f"{name}.{_PRESET_KEY}" for name, hint in hints_of(World).items() if _presets(hint)]
    return {key.path: key.unit for key in keys} | dict.fromkeys(
        [*presets, "extends", EXTENDS_OBSERVED, "include"], ""
    )


def _explained(error: ValidationError, merged: Merged, name: str) -> ConfigError:
    """The first thing that is wrong, and how many more there are."""
    details = error.errors(include_url=False)
    first = _nearest_detail(details)
    path = _path_in(merged.table, first["loc"], missing=first["type"] == "missing")
    dotted = ".".join(map(str, path))
    keys = _all_keys()
    key = ".".join(part for part in path if isinstance(part, str))
    unknown = first["type"] in {"extra_forbidden", "unexpected_keyword_argument"}
    if unknown:
        return ConfigError(
            merged.origin(path, name),
            dotted,
            f"unknown key; allowed here: {_siblings(key, keys)}",
            value=show_value(first["input"]),
            nearest=nearest(key, keys),
        )
    unit = f" ({keys[key]})" if keys.get(key) else ""
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    value = "" if first["type"] == "missing" else show_value(first["input"])
    return ConfigError(
        merged.origin(path, name), dotted, f"{_allowed(first)}{unit}{more}", value=value
    )


def _nearest_detail(details: Sequence[Any]) -> Any:
    """The first thing wrong; of the members of a union, what is wrong inside one of them."""
    place = details[0]["loc"][:-1]
    same = [detail for detail in details if detail["loc"][: len(place)] == place]
    return max(same, key=lambda detail: len(detail["loc"]))


def _siblings(key: str, keys: Mapping[str, str]) -> str:
    above = key.rpartition(".")[0]
    names = [path.rpartition(".")[2] for path in keys if path.rpartition(".")[0] == above]
    return ", ".join(dict.fromkeys(names)) or "nothing"


def _allowed(detail: Any) -> str:
    """The message of pydantic as a statement of the allowed values."""
    if detail["type"] == "missing":
        return "this key is required"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    message = str(detail["msg"])
    for prefix in ("Input should be ", "Value should be "):
        if message.startswith(prefix):
            return f"allowed: {message.removeprefix(prefix)}"
    return message


def _path_in(table: Any, location: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """The location of an error as it stands in the file: without the names of union members."""
    path: list[str | int] = []
    for depth, part in enumerate(location):
        try:
            table = table[part]
        except (KeyError, IndexError, TypeError):
            if not (missing and depth == len(location) - 1):
                continue
        path.append(part)
    return path


def _check_possible(world: World, resolved: Mapping[str, Any], merged: Merged, name: str) -> None:
    for wrong in impossibilities(world):
        path = wrong.key.split(".")
        value: Any = resolved
        for part in path:
            value = value[int(part)] if isinstance(value, list) else value[part]
        source = merged.origin(path, name)
        raise ConfigError(source, wrong.key, wrong.problem, value=show_value(value))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, with the documentation of every key."""
    schema = with_dialect(document_type().model_json_schema())
    properties = schema["properties"]
    for hint in hints_of(World).values():
        if _presets(hint):
            owner = schema["$defs"][dataclasses_in(hint)[0].__name__]
            owner["properties"][_PRESET_KEY] = {
                "enum": list(_presets(hint)),
                "description": "values to start from; the other keys go over them",
            }
    properties["extends"] = {"type": "string", "description": "a config to start from"}
    properties[EXTENDS_OBSERVED] = {
        "type": "boolean",
        "description": f"take over the tables {' and '.join(OF_ONE_EVENT)} of the extended config, "
        "which are about one event (default: false)",
    }
    properties["include"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "fragments to merge, in order",
    }
    return schema
