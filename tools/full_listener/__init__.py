"""A service whose listener is full, and its load."""
