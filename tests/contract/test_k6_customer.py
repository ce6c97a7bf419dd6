"""A Python customer and its translation: k6 sends what Python sends."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from experiments.errors import ConfigError
from experiments.interop.k6_script import k6_script
from experiments.interop.programs import LOOPBACK, required_program
from sim.app.customer import Customer
from sim.app.wsgi import Body
from sim.customers.settings import Customer as CustomerSettings
from sim.customers.user import Answer
from sim.load.settings import PerVUIterations
from sim.world import Application, World
from tests.support import k6_customers

ANSWER = {"n": 1, "list": [41, 42]}


def script(function, url="http://127.0.0.1:9"):
    world = World(
        app=Application(wsgi="nowhere:app"),
        customer=CustomerSettings(script=f"tests.support.k6_customers:{function}"),
        load=PerVUIterations("per-vu-iterations", vus=1, iterations=1, max_duration_s=10.0),
    )
    return k6_script(world, {}, base_url=url, timeout_s=5.0)


class Recorder:
    """A simulated user that only writes down what is sent."""

    id = 1
    memory = None

    def __init__(self):
        self.sent = []

    def finish(self, *, spin):
        assert not spin

    def _send(self, endpoint, request, _patience_s):
        self.sent.append((endpoint, request.method, request.path, _read(request.body)))
        body = Body([("Content-Type", "application/json")], json.dumps(ANSWER).encode())
        return Answer(200, body, None)


def _read(body):
    text = (body or b"").decode()
    return json.loads(text) if text.startswith("{") else text


@pytest.fixture
def listener():
    seen = []

    class Listener(BaseHTTPRequestHandler):
        def _answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((self.command, self.path, _read(body)))
            text = json.dumps(ANSWER).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_):
            return

    server = ThreadingHTTPServer((LOOPBACK, 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{LOOPBACK}:{server.server_address[1]}", seen
    server.shutdown()


@pytest.mark.k6
def test_k6_sends_what_python_sends(listener, tmp_path):
    url, seen = listener
    user = Recorder()
    k6_customers.everything(Customer(user, {}))
    path, output = tmp_path / "script.js", tmp_path / "out.csv"
    path.write_text(script("everything", url))
    k6 = required_program("k6", "k6")
    subprocess.run(
        [k6, "run", "--quiet", "--out", f"csv={output}", path], capture_output=True, check=True
    )
    assert [each[1:] for each in user.sent] == [
        (method, target.replace("%20", "+"), body.replace("%20", "+") if body == "" else body)
        for method, target, body in seen
    ]
    names = {line.split(",")[8] for line in output.read_text().splitlines()[1:]}
    assert "POST /first/{id}/x" in output.read_text()
    assert names


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("reads_files", r"k6_customers\.py:\d+: this call \(os\.getcwd\) cannot be written for k6"),
        ("catches", r"k6_customers\.py:\d+: this statement \(try\) cannot be written for k6"),
        ("nobody", "nobody"),
    ],
)
def test_what_cannot_be_translated_is_named_with_its_line(function, message):
    with pytest.raises(ConfigError, match=message):
        script(function)
