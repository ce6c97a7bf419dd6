"""Thresholds with statistics.

Start at `study.py` (adds replications until all is decided); `checks.py` decides, and `baseline.py`
reads a stored result to compare with.
"""
