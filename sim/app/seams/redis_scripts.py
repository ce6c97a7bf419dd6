"""EVAL and EVALSHA in the simulated Redis, with fakeredis's own Lua by lupa.

redis-py's Lock uses a script for its release. The commands of a script run in the simulator's own
code (`ServerConnection`), so memory is metered and expiry is simulated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fakeredis._commands import SUPPORTED_COMMANDS

from sim.redis.commands.plans import plan_of

if TYPE_CHECKING:
    from sim.redis.server import RedisServer

_NAMES: Final = ("eval", "evalsha", "script load", "script exists", "script flush")


def install(server: RedisServer) -> None:
    """Let a server run scripts."""
    server.plans = dict(server.plans) | {
        name: plan_of(SUPPORTED_COMMANDS[name], "scripting")
        for name in _NAMES
        if name in SUPPORTED_COMMANDS
    }
