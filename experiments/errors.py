"""Everything that can end a command, each with the exit code of the command-line contract.

TicketsimError            1    anything else, said in one line
  ConfigError           104    the config is invalid
    OptionError         104    an option is, or does not go with the config
  OutputMismatchError   104    --out names results of another config or version
  OutputError             1    --out cannot be written
  ResultsError            1    a folder of results cannot be read, or lacks what is asked for
  ModelMissingError       1    a program or library that a command needs is not there
  ViolationError          1    an invariant is broken
  UserCodeFailedError     1    a customer, service or process of the user's own failed in a run
  InterruptedRunError   130    Ctrl-C before anything was measured
"""

from __future__ import annotations

from typing import ClassVar, Final

from experiments.exit_codes import ExitCode

_LONGEST_LINE: Final = 2_000
_LONGEST_KEY: Final = 120


def one_line(text: str) -> str:
    """A text in one line that no terminal takes for a command: control characters spelled out."""
    joined = " ".join(text.split())
    if not joined.isprintable():
        shown = (c if c.isprintable() else ascii(c)[1:-1] for c in joined)
        joined = "".join(shown)
    return joined if len(joined) <= _LONGEST_LINE else f"{joined[: _LONGEST_LINE - 3]}..."


class TicketsimError(Exception):
    """A command cannot go on; its text is the one line that the user reads."""

    exit_code: ClassVar[ExitCode] = ExitCode.ERROR

    def _render_traceback_(self) -> list[str]:
        """The text that a notebook shows: the line without the traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(TicketsimError):
    """A config is not valid.

    Args:
        source: the file, the shipped config or the option that holds the wrong value.
        key: dotted path of the key, or "line N" where the text is not TOML; may be empty.
        problem: what is wrong and, where `allowed` is left out, what is allowed.
        allowed: what is allowed; left out where `problem` says so.
        value: the value as written; left out when there is none.
        nearest: the valid key that was probably meant.
    """

    exit_code = ExitCode.INVALID_CONFIG

    def __init__(
        self,
        source: str,
        key: str,
        problem: str,
        *,
        allowed: str = "",
        value: str = "",
        nearest: str = "",
    ) -> None:
        if len(key) > _LONGEST_KEY:
            key = f"{key[: _LONGEST_KEY - 3]}..."
        place = f"{key} = {value}" if value else key
        hint = f"; did you mean {nearest}?" if nearest else ""
        told = "; ".join(part for part in (problem, allowed and f"allowed: {allowed}") if part)
        text = f"{': '.join(part for part in (source, place, told) if part)}{hint}"
        super().__init__(one_line(text))
        self.source = source
        self.key = key
        self.problem = problem
        self.allowed = allowed
        self.nearest = nearest


class OptionError(ConfigError):
    """An option of a command has a wrong value, or the config cannot be used with it.

    Args:
        option: its name without dashes, which is that of the argument in Python.
        problem: the value, what is wrong with it, and what is allowed.
    """

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"--{option}", "", problem)
        self.option = option


class OutputError(TicketsimError):
    """The results cannot be written where `--out` says."""


class ResultsError(TicketsimError):
    """A folder of results is none, is broken, or lacks what is asked for."""


class OutputMismatchError(TicketsimError):
    """The folder named by `--out` holds the results of another config or version."""

    exit_code = ExitCode.INVALID_CONFIG


class UserCodeFailedError(TicketsimError):
    """Code of the user's own ended a run; what was measured until then is kept and marked."""


class NotRepeatableError(TicketsimError):
    """Two runs of an application with the same config and seed differ."""


class TooLittleMemoryError(TicketsimError):
    """A run may need more memory than the machine has left: it was not begun."""


class InterruptedRunError(TicketsimError):
    """Ctrl-C came before anything was measured."""

    exit_code = ExitCode.INTERRUPTED


class ViolationError(TicketsimError):
    """An invariant is broken: results are kept, and the line says what shows it again."""
