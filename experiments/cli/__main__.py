"""`python -m experiments.cli` is the program `ticketsim`."""

import sys

from experiments.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
