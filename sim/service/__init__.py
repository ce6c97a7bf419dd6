"""The service on its machine: worker threads, instances, what its calls cost.

Start reading at `host`; `charges` makes calls take time, `costs` says how much.
"""
