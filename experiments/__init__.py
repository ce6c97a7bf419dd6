"""What people run: the command line, configs, replications and results.

Start reading at `experiments.cli.main`; `experiments.api.calls` is the same for Python.
"""
