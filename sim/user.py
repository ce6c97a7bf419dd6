"""The stable import path of what a customer function gets: `from sim.user import User`."""

from sim.customers.user import Answer, User

__all__ = ["Answer", "User"]
