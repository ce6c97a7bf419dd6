"""The databases of an application: its SQL, as text, on simulated time.

Start with `engine` (transactions and isolation); `statements` says what a statement locks, reads
and writes, `schema` what its tables are, `store` what each transaction sees, `driver_modules`
what the application's libraries connect to.
"""
