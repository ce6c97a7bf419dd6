"""Real database servers as ordinary processes on free loopback ports, with data in a folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pymysql

from experiments.interop.programs import free_port

_START_S = 60.0


def find(program):
    """Path of a program: on the path, or where Debian puts PostgreSQL; None if it is not there."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(places[-1]) if places else None


def _until(connect):
    """Connect as soon as the server answers."""
    give_up = time.monotonic() + _START_S
    while True:
        try:
            return connect()
        except (pymysql.Error, psycopg2.Error):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


@contextmanager
def _process(command, **options):
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    ) as program:
        try:
            yield program
        finally:
            program.terminate()
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                program.kill()


@contextmanager
def mariadb(folder):
    """A MariaDB server; gives a function that connects to it."""
    data, port = folder / "mariadb", free_port()
    user = [f"--user={pwd.getpwuid(os.getuid()).pw_name}"]
    subprocess.run(
        [
            *(find("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *user),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        ],
        check=True,
        capture_output=True,
    )
    command = [
        *(find("mariadbd"), "--no-defaults", f"--datadir={data}", f"--port={port}", *user),
        *("--bind-address=127.0.0.1", f"--socket={folder}/m.sock", "--skip-log-bin"),
        *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"),
    ]

    def connect(database="shop"):
        return pymysql.connect(
            host="127.0.0.1",
            port=port,
            user="root",
            database=database,
            client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        )

    with _process(command):
        with _until(lambda: connect(None)) as first, first.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
        connect.port = port
        yield connect


@contextmanager
def postgres(folder):
    """A PostgreSQL server; gives a function that connects to it."""
    data, port = folder / "postgres", free_port()
    options = {}
    if os.getuid() == 0:
        # It refuses to be run by root.
        options["user"] = "postgres"
        account = pwd.getpwnam("postgres")
        folder.chmod(0o755)
        for parent in folder.parents:
            if parent.owner() == "root" and str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
        data.mkdir()
        os.chown(data, account.pw_uid, account.pw_gid)
    subprocess.run(
        [find("initdb"), "-D", str(data), "-A", "trust", "-U", "shop", "-N"],
        check=True,
        capture_output=True,
        cwd="/",
        **options,
    )
    command = [
        *(find("postgres"), "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"),
        *("-c", "unix_socket_directories=", "-c", "fsync=off"),
    ]

    def connect():
        return psycopg2.connect(host="127.0.0.1", port=port, user="shop", dbname="postgres")

    with _process(command, cwd="/", **options):
        _until(connect).close()
        connect.port = port
        yield connect
