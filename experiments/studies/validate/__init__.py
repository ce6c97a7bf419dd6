"""Simulated numbers beside measured ones.

`measurements` reads the measured runs, `worlds` makes the simulated world of each, `numbers` takes
the same numbers from both, `comparison` compares them.
"""
