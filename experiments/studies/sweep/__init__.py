"""Values of config keys, alone and together.

Start at `study.py`; `designs.py` chooses the points, `points.py` says what was found at each, and
`knee.py` looks for the highest value that meets the thresholds.
"""
