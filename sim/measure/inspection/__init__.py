"""Invariants looked at after every event, and the events that led to the first violation.

Start with `inspection`; `trace` notes what the service's threads do, `decisive` chooses the events
that are told.
"""
