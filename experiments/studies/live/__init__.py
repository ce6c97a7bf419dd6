"""The real service under the real load generator, beside its prediction.

Start reading at `study`; `rig` starts and ends the programs, `numbers` takes the same numbers from
both sides.
"""
