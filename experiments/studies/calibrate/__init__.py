"""Service times and station parameters from raw k6 output.

Start at `study.py`; `fits.py` has the estimates, `fragment.py` makes TOML and JSON of them.
"""
