"""Compiles what most of a simulation's time goes through, where TICKETSIM_COMPILE names a folder.

Without that an install is of Python files only. `make fast` sets it.
"""

import os
import sys
from typing import Final

from setuptools import Extension, setup

COMPILED: Final = (
    "sim/service/charges.py",
    "sim/service/ports.py",
    "sim/network/connection.py",
    "sim/network/connector.py",
    "sim/network/local_ports.py",
    "sim/service/costs.py",
    "sim/network/exchange.py",
    "sim/load/generator.py",
    "sim/machines/host.py",
    "sim/kernel/environment.py",
    "sim/measure/requests.py",
    "sim/measure/samples.py",
    "sim/kernel/random_streams.py",
    "sim/redis/memory/allocator.py",
    "sim/redis/client.py",
    "sim/redis/memory/client_memory.py",
    "sim/redis/commands/connection.py",
    "sim/redis/commands/costs.py",
    "sim/redis/engine.py",
    "sim/redis/keys/keyspace.py",
    "sim/redis/server.py",
    "sim/redis/memory/sorted_set.py",
    "sim/redis/keys/values.py",
    "sim/machines/redis_process.py",
    "sim/service/host.py",
    "sim/stations/connection_pool.py",
    "sim/machines/cpu.py",
    "sim/machines/run_queue.py",
    "sim/stations/monitor.py",
    "sim/stations/single_server.py",
    "sim/stations/worker_pool.py",
    "sim/network/dial_retries.py",
    "sim/customers/user.py",
)
"""Where a class is compiled, no class elsewhere can have it as a base, and no test can replace its
methods. So `model` is not among them: a user's service may be a subclass of anything there."""


def compiled(folder: str) -> list[Extension]:
    """The modules as C extensions; C code and mypy's cache go into `folder`."""
    from mypyc.build import mypycify  # noqa: PLC0415 - a plain install does without mypy

    options = ["--config-file=pyproject.toml", f"--cache-dir={folder}/mypy_cache"]
    # Quick to compile: make incident waits for it on a fresh machine.
    found = mypycify([*options, *COMPILED], opt_level="1", debug_level="0", target_dir=folder)
    for extension in found:
        # A warning of some other compiler is no reason to go without.
        options = extension.extra_compile_args
        extension.extra_compile_args = [option for option in options if option != "-Werror"]
    return found


FOLDER: Final = os.environ.get("TICKETSIM_COMPILE")
# Questions about the package alone come first and would compile as well.
if FOLDER and "bdist_wheel" in sys.argv:
    setup(ext_modules=compiled(FOLDER), options={"build": {"build_base": FOLDER}})
else:
    setup()
