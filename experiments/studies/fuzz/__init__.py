"""The search for schedules that break an invariant.

Start reading at `trial` (one try); `shrink` makes the smallest case, `replay` a config of it.
"""
