"""What people run: the command line, configs, replications and results.

Start reading at `experiments.cli`; `experiments.api` is the same for Python.
"""
