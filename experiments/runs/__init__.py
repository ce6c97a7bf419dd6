"""Making many runs and keeping their results.

Start reading at `campaign` (which runs are missing, and until when) and `runner` (makes them).
`workers` holds the processes and the cluster that runs are made in, `storage` the files that keep
their results.
"""
