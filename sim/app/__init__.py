"""The user's own application, unmodified, on simulated time.

Start with `server` (the processes that run the application) and `parts` (the parts of a run).
`seams` connects its libraries to simulated time, `sql` simulates its databases, and `segments`
charges the processor time of its code.
"""
