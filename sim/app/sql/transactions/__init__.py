"""Transactions of an application's databases: isolation, row locks, errors, schema."""
