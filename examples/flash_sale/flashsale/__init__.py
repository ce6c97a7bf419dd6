"""A flash sale: two minutes to confirm what is held."""
