"""The command line: one file per command, with its options, its output and its exit codes.

Start reading at `main`.
"""
