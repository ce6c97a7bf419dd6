"""Real programs begin, answer, and leave nothing behind; what fails says which program and why."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from experiments.interop.programs import (
    Program,
    ProgramError,
    check_loopback,
    free_port,
    mariadb_server,
    postgresql_server,
    redis_server,
    required_program,
)


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ticketsim-programs")


def version(url):
    """Asked in a process of its own: an application that ran here has left simulated drivers."""
    code = f"""
import sqlalchemy
with sqlalchemy.create_engine({url!r}).connect() as connection:
    print(connection.execute(sqlalchemy.text("select version()")).scalar_one())
"""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.redis_server
def test_a_redis_server_answers_and_is_gone_after_the_block(tmp_path):
    with redis_server(tmp_path) as url:
        client = redis.Redis.from_url(url)
        assert client.ping()
    with pytest.raises(redis.ConnectionError):
        client.ping()


@pytest.mark.mariadb
def test_a_mariadb_server_has_a_database(tmp_path):
    with mariadb_server(tmp_path) as url:
        assert "MariaDB" in version(url)


@pytest.mark.postgresql
def test_a_postgresql_server_has_a_database(tmp_path):
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(0o755)
    with postgresql_server(tmp_path) as url:
        assert "PostgreSQL" in version(url)


def test_a_program_that_ends_early_says_its_last_words(tmp_path):
    command = ["sh", "-c", "echo no memory left >&2; exit 3"]
    with (
        pytest.raises(ProgramError, match="shop: ended with code 3: no memory left"),
        Program("shop", command, tmp_path / "shop.log") as program,
    ):
        program.wait_until_listening(free_port())


def test_the_exception_is_its_last_words_where_there_is_one(tmp_path):
    told = "sqlalchemy.exc.OperationalError: no such host\n(Background on this error at: a page)"
    command = ["sh", "-c", f"echo 'begins'; echo '{told}' >&2; exit 1"]
    with Program("prepare", command, tmp_path / "log") as program:
        assert program.wait(5.0) == 1
        with pytest.raises(ProgramError, match=r"code 1: sqlalchemy\.exc\.OperationalError: no"):
            program.check()


def test_children_of_a_program_end_with_it(tmp_path):
    command = ["sh", "-c", "sleep 300 & echo $!; wait"]
    with Program("shop", command, tmp_path / "shop.log") as program:
        while not (tmp_path / "shop.log").read_text():
            program.check()
            time.sleep(0.01)
        child = int((tmp_path / "shop.log").read_text())
    for _ in range(100):
        if not os.path.exists(f"/proc/{child}"):  # noqa: PTH110
            break
        time.sleep(0.02)
    else:
        pytest.fail("the child still runs")


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_port_that_another_program_has_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            Program(
                "waits", [sys.executable, "-c", "import time; time.sleep(30)"], tmp_path / "log"
            ) as program,
            pytest.raises(ProgramError, match=f"waits: port {port} is taken by another program"),
        ):
            program.wait_until_listening(port)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(ProgramError, match="no k7 on the path; install it"):
        required_program("k7", "nowhere")


@pytest.mark.parametrize("host", ["10.0.0.1", "example.org", "192.168.1.4"])
def test_only_this_machine_is_a_target(host):
    with pytest.raises(ProgramError, match="allowed: addresses of this machine"):
        check_loopback(host, "--url")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_loopback_addresses_are_targets(host):
    check_loopback(host, "--url")


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_free_port_is_none_that_the_kernel_gives_to_connections():
    found = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("utf-8")
    lowest, highest = map(int, found.split())
    for _ in range(50):
        port = free_port()
        assert not lowest <= port <= highest
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))
