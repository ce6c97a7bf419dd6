"""`ticketsim serve`: the service over HTTP on wall time."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import add_config, read_config
from experiments.exit_codes import ExitCode


def add_serve(commands: Any) -> argparse.ArgumentParser:
    """Add `serve`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve",
        help="serve the service over HTTP on wall time",
        description="Serve the service of a config over HTTP, with a Redis server and a database.",
    )
    parser.set_defaults(command=_serve)
    add_config(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0 takes any")
    parser.add_argument(
        "--redis", default="redis://127.0.0.1:6379/0", metavar="URL", help="the Redis server"
    )
    parser.add_argument(
        "--database",
        default="ticketsim.sqlite",
        metavar="FILE|URL",
        help="a SQLite file, or the URL of another database",
    )
    return parser


def _serve(options: argparse.Namespace) -> ExitCode:
    from experiments.interop.serve import Address, serve

    world = read_config(options).config.world
    serve(world, Address(options.host, options.port), options.redis, options.database)
    return ExitCode.OK
