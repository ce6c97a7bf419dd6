"""The databases of an application: its SQL, as text, on simulated time.

Start with `transactions` (isolation, row locks, errors). `statements` analyses the locks, reads and
writes of a statement, `schema` its tables. `store` has each transaction's view of the rows. The
application's libraries connect to `drivers`.
"""
