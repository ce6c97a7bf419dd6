"""What watches a run of an application: its invariants, its stock, and whether it stands still.

Start with `invariants` (the user's own function of rows and keys).
"""
