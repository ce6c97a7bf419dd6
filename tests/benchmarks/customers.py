"""Race simulators at M/M/c; print the rates and what their customers met as JSON.

A program of its own, so that another Python, with the compiled program, can run it. Arguments:
servers, arrivals per second, customers, rounds.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import queues
from race import race


def main(servers, rate, customers, rounds):
    """Every library that is here does the same queue."""
    times_s: dict[str, list[float]] = {}

    def contender(name, model):
        seen_s = times_s.setdefault(name, [])

        def run():
            seen_s.append(model(servers, rate, customers, len(seen_s) + 1))
            return customers

        return run

    models = queues.OWN | {queues.STOCK: queues.simpy_processes} | queues.installed_peers()
    rates = race({name: contender(name, model) for name, model in models.items()}, rounds)
    sys.stdout.write(json.dumps({"rates": rates, "times_s": times_s}))


main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
