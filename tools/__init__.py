"""Programs of the project's developers: fits of the cost table, the reference pages.

They are not installed with ticketsim. Run one as `python -m tools.NAME`.
"""
