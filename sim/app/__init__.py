"""An application of the user's own, unmodified, on simulated time.

Start with `server` (the processes that run it) and `run` (what a run of it is made of); `seams`
lead its libraries to simulated time, `sql` is its databases, `segments` what its code costs.
"""
