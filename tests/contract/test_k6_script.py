"""A config's load as a k6 script: k6 reads the same load, and its users do what ours do."""

import dataclasses
import json
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from experiments.cli.main import main
from experiments.config import reading as config
from experiments.errors import ConfigError
from experiments.interop.k6_script import k6_script
from experiments.interop.programs import LOOPBACK, required_program
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    OpeningCrowd,
    PerVUIterations,
    RampingVUs,
    Stage,
)

LOADS = {
    "stages": RampingVUs(stages=(Stage(2.0, 5),)),
    "constant": ConstantVUs("constant-vus", 4.0, vus=3),
    "iterations": PerVUIterations("per-vu-iterations", vus=2, iterations=3, max_duration_s=9.0),
    "rate": ConstantArrivalRate("constant-arrival-rate", 4.0, 5.0, 4),
    "crowd": OpeningCrowd("opening-crowd", 10, 60.0),
}


def script(*assignments, load=None, base_url="http://127.0.0.1:9"):
    world = read(assignments)
    if load is not None:
        world = dataclasses.replace(world, load=load)
    return k6_script(world, {}, base_url=base_url, timeout_s=60.0)


def read(assignments=()):
    return config.load("smoke", assignments).world


def test_a_customer_of_the_users_own_is_refused_by_key():
    with pytest.raises(ConfigError, match=r"customer\.script = .*k6 runs JavaScript"):
        script('customer.script="sim.customers.human:human"')


def test_thresholds_of_metrics_that_k6_does_not_have_are_left_out():
    world = read()
    text = k6_script(
        world,
        {"http_req_failed{name:x}": ["rate<0.1"], "waiting_time": ["p(95)<3"]},
        base_url="http://127.0.0.1:9",
        timeout_s=1.0,
    )
    assert '"http_req_failed{name:x}"' in text
    assert "waiting_time" not in text


class Stub(BaseHTTPRequestHandler):
    """Lets everybody in, and sells the seat that is asked for."""

    protocol_version = "HTTP/1.1"

    def _answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        self.server.seen[self.path.partition("?")[0]] += 1
        if "dates" in self.path:
            self._answer({"dates": ["2025-01-01"]})
        else:
            seat = {"seatId": 7, "row": 1, "number": 7}
            self._answer({"seats": [seat], "page": 0, "pages": 1})

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen[self.path] += 1
        self.server.bodies.append(sent)
        answers = {
            "/v1/token/generation": {"type": "ACCESS", "jwt": "a.eyJleHAiOjk5OTk5OTk5OTl9.c"},
            "/v1/concerts/1/booking": {"bookingId": 3},
        }
        self._answer(answers.get(self.path, {}))

    def log_message(self, *_):
        return


@pytest.fixture
def stub():
    server = ThreadingHTTPServer((LOOPBACK, 0), Stub)
    server.seen, server.bodies = Counter(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.mark.k6
@pytest.mark.parametrize("name", LOADS)
def test_k6_reads_the_load_that_the_config_has(name, tmp_path):
    path = tmp_path / "script.js"
    path.write_text(script(load=LOADS[name]))
    k6 = required_program("k6", "k6")
    inspected = subprocess.run([k6, "inspect", path], capture_output=True, text=True, check=True)
    found = json.loads(inspected.stdout)["scenarios"]["load"]
    wanted = "per-vu-iterations" if name == "crowd" else LOADS[name].executor
    assert (found["executor"], found["exec"]) == (wanted, "buyer")


@pytest.mark.k6
def test_a_buyer_in_k6_asks_looks_books_and_pays_once(stub, tmp_path):
    path = tmp_path / "script.js"
    url = f"http://{LOOPBACK}:{stub.server_address[1]}"
    settings = [
        "customer.think_low_s=0.0",
        "customer.think_high_s=0.1",
        "customer.pay_probability=1.0",
    ]
    load = PerVUIterations("per-vu-iterations", vus=3, iterations=2, max_duration_s=3.0)
    path.write_text(script(*settings, load=load, base_url=url))
    k6 = required_program("k6", "k6")
    subprocess.run([k6, "run", "--quiet", path], capture_output=True, text=True, check=True)
    assert stub.seen == {
        "/v1/token/generation": 3,
        "/v1/concerts/1/available-dates": 3,
        "/v1/concerts/1/available-seats": 3,
        "/v1/concerts/1/booking": 3,
        "/v1/bookings/3/payment": 3,
    }
    assert {"date": "2025-01-01", "seatId": 7} in stub.bodies


def test_export_writes_the_script_of_a_config_or_of_a_folder(tmp_path, capsys):
    assert main(["export", "smoke", "--format", "k6-script"]) == 0
    printed = capsys.readouterr().out
    assert "export function buyer()" in printed
    assert main(["run", "smoke", "--scale=0.05", "--quiet", f"--out={tmp_path}"]) == 0
    assert main(["export", str(tmp_path), "--format", "k6-script", "--quiet"]) == 0
    assert (tmp_path / "k6-script.js").read_text() == printed
