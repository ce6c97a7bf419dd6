"""Machines and the programs on them: cores, memory, who is killed when memory ends.

Start reading at `host`; `cpu` shares cores among processes.
"""
