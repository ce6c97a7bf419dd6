"""Explains an incident: inference over the unknowns, and the share that each defect contributes.

Start at `inference.py` (the algorithm, on any simulator), then `unknowns.py` (what a config says
is not known), `observations.py` (how far a run is from what was observed), `posterior.py` (what
the accepted runs say) and `shapley.py` (who owns which share of the failures).
"""
