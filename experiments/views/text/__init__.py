"""Results as text for a terminal: one file per command, the conclusion first.

Start reading at `summary_text`, the first lines of `ticketsim run`; `run_text` has all numbers.
"""
