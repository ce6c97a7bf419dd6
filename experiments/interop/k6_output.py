"""Raw output of the load generator: `--out csv` and `--out json`, plain or gzipped.

Read are the files of all versions of k6 since 2020: CSV with any of its time formats
(K6_CSV_TIME_FORMAT), with columns missing that `systemTags` left out, and lines of JSON. What a
spreadsheet or a shell makes of them is read too: semicolons, byte order marks, UTF-16. Everything
else is refused, with the file, the line and what the file seems to be.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from experiments.errors import ConfigError, one_line

_DURATION, _USERS = "http_req_duration", "vus"
_MOST = 1e13
"""Seconds, milliseconds or users beyond any that k6 writes (traffic in bytes is the largest)."""
_GZIP: Final = b"\x1f\x8b"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_NEEDED: Final = ("metric_name", "timestamp", "metric_value")
_UNITS: Final = ((1e11, "unix", 1.0), (1e14, "unix_milli", 1e-3), (1e17, "unix_micro", 1e-6))
"""Times below the first number are in the format of the second, which is so many seconds. Seconds
stay below 1e11 until the year 5138, milliseconds are above it from 1973 on."""
_NANO: Final = ("unix_nano", 1e-9)
_ID: Final = re.compile(r"(?<=/)\d+(?=/|$)")
_MOST_LOOKED_AT: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when it ended (seconds), its name tag, its status and its duration in ms."""

    time_s: float
    name: str
    status: str
    duration_ms: float


@dataclass(frozen=True)
class Output:
    """The contents of a file. `users` is second -> virtual users; empty without samples of vus."""

    path: str
    requests: list[Request]
    users: dict[int, float]

    @property
    def most_users(self) -> float:
        """The largest number of virtual users."""
        return max(self.users.values(), default=0.0)

    def renamed(self, endpoints: Mapping[str, str]) -> Output:
        """The same with endpoints for those names that stand for one."""
        requests = [
            replace(request, name=endpoints.get(request.name, request.name))
            for request in self.requests
        ]
        return replace(self, requests=requests)


class _BadFileError(Exception):
    """A file is none of k6's; its text says what is wrong."""


@dataclass(frozen=True, slots=True)
class _Sample:
    metric: str
    time_s: float
    value: float
    name: str
    status: str


def read_output(path: str) -> Output:
    """Read one file, requests in order of time.

    Raises:
        ConfigError: it is none of k6's, is cut off, or has no requests.
    """
    requests: list[Request] = []
    users: dict[int, float] = {}
    reader = _Reader(path)
    try:
        for sample in reader.samples():
            _check(sample)
            if sample.metric == _DURATION:
                # Names come from others, and go to terminals and into TOML.
                kind = one_line(sample.name), one_line(sample.status)
                requests.append(Request(sample.time_s, *kind, sample.value))
            elif sample.metric == _USERS:
                users[int(sample.time_s)] = sample.value
    except OSError as error:
        problem = str(error) if isinstance(error, gzip.BadGzipFile) else error.strerror
        raise ConfigError(path, "", f"cannot be read: {problem or error}") from error
    except (EOFError, zlib.error) as error:
        raise ConfigError(
            path, reader.place, "the file is cut off after this line; allowed: a whole copy of it"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, reader.place, "cannot be read: not UTF-8 text") from error
    except (_BadFileError, ValueError, csv.Error) as error:
        raise ConfigError(
            path, reader.place, f"not k6's --out csv or --out json: {error}"
        ) from error
    if not requests:
        raise ConfigError(path, "", f"has no samples of {_DURATION}")
    requests.sort(key=lambda request: request.time_s)
    return Output(path, requests, users)


def _check(sample: _Sample) -> None:
    if not (abs(sample.time_s) < _MOST and abs(sample.value) < _MOST):
        raise _BadFileError(
            f"{sample.metric} {sample.value:g} at {sample.time_s:g} s is out of range"
        )
    if sample.value < 0.0:
        raise _BadFileError(f"{sample.metric} {sample.value:g}: allowed: 0 or more")


