"""Errors of the simulation, which a real Redis server does not report to its clients.

    RedisSimulationError
    +-- UnsupportedCommandError   the command exists, but not on simulated time
    |   +-- WouldBlockError       a blocking command has to wait
    +-- RedisSettingError         a setting that Redis itself would refuse (also a ValueError)

For an error that a real server answers, the client raises redis-py's own exception.
"""

from __future__ import annotations


class RedisSimulationError(Exception):
    """Base of the errors that belong to the simulation, not to Redis."""


class UnsupportedCommandError(RedisSimulationError, NotImplementedError):
    """A command that this server does not run: it would wait, or its feature is missing."""


class WouldBlockError(UnsupportedCommandError):
    """A blocking command that has nothing to answer yet; `timeout_s` None or 0: wait for ever."""

    def __init__(self, timeout_s: float | None) -> None:
        super().__init__(f"a blocking command would wait (timeout {timeout_s} s); poll instead")
        self.timeout_s = timeout_s


class RedisSettingError(RedisSimulationError, ValueError):
    """A setting with a value that Redis would refuse.

    `complaint` is Redis's own text, without the value and the allowed values.
    """

    def __init__(self, value: str, complaint: str, hint: str = "") -> None:
        super().__init__(f"{value!r}: {complaint}{hint}")
        self.complaint = complaint

    def named(self, key: str) -> RedisSettingError:
        """The same error with the name of the setting before the value."""
        self.args = (f"{key} = {self.args[0]}",)
        return self
