"""The command line: `ticketsim run | compare | sweep | gate | explain | ... | serve`.

The result goes to standard output, as text or as JSON only; progress, warnings and errors go to
standard error.
Heavy libraries are imported by the command that needs them, so that `-h` answers at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from experiments.cli.calibrate import add_calibrate
from experiments.cli.compare import add_compare
from experiments.cli.explain import add_explain
from experiments.cli.export import add_export
from experiments.cli.fuzz import add_fuzz
from experiments.cli.gate import add_gate
from experiments.cli.import_k6 import add_import_k6
from experiments.cli.init import add_init
from experiments.cli.keys import add_keys
from experiments.cli.list import add_list
from experiments.cli.live import add_live
from experiments.cli.options import USUAL_EXIT_CODES
from experiments.cli.report import add_report
from experiments.cli.run import add_run
from experiments.cli.schema import add_schema
from experiments.cli.serve import add_serve
from experiments.cli.show import add_show
from experiments.cli.sweep import add_sweep
from experiments.cli.validate import add_validate
from experiments.errors import TicketsimError, one_line
from experiments.exit_codes import ExitCode


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line, with the program's own exit code."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.ERROR, f"{self.prog}: {one_line(message)} (see {self.prog} -h)\n")


class _Version(argparse.Action):
    """Prints what results are resumed by; it reads all sources, so only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from experiments.runs.storage.store import program_version

        try:
            print(f"ticketsim {program_version()}", flush=True)
        except OSError as error:
            _drop_output()
            parser.exit(ExitCode.ERROR, f"ticketsim: {error}\n")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: the command line without the program's name; `sys.argv` when left out.
    """
    began_s = time.monotonic()
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    # Customers written by users are imported from where they work, after our own packages: theirs
    # may have the same names, and an editable installation is searched last.
    sys.path += [str(Path(__file__).resolve().parents[2]), str(Path.cwd())]
    options.began_s = began_s
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with _terminated_as_interrupted():
            code = command(options)
            sys.stdout.flush()
            return code
    except TicketsimError as error:
        if options.debug:
            raise
        print(f"ticketsim: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("ticketsim: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough: end as other programs do whose reader is gone.
        _drop_output()
        return ExitCode.READER_GONE
    except Exception as error:
        if options.debug:
            raise
        # The contract: one clear line, no traceback.
        kind = type(error).__name__
        print(f"ticketsim: {one_line(f'{kind}: {error}')} (--debug shows where)", file=sys.stderr)
        if isinstance(error, OSError):
            _drop_output()  # It may be the output that the disk does not take.
        return ExitCode.ERROR


def _drop_output() -> None:
    """Send what is still to be written to standard output nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:
        return


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C: both keep partial results, and both have their exit code."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    whole = _Parser(
        prog="ticketsim",
        description="Simulate a ticketing service with a waiting queue under load.",
        epilog=USUAL_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        help="show the version, with a digest of the code that decides about results",
    )
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        add_run,
        add_compare,
        add_sweep,
        add_gate,
        add_explain,
        add_validate,
        add_calibrate,
        add_fuzz,
        add_report,
        add_export,
        add_list,
        add_show,
        add_keys,
        add_schema,
        add_init,
        add_import_k6,
        add_serve,
        add_live,
    ):
        command = add(commands)
        command.set_defaults(parser=command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return whole
