"""What numbers of several runs say: intervals, thresholds, quantities, when to stop.

`summary` is the JSON of a run in the contract of the command line.
"""
