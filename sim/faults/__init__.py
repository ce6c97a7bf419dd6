"""Faults that happen at a given time.

`settings` has a dataclass for each kind of fault, `injection` makes the faults happen. A new kind
is a dataclass in `settings` and a method in `injection`.
"""
