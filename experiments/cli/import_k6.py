"""`ticketsim import-k6`: the output of `k6 inspect` to a config in TOML."""

from __future__ import annotations

import sys
from pathlib import Path

import tomli_w

from experiments.config.reading import check
from experiments.config.sources import Merged
from experiments.errors import ConfigError, OutputError, one_line
from experiments.interop.import_k6 import MOST_CHARS, Imported, imported, read_options


def import_k6(source: str, scenario: str | None, out: str | None) -> int:
    """Print a config made of a script's options, or write it to a new file; return 0.

    Raises:
        ConfigError: the file cannot be read, or what it says cannot be simulated.
        OutputError: `out` is there already or cannot be written.
    """
    found = imported(read_options(_text(source), source), source, scenario)
    check(Merged(found.table, {}), source)
    text = _as_toml(found, source)
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)
    for line in found.left_out:
        sys.stderr.write(one_line(f"left out: {line}") + "\n")
    return 0


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


def _write(out: str, text: str) -> None:
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OutputError(f"--out {out}: is there already; allowed: a new file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"--out {out}: {reason}") from error


def _as_toml(found: Imported, source: str) -> str:
    lines = [f"# Load and thresholds of a k6 script ({Path(source).name}); the rest is default:"]
    lines += ["# a repaired service, and customers that behave. `ticketsim schema` has every key."]
    lines += [f"# Left out: {line}" for line in found.left_out]
    comment = "\n".join(one_line(line) for line in lines)
    return f"{comment}\n{tomli_w.dumps(found.table)}"
