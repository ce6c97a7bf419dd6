"""A config's load as a k6 script: k6 reads the same load, and its users do what ours do."""

import json
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from experiments.config.reading import load
from experiments.errors import ConfigError
from experiments.interop.k6_script import k6_script
from experiments.interop.programs import LOOPBACK, required_program

LOADS = {
    "stages": 'load={executor="ramping-vus", stages=[{duration_s=2.0, target=5}]}',
    "constant": 'load={executor="constant-vus", vus=3, duration_s=4.0}',
    "iterations": 'load={executor="per-vu-iterations", vus=2, iterations=3, max_duration_s=9.0}',
    "rate": 'load={executor="constant-arrival-rate", rate=5.0, duration_s=4.0,'
    " pre_allocated_vus=4}",
}


def script(*assignments, base_url="http://127.0.0.1:9"):
    config = load("smoke", assignments)
    return k6_script(config.world, {}, base_url=base_url, timeout_s=60.0)


def test_a_customer_of_the_users_own_is_refused_by_key():
    with pytest.raises(ConfigError, match=r"customer\.script = .*k6 runs JavaScript"):
        script('customer.script="sim.customers.human:human"')


def test_thresholds_of_metrics_that_k6_does_not_have_are_left_out():
    world = load("smoke").world
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
    path.write_text(script(LOADS[name]))
    k6 = required_program("k6", "k6")
    inspected = subprocess.run([k6, "inspect", path], capture_output=True, text=True, check=True)
    read = json.loads(inspected.stdout)["scenarios"]["load"]
    assert read["executor"] == load("smoke", [LOADS[name]]).world.load.executor
    assert read["exec"] == "buyer"


@pytest.mark.k6
def test_a_buyer_in_k6_asks_looks_books_and_pays_once(stub, tmp_path):
    path = tmp_path / "script.js"
    url = f"http://{LOOPBACK}:{stub.server_address[1]}"
    settings = [
        'load={executor="per-vu-iterations", vus=3, iterations=2, max_duration_s=3.0}',
        "customer.think_low_s=0.0",
        "customer.think_high_s=0.1",
        "customer.pay_probability=1.0",
    ]
    path.write_text(script(*settings, base_url=url))
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
