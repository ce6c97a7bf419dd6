"""Making many runs and keeping their results.

Start reading at `campaign` (which runs are missing, and until when); `replications` makes them in
processes or on a `cluster`, `store` and `journal` keep them on disk.
"""
