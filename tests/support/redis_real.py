"""A real redis-server on loopback, started by the tests that compare with it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

START_S = 10.0


@contextmanager
def real_redis(*options: str) -> Iterator[redis.Redis]:
    """A client of a fresh server on a free port; the server is always stopped.

    `options` are command-line options, ("--maxmemory", "10mb"). Nothing is saved to disk.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--loglevel", "warning", "--enable-debug-command", "yes", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = redis.Redis(port=port, single_connection_client=False)
    try:
        _wait_until_up(client)
        yield client
    finally:
        client.close()
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)


def _wait_until_up(client: redis.Redis) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
