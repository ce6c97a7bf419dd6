"""The commands that begin a project of one's own: init and import-k6."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import add_command

_INIT = """\
Write a small project for an on-sale of your own: a config with comments, a customer
function, a service with one changed behaviour, thresholds and a workflow that checks them
for every pull request. It runs as it is, in seconds.

  ticketsim init my-sale
  cd my-sale
  ticketsim run onsale.toml
  ticketsim gate onsale.toml"""
_IMPORT = """\
Make a config from what k6 says about a script: its load and its thresholds. What could
not be carried over is listed, on standard error and in the config.

  k6 inspect --execution-requirements script.js > options.json
  ticketsim import-k6 options.json > mine.toml

The customer is the incident's script, with every fix on: what your own script does stands
in its code, which k6 does not tell."""
_INIT_EXIT_CODES = """\
exit codes: 0 ok; 1 the folder is not empty or cannot be written to, in one line"""
_IMPORT_EXIT_CODES = """\
exit codes: 0 ok; 104 not the output of k6 inspect, or options that cannot be simulated;
1 anything else, in one line"""


def add_init(commands: Any) -> argparse.ArgumentParser:
    """Add `init`."""
    parser = add_command(
        commands, "init", "a starter project for your own on-sale", _INIT, _INIT_EXIT_CODES
    )
    parser.set_defaults(command=_init)
    parser.add_argument("folder", metavar="DIR", help="a new or empty folder")
    return parser


def add_import_k6(commands: Any) -> argparse.ArgumentParser:
    """Add `import-k6`."""
    parser = add_command(
        commands, "import-k6", "a config from a k6 script's options", _IMPORT, _IMPORT_EXIT_CODES
    )
    parser.set_defaults(command=_import_k6)
    parser.add_argument("options", metavar="OPTIONS.json", help="what k6 inspect printed")
    parser.add_argument(
        "--scenario", metavar="NAME", help="which one to take, if the script has several"
    )
    parser.add_argument("--out", metavar="FILE", help="write the config there, if it is not there")
    return parser


def _init(options: argparse.Namespace) -> int:
    from experiments.cli.init import init

    return init(options.folder)


def _import_k6(options: argparse.Namespace) -> int:
    from experiments.cli.import_k6 import import_k6

    return import_k6(options.options, options.scenario, options.out)
