"""Simulated time: the event queue with threads that block, random streams, other orders of events.

Start reading at `environment`.
"""
