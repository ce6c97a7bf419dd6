"""Raw output of the load generator: `--out csv` and `--out json`, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from experiments.errors import ConfigError, one_line

_DURATION, _USERS = "http_req_duration", "vus"
_MOST = 1e13
"""Seconds, milliseconds or users beyond any that k6 writes (traffic in bytes is the largest)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it ended (seconds), its name tag, its status and its duration in ms."""

    time_s: float
    name: str
    status: str
    duration_ms: float


@dataclass(frozen=True)
class Output:
    """What one file says. `users` is second -> virtual users."""

    path: str
    requests: list[Request]
    users: dict[int, float]

    @property
    def most_users(self) -> float:
        """The largest number of virtual users."""
        return max(self.users.values(), default=0.0)


def read_output(path: str) -> Output:
    """Read one file. Raises `ConfigError` if it is none, or has no requests."""
    requests: list[Request] = []
    users: dict[int, float] = {}
    try:
        with _opened(Path(path)) as file:
            for metric, time_s, value, name, status in _samples(file):
                _check(metric, time_s, value)
                if metric == _DURATION:
                    # Names come from others, and go to terminals and into TOML.
                    kind = one_line(str(name)), one_line(str(status))
                    requests.append(Request(time_s, *kind, value))
                elif metric == _USERS:
                    users[int(time_s)] = value
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(path, "", f"not k6's --out csv or --out json: {error}") from error
    if not requests:
        raise ConfigError(path, "", f"has no samples of {_DURATION}")
    return Output(path, requests, users)


def _check(metric: str, time_s: float, value: float) -> None:
    if not (abs(time_s) < _MOST and abs(value) < _MOST):
        raise ValueError(f"{metric} {value:g} at {time_s:g} s is out of range")


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _samples(file: IO[str]) -> Iterator[tuple[str, float, float, str, str]]:
    first = file.readline()
    if first.lstrip().startswith("{"):
        yield from _points([first], file)
        return
    header = first.rstrip("\r\n").split(",")
    for row in csv.DictReader(file, header):
        yield (
            row["metric_name"],
            float(row["timestamp"]),
            float(row["metric_value"]),
            row["name"],
            row["status"],
        )


def _points(
    first: Iterable[str], rest: Iterable[str]
) -> Iterator[tuple[str, float, float, str, str]]:
    for lines in (first, rest):
        for line in lines:
            entry = json.loads(line)
            if entry["type"] != "Point":
                continue
            data = entry["data"]
            tags = data.get("tags") or {}
            time_s = datetime.fromisoformat(data["time"]).timestamp()
            yield (
                entry["metric"],
                time_s,
                float(data["value"]),
                tags.get("name", ""),
                tags.get("status", ""),
            )
