"""What can go wrong that a real Redis server does not report to its clients.

    RedisSimulationError
    +-- UnsupportedCommandError   the command exists, but not on simulated time
    +-- RedisSettingError         a setting that Redis itself would refuse (also a ValueError)

Everything a real server answers with an error is raised by the client as redis-py's own exception.
"""

from __future__ import annotations


class RedisSimulationError(Exception):
    """Base of the errors that belong to the simulation, not to Redis."""


class UnsupportedCommandError(RedisSimulationError, NotImplementedError):
    """A command that this server does not run: it would wait, or needs a feature left out."""


class RedisSettingError(RedisSimulationError, ValueError):
    """A setting with a value that Redis would refuse; the message is Redis's own wording."""
