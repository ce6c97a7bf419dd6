"""The processes that runs are made in: this one, a pool of processes, or a cluster.

Start reading at `replications`; `worker` is one run as a task.
"""
