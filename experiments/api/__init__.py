"""The Python API: what notebooks and scripts import through `ticketsim`.

Start reading at `calls`, which has the functions; `results` has what these return.
"""
