"""The output of `k6 inspect` as the text of a config."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tomli_w

from experiments.config.reading import check
from experiments.config.sources import Merged
from experiments.errors import ConfigError, one_line
from experiments.interop.import_k6 import MOST_CHARS, Imported, imported, read_options
from experiments.interop.names_file import read_names


@dataclasses.dataclass(frozen=True)
class K6Config:
    """A config in TOML, and in words what of the script could not be carried over."""

    text: str
    left_out: tuple[str, ...]


def config_from_k6(source: str, scenario: str | None, names: str | None = None) -> K6Config:
    """Make a config of a script's options.

    Args:
        source: the file that `k6 inspect` printed.
        scenario: which one to take, if the script has several; all of them when not given.
        names: a file that says which names of the script are which of ours.

    Raises:
        ConfigError: a file cannot be read, or what it says cannot be simulated.
    """
    known = read_names(names)
    found = imported(read_options(_text(source), source), source, scenario, known)
    check(Merged(found.table, {}), source)
    return K6Config(_as_toml(found, source), tuple(found.left_out))


def _text(source: str) -> str:
    try:
        with Path(source).open(encoding="utf-8-sig") as file:
            return file.read(MOST_CHARS + 1)
    except OSError as error:
        raise ConfigError(source, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(source, "", "cannot be read: not UTF-8 text") from error
    except ValueError as error:
        raise ConfigError(source, "", f"cannot be read: {error}") from error


def _as_toml(found: Imported, source: str) -> str:
    lines = [f"# Load and thresholds of a k6 script ({Path(source).name}); the rest is default:"]
    lines += ["# a repaired service, and customers that behave. `ticketsim schema` has every key."]
    lines += [f"# Left out: {line}" for line in found.left_out]
    comment = "\n".join(one_line(line) for line in lines)
    return f"{comment}\n{tomli_w.dumps(found.table)}"
