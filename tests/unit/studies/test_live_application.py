"""What `live` knows of an application: its server, its environment, its processor time."""

import subprocess
import sys
import time

import pytest

from experiments.interop.k6_output import Request
from experiments.interop.programs import Program, ProgramError, processor_s, wait_until_idle
from experiments.studies.live.application import environment_of, gunicorn
from experiments.studies.live.demands import Account, demands, used_for
from sim.world import Application

DATABASE = "mysql+pymysql://u:p@127.0.0.1:33/d"
REDIS = "redis://127.0.0.1:77/0"


def test_an_application_is_told_where_the_real_servers_are():
    plain = environment_of(Application(env={"SHOP": "1"}), DATABASE, REDIS)
    assert plain == {"SHOP": "1", "DATABASE_URL": DATABASE, "REDIS_URL": REDIS}
    own = Application(
        live_env={"AT": "{database_host}:{database_port}/{database_name}", "R": "{redis_port}"}
    )
    assert environment_of(own, DATABASE, REDIS) == {"AT": "127.0.0.1:33/d", "R": "77"}
    with pytest.raises(ProgramError, match=r"live_env\.X = '\{oracle\}': allowed: \{database\}"):
        environment_of(Application(live_env={"X": "{oracle}"}), DATABASE, REDIS)


def test_gunicorn_is_started_as_the_config_says():
    words = gunicorn(Application(workers=3, threads=1, backlog=64, keepalive_s=5.0))
    pairs = dict(zip(words[3::2], words[4::2], strict=True))
    assert pairs["--workers"] == "3"
    assert pairs["--worker-class"] == "sync"
    assert (pairs["--backlog"], pairs["--keep-alive"]) == ("64", "5")
    assert "gthread" in gunicorn(Application(threads=2))


def test_a_demand_is_busy_time_over_requests_in_the_middle_of_a_load():
    requests = [Request(100.0 + n / 10, "a", "200", 1.0) for n in range(101)]
    taken = [Account(100.0 + s, {"k6": 5.0 + 0.02 * s, "db": 1.0}) for s in range(-2, 14)]
    found = demands(taken, requests)
    assert found["k6"] == pytest.approx(0.02 * 7 / 71)
    assert found["db"] == 0.0
    assert demands(taken[:1], requests) == {}
    assert demands(taken, []) == {}


def test_what_a_crowd_costs_is_counted_from_before_its_first_request():
    requests = [Request(103.0 + n / 10, "a", "200", 200.0) for n in range(10)]
    taken = [Account(100.0 + s, {"k6": 0.5 * s}) for s in range(8)]
    # The first request was sent at 102.8 s.
    assert used_for(taken, requests, "k6") == (pytest.approx(0.5 * 7 - 0.5 * 2), 10)
    assert used_for(taken[:4], requests, "k6") == (pytest.approx(0.5), 1)
    assert used_for(taken, requests, "db") is None
    assert used_for(taken[4:], requests, "k6") is None
    assert used_for(taken, [], "k6") is None


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_the_processor_time_of_a_program_includes_its_children(tmp_path):
    burn = "import time\nend = time.time() + 20\nwhile time.time() < end: pass"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    with Program("burns", [sys.executable, "-c", code], tmp_path / "log"):
        deadline_s = time.monotonic() + 15.0
        while processor_s()["burns"] < 0.2 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert processor_s()["burns"] >= 0.2
    assert "burns" not in processor_s()
    assert subprocess.run(["pgrep", "-f", "time.time() + 20"], check=False).returncode


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_program_that_still_begins_is_waited_for(tmp_path):
    code = "import time\nend = time.time() + 1.5\nwhile time.time() < end: pass\ntime.sleep(30)"
    with Program("begins", [sys.executable, "-c", code], tmp_path / "log"):
        began_s = time.monotonic()
        wait_until_idle()
        assert 1.5 <= time.monotonic() - began_s < 10.0
        began_s = time.monotonic()
        wait_until_idle()
        assert time.monotonic() - began_s < 1.4


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_program_that_never_rests_is_not_waited_for_forever(tmp_path):
    with Program("never", [sys.executable, "-c", "while True: pass"], tmp_path / "log"):
        began_s = time.monotonic()
        wait_until_idle(1.0)
        assert 1.0 <= time.monotonic() - began_s < 5.0


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_children_that_leave_the_session_are_counted(tmp_path):
    burn = "import time\nend = time.time() + 1.5\nwhile time.time() < end: pass"
    run = "subprocess.run([sys.executable, '-c', burn], start_new_session=True)"
    code = f"import subprocess, sys, time\nburn = {burn!r}\n{run}\ntime.sleep(30)"
    with Program("burns", [sys.executable, "-c", code], tmp_path / "log"):
        deadline_s = time.monotonic() + 15.0
        while processor_s()["burns"] < 0.2 and time.monotonic() < deadline_s:
            time.sleep(0.1)
        assert processor_s()["burns"] >= 0.2
        time.sleep(1.5)
