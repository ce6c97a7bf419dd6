"""`ticketsim import-k6`: a config from the options of a k6 script."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from experiments.cli.options import add_command
from experiments.errors import OutputError, one_line
from experiments.exit_codes import ExitCode

_DESCRIPTION: Final = """\
Make a config from what k6 says about a script: its load and its thresholds. Several
scenarios are several loads at once. What could not be carried over is listed, on standard
error and in the config; docs/reference/k6-options.md has what becomes of every option.

  k6 inspect --execution-requirements script.js > options.json
  ticketsim import-k6 options.json > mine.toml

The customer is the incident's script, with every fix on: what your own script does stands
in its code, which k6 does not tell."""
_EXIT_CODES: Final = """\
exit codes: 0 ok; 104 not the output of k6 inspect, or options that cannot be simulated;
1 anything else, in one line"""


def add_import_k6(commands: Any) -> argparse.ArgumentParser:
    """Add `import-k6`."""
    parser = add_command(
        commands, "import-k6", "a config from a k6 script's options", _DESCRIPTION, _EXIT_CODES
    )
    parser.set_defaults(command=_import_k6)
    parser.add_argument("options", metavar="OPTIONS.json", help="what k6 inspect printed")
    parser.add_argument(
        "--scenario", metavar="NAME", help="the only one to take, if the script has several"
    )
    parser.add_argument(
        "--names",
        metavar="FILE.toml",
        help='which endpoint a name or group of the script is: login = "POST /v1/token/generation"',
    )
    parser.add_argument("--out", metavar="FILE", help="write the config there, if it is not there")
    return parser


def _import_k6(options: argparse.Namespace) -> ExitCode:
    from experiments.interop.k6_config import config_from_k6

    config = config_from_k6(options.options, options.scenario, options.names)
    if options.out is None:
        sys.stdout.write(config.text)
    else:
        _write(options.out, config.text)
    for line in config.left_out:
        sys.stderr.write(one_line(f"left out: {line}") + "\n")
    return ExitCode.OK


def _write(out: str, text: str) -> None:
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise OutputError(f"--out {out}: is there already; allowed: a new file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"--out {out}: {reason}") from error
