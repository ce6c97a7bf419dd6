"""What the kernel raises. Apart from it: what is compiled has no subclasses elsewhere."""


class KernelError(RuntimeError):
    """The kernel was asked for something that it cannot do, such as blocking in a callback."""


class ThreadKilled(BaseException):
    """Ends a thread from outside; nothing in the simulated code should catch it."""


class UserCodeError(KernelError):
    """The user's own code failed. The run ends there, and what was measured is kept."""


class IdleScriptError(KernelError):
    """A customer function returns again and again without a request or a pause."""