class _Reader:
    """Reads the samples of a file, and knows in which line it is."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._line = 0
        self._time_format = ""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"line {self._line}" if self._line else ""

    def samples(self) -> Iterator[_Sample]:
        """Every sample of the file."""
        with _opened(Path(self._path)) as file:
            lines = self._counted(file)
            first = next(lines, "")
            if first.lstrip().startswith("{"):
                yield from self._points(first, lines, file)
            else:
                yield from self._rows(first, lines)

    def _counted(self, file: IO[str]) -> Iterator[str]:
        for line in file:
            self._line += 1
            yield line

    def _rows(self, header: str, lines: Iterator[str]) -> Iterator[_Sample]:
        delimiter = next((one for one in ",;\t" if one in header), ",")
        columns = [name.strip().strip('"') for name in header.rstrip("\r\n").split(delimiter)]
        missing = [name for name in _NEEDED if name not in columns]
        if missing:
            raise _BadFileError(_what_it_is(header, missing))
        if "name" not in columns and "url" not in columns:
            raise _BadFileError(
                "has neither the column name nor url, so requests cannot be told apart; allowed: "
                "systemTags with name"
            )
        for values in csv.reader(lines, delimiter=delimiter):
            if not values:
                continue
            if len(values) != len(columns):
                raise _BadFileError(
                    f"has {len(values)} of {len(columns)} columns: the file is cut off or changed"
                )
            row = dict(zip(columns, values, strict=True))
            metric = row["metric_name"]
            if metric in {_DURATION, _USERS}:
                number = (
                    row["metric_value"].replace(",", ".")
                    if delimiter == ";"
                    else (row["metric_value"])
                )
                name = _name(row.get("name", ""), row.get("url", ""), row.get("method", ""))
                status = row.get("status", "")
                yield _Sample(metric, self._time_s(row["timestamp"]), _number(number), name, status)

    def _points(self, first: str, rest: Iterator[str], file: IO[str]) -> Iterator[_Sample]:
        line: str | None = first
        while line is not None:
            if line.strip():
                entry = self._entry(line, file)
                if entry.get("type") == "Point" and entry.get("metric") in {_DURATION, _USERS}:
                    yield self._point(entry)
            line = next(rest, None)

    def _entry(self, line: str, file: IO[str]) -> Mapping[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            if self._line == 1:
                raise _BadFileError(_what_json_is(line + file.read(_MOST_LOOKED_AT))) from error
            raise _BadFileError("not whole JSON: the file is cut off or changed") from error
        if not isinstance(entry, dict) or "type" not in entry:
            raise _BadFileError(_what_json_is(line))
        return entry

    def _point(self, entry: Mapping[str, Any]) -> _Sample:
        data = entry.get("data")
        value = data.get("value") if isinstance(data, dict) else None
        if not isinstance(data, dict) or isinstance(value, bool):
            raise _BadFileError("a point without data")
        if not isinstance(value, int | float):
            raise _BadFileError("a point without a number as value")
        tags = data.get("tags")
        tags = tags if isinstance(tags, dict) else {}
        name = _name(
            str(tags.get("name", "")), str(tags.get("url", "")), str(tags.get("method", ""))
        )
        time_s = self._time_s(str(data.get("time", "")))
        return _Sample(entry["metric"], time_s, float(value), name, str(tags.get("status", "")))

    def _time_s(self, text: str) -> float:
        """A time in any of k6's formats; all of a file have the same."""
        try:
            number = float(text)
        except ValueError:
            found, time_s = "rfc3339", _date_s(text)
        else:
            found, unit_s = next(
                ((name, unit) for below, name, unit in _UNITS if abs(number) < below), _NANO
            )
            time_s = number * unit_s
        self._time_format = self._time_format or found
        if found != self._time_format:
            raise _BadFileError(
                f"the time {text} is {found}, the times before are {self._time_format}"
            )
        return time_s


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _BadFileError(f"metric_value {text!r} is no number") from None


def _date_s(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _BadFileError(
            f"the time {text!r}: allowed: K6_CSV_TIME_FORMAT unix, unix_milli, unix_micro, "
            "unix_nano, rfc3339 or rfc3339_nano"
        ) from None
    if found.tzinfo is None:
        raise _BadFileError(f"the time {text!r} has no time zone, which k6 always writes")
    return found.timestamp()


def _name(name: str, url: str, method: str) -> str:
    """The name tag; of an address, which k6 takes where a script names nothing, its endpoint."""
    text = name or url
    scheme, found, rest = text.partition("://")
    if not found or " " in scheme:
        return text
    path = "/" + rest.partition("/")[2].partition("?")[0].partition("#")[0]
    return f"{method} {_ID.sub('{id}', path)}".strip()


def _opened(path: Path) -> IO[str]:
    with path.open("rb") as file:
        begin = file.read(2)
    if begin == _GZIP:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-16" if begin in _UTF16 else "utf-8-sig", newline="")


def _what_it_is(first: str, missing: list[str]) -> str:
    """Why a first line is no header of k6's."""
    if not first.strip():
        return "the file is empty"
    if "http_reqs" in first or "█" in first or first.lstrip().startswith(("#", "//")):
        kind = "looks like something else than raw output"
    elif first.lstrip().startswith("<"):
        kind = "looks like HTML"
    elif first.lstrip().startswith("["):
        kind = "looks like a list of JSON, not one object a line"
    else:
        kind = "its first line is no header of k6's"
    return f"{kind}: has no column {', '.join(missing)}"


def _what_json_is(text: str) -> str:
    """Why a JSON object is no line of raw output."""
    try:
        table = json.loads(text)
    except ValueError:
        return "not whole JSON in its first line"
    if isinstance(table, dict) and "metrics" in table:
        return (
            "this is a summary (--summary-export, handleSummary), which has no single requests; "
            "allowed: k6 run --out csv=FILE or --out json=FILE"
        )
    if isinstance(table, dict) and "scenarios" in table:
        return "these are the options of a script (k6 inspect), for import-k6"
    return "JSON without type and metric"
