"""The door for notebooks and scripts: `from ticketsim import simulate, compare, sweep, load`."""
