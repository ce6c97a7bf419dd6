"""A simulated run as the load generator's `--out csv`: what `calibrate` reads, from a known world.

Only the samples that a calibration needs: duration and failure of each request, users per second.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Final

from experiments.validate_numbers import ENDPOINTS
from sim.result import RunResult
from sim.run import simulate
from sim.world import World

COLUMNS: Final = [
    "metric_name",
    "timestamp",
    "metric_value",
    "check",
    "error",
    "error_code",
    "expected_response",
    "group",
    "method",
    "name",
    "proto",
    "scenario",
    "service",
    "status",
    "subproto",
    "tls_version",
    "url",
    "extra_tags",
    "metadata",
]
_SHORT: Final = {endpoint: short for short, endpoint in ENDPOINTS.items()}


def write_run(world: World, seed: int, path: Path) -> RunResult:
    """Simulate a world and write its requests to a gzipped file. Returns the result."""
    start_s = world.catalogue.opening_epoch_s
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()

        def listen(time_s: float, endpoint: str, status: int, duration_s: float) -> None:
            row = {
                "timestamp": int(start_s + time_s),
                "method": endpoint.split(" ", maxsplit=1)[0],
                "name": _SHORT.get(endpoint, endpoint),
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
