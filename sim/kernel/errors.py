"""The errors of the kernel.

They have a module of their own: classes of compiled modules cannot have subclasses elsewhere.
"""

from __future__ import annotations


class KernelError(RuntimeError):
    """The caller asked the kernel for the impossible, such as blocking in a callback."""


class NotAllowedError(ValueError):
    """A setting has a value that is not allowed.

    Args:
        problem: the setting, its value, and what is wrong with it.
        allowed: the values that are allowed.
    """

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(f"{problem}; allowed: {allowed}")
        self.problem = problem
        self.allowed = allowed

    def __reduce__(self) -> tuple[type[NotAllowedError], tuple[str, str]]:
        """Make the error again in another process."""
        return type(self), (self.problem, self.allowed)


class ThreadKilled(BaseException):
    """Ends a thread from outside; nothing in the simulated code should catch it."""


class UserCodeError(KernelError):
    """The user's own code failed. The run ends there, and what was measured is kept."""


class IdleScriptError(KernelError):
    """A customer function returns again and again without a request or a pause."""


class FailingScriptError(UserCodeError):
    """Every iteration of a customer function of the user's own ended in an error."""


class BrokenServiceError(UserCodeError):
    """A service of the user's own cannot be made or started, or answers with no response."""


class StuckCodeError(BaseException):
    """Code of the user's own computes on and on, and simulated time stands still.

    Not an `Exception`, so that no `except Exception` of that code holds it up.
    """
