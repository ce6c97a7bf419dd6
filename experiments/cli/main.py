"""The command line: `ticketsim run | compare | sweep | gate | explain | ... | serve`.

Text for people goes to standard error; standard output carries only what a program may read.
Heavy libraries are imported by the command that needs them, so that `-h` answers at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from experiments.cli.evaluate_options import add_calibrate, add_compare, add_gate, add_validate
from experiments.cli.explain_options import add_explain
from experiments.cli.fuzz_options import add_fuzz
from experiments.cli.options import add_command, add_common, add_config, common_options
from experiments.cli.results_options import add_export, add_report
from experiments.cli.start_options import add_import_k6, add_init
from experiments.cli.sweep_options import add_sweep
from experiments.errors import TicketsimError, one_line
from experiments.runs.envelope import DOCUMENTS, as_json, schema_of

INTERRUPTED = 130
READER_GONE = 141
"""128 and the number of SIGPIPE, which shells report and pipelines expect."""
_EXIT_CODES = """\
exit codes: 0 ok; 104 the config is invalid; 130 interrupted, partial results kept;
1 anything else, in one line (--debug shows the traceback)"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line, with the program's own exit code."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"{self.prog}: {one_line(message)} (see {self.prog} -h)\n")


class _Version(argparse.Action):
    """Prints what results are resumed by; it reads all sources, so only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from experiments.runs.store import program_version

        try:
            print(f"ticketsim {program_version()}", flush=True)
        except OSError as error:
            _drop_output()
            parser.exit(1, f"ticketsim: {error}\n")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: the command line without the program's name; `sys.argv` when left out.
    """
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    # Customers written by users are imported from where they work, after our own packages: theirs
    # may have the same names, and an editable installation is searched last.
    sys.path += [str(Path(__file__).resolve().parents[2]), str(Path.cwd())]
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
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough: end as other programs do whose reader is gone.
        _drop_output()
        return READER_GONE
    except Exception as error:
        if options.debug:
            raise
        # The contract: one clear line, no traceback.
        kind = type(error).__name__
        print(f"ticketsim: {one_line(f'{kind}: {error}')} (--debug shows where)", file=sys.stderr)
        if isinstance(error, OSError):
            _drop_output()  # It may be the output that the disk does not take.
        return 1


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
        epilog=_EXIT_CODES,
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
        _add_run,
        add_compare,
        add_sweep,
        add_gate,
        add_explain,
        add_validate,
        add_calibrate,
        add_fuzz,
        add_report,
        add_export,
        _add_list,
        _add_show,
        _add_schema,
        add_init,
        add_import_k6,
        _add_serve,
    ):
        command = add(commands)
        command.set_defaults(parser=command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return whole


def _add_run(commands: Any) -> argparse.ArgumentParser:
    parser = add_command(
        commands,
        "run",
        "simulate one config",
        "Simulate one config and print a summary.",
        _EXIT_CODES,
    )
    parser.set_defaults(command=_run)
    add_config(parser)
    add_common(parser)
    parser.add_argument(
        "--samples", action="store_true", help="keep every request in --out, for ticketsim export"
    )
    return parser


def _add_list(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "list", help="the configs that come with the program"
    )
    parser.set_defaults(command=_list)
    return parser


def _add_show(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "show",
        help="print a shipped config, to copy and change",
        description="Print a shipped config as TOML: ticketsim show incident > mine.toml",
    )
    parser.set_defaults(command=_show)
    parser.add_argument("config", metavar="NAME", help="a name from ticketsim list")
    return parser


def _add_schema(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "schema",
        help="the JSON Schema of a config, or of a command's JSON",
        description="Print the JSON Schema of a config file, with every key documented.",
    )
    parser.set_defaults(command=_schema)
    parser.add_argument(
        "--output",
        choices=list(DOCUMENTS),
        metavar="COMMAND",
        help="of what this command prints with --json instead",
    )
    return parser


def _add_serve(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="serve the service over HTTP on wall time",
        description="Serve the service of a config over HTTP, with a Redis server and SQLite.",
    )
    parser.set_defaults(command=_serve)
    add_config(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 takes any")
    parser.add_argument(
        "--redis", default="redis://127.0.0.1:6379/0", metavar="URL", help="the Redis server"
    )
    parser.add_argument(
        "--database", default="ticketsim.sqlite", metavar="FILE", help="the SQLite file"
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    from experiments.cli.run import run

    return run(common_options(options), samples=options.samples)


def _list(_options: argparse.Namespace) -> int:
    import tomllib

    from experiments.config.sources import read_source, shipped_names

    names = shipped_names()
    longest = max(map(len, names))
    for name in names:
        description = tomllib.loads(read_source(name).text).get("description", "")
        print(f"{name:<{longest}}  {description}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from experiments.config.sources import read_source

    sys.stdout.write(read_source(options.config).text)
    return 0


def _schema(options: argparse.Namespace) -> int:
    if options.output is not None:
        schema = schema_of(options.output)
    else:
        from experiments.config.reading import json_schema

        schema = json_schema()
    sys.stdout.write(as_json(schema))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from experiments.config.reading import load
    from experiments.interop.serve import Address, serve

    config = load(options.config, options.assignments)
    serve(config.world, Address(options.host, options.port), options.redis, options.database)
    return 0
