"""A Dask cluster on the loopback device."""

import json
import os
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

START = "from distributed.cli.dask_{0} import main; main()"
PATIENCE_S = 60.0


@contextmanager
def dask_cluster(python, workers):
    """Yield the address of a scheduler, and the processes of its workers; end all of them.

    Args:
        python: the Python that runs them, with the options that it needs.
        workers: how many, of one thread each.
    """
    processes = []

    def start(kind, *arguments):
        process = subprocess.Popen(
            [*python, "-c", START.format(kind), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        processes.append(process)
        return process

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        where = ("--host=127.0.0.1", "--port=0", f"--scheduler-file={file}")
        try:
            start("scheduler", "--no-dashboard", *where)
            address = _address(file)
            started = [
                start("worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny")
                for _ in range(workers)
            ]
            _wait_for_workers(address, workers)
            yield address, started
        finally:
            for process in processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _address(file):
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if file.exists() and file.read_text().strip():
            return json.loads(file.read_text())["address"]
        time.sleep(0.1)
    raise TimeoutError("no scheduler")


def _wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=PATIENCE_S)
