"""A simulated run as the load generator's `--out csv`: what `calibrate` reads, from a known world.

Only the samples that a calibration needs: duration and failure of each request, users per second.
"""

import csv
import gzip

from experiments.interop.export_k6 import COLUMNS
from experiments.statistics.outcomes import TAG_OF_ENDPOINT
from sim.run import simulate


def write_run(world, seed, path):
    """Simulate a world and write its requests to a gzipped file. Returns the result."""
    start_s = world.catalogue.opening_epoch_s
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()

        def listen(time_s, endpoint, status, duration_s):
            row = {
                "timestamp": int(start_s + time_s),
                "method": endpoint.split(" ", maxsplit=1)[0],
                "name": TAG_OF_ENDPOINT.get(endpoint, endpoint),
                "proto": "HTTP/1.1",
                "scenario": "default",
                "status": status,
            }
            duration = {"metric_name": "http_req_duration", "metric_value": 1e3 * duration_s}
            writer.writerow({**row, **duration})

        result = simulate(world, seed, listener=listen)
        series = result.series
        for time_s, users in zip(series["t_s"].tolist(), series["vus"].tolist(), strict=True):
            sample = {"metric_name": "vus", "timestamp": int(start_s + time_s) - 1}
            writer.writerow({**sample, "metric_value": users})
    return result
