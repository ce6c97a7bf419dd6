"""Print the digest of one run: `python -m tests.support.world_digest SEED`.

Run as a program of its own, to compare with the digest in another process.
"""

import sys
from dataclasses import replace

from model.policy import Policy
from sim.customers.settings import Customer
from sim.run import simulate
from sim.world import Host
from tests.support.world_small import SMALL, one_by_one

BUSY = replace(
    SMALL,
    policy=replace(Policy.incident(), sweep_interval_s=3.0, access_ttl_s=5.0, waiting_ttl_s=4.0),
    customer=replace(Customer.incident(), think_low_s=0.5, think_high_s=1.0),
    load=one_by_one(8.0, 60),
    pool=replace(SMALL.pool, connections=1, timeout_s=0.1),
    host=Host(cores=0.5),
)
"""Everything that happens in the incident happens here within seconds."""


def digest(seed):
    """The digest of `BUSY`."""
    return simulate(BUSY, seed).digest


if __name__ == "__main__":
    sys.stdout.write(digest(int(sys.argv[1])))
