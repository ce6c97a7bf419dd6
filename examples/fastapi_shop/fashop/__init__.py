"""A small ticket shop."""
