"""Variants against the config as it is.

Start at `study.py` (reads, runs, makes the document); `differences.py` has the statistics.
"""
