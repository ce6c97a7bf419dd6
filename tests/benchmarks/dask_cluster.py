"""A Dask cluster on the loopback device, whose workers are the program that is measured."""

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
CONNECTED = """
import sys
from distributed import Client
with Client(sys.argv[1], set_as_default=False) as client:
    client.wait_for_workers(int(sys.argv[2]), timeout=60)
"""


@contextmanager
def cluster(program, workers):
    """Yield the address of a scheduler with so many workers of one thread; end all of them."""
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"

        def start(kind, *arguments):
            processes.append(
                subprocess.Popen(
                    [program.bin / "python", "-P", "-c", START.format(kind), *arguments],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )

        try:
            start(
                "scheduler",
                "--host=127.0.0.1",
                "--port=0",
                "--no-dashboard",
                f"--scheduler-file={file}",
            )
            address = _address(file)
            for _ in range(workers):
                start("worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny")
            subprocess.run(
                [program.bin / "python", "-P", "-c", CONNECTED, address, str(workers)], check=True
            )
            yield address
        finally:
            for process in processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _address(file):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if file.exists() and file.read_text().strip():
            return json.loads(file.read_text())["address"]
        time.sleep(0.1)
    raise TimeoutError("no scheduler")
