"""The door for notebooks and scripts: `from ticketsim import simulate, compare, sweep, load`.

Every name here is `experiments.api.calls`'s; docs/reference/python.md describes them.
"""

from experiments.api.calls import (
    Comparison,
    Run,
    Sweep,
    Table,
    TicketsimError,
    compare,
    configs,
    draws,
    init,
    keys,
    load,
    plot_drawn,
    plot_together,
    show,
    simulate,
    sweep,
    variants,
)

__all__ = [
    "Comparison",
    "Run",
    "Sweep",
    "Table",
    "TicketsimError",
    "compare",
    "configs",
    "draws",
    "init",
    "keys",
    "load",
    "plot_drawn",
    "plot_together",
    "show",
    "simulate",
    "sweep",
    "variants",
]
