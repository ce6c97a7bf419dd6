"""A small ticket shop: Django on MySQL."""
