"""The databases of an application: its SQL, as text, on simulated time.

Start with `engine` (transactions and isolation). `statements` analyses the locks, reads and writes
of a statement, `schema` its tables. `store` has each transaction's view of the rows. The
application's libraries connect to `driver_modules`.
"""
