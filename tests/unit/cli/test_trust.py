"""What comes from outside is data: it runs nothing, leaks nothing and stays text in a page."""

import ast
import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.interop.k6_output import read_output
from experiments.studies.saved_results import read_folder
from experiments.views.report.page import page_of
from experiments.views.report.render import html
from model.errors import TokenError
from model.tokens import TokenIssuer
from sim.service.host import _SIGNING_KEY
from tests.support.model_world import HandClock
from tests.unit.views.report_folders import HOSTILE, comparison, gate, ramp, write_campaign

ROOT = Path(__file__).parents[3]
PROGRAM = Path(sys.executable).with_name("ticketsim")
SHORT = [
    *["--set", "load.stages=[{ duration_s = 2.0, target = 5 }, { duration_s = 5.0, target = 5 }]"],
    *["--set", "load.graceful_stop_s=0.0"],
]
SOURCES = [
    path
    for package in ("model", "sim", "experiments", "pytest_ticketsim", "ticketsim")
    for path in sorted((ROOT / package).rglob("*.py"))
]
RUNS_DATA = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}


def ticketsim(*arguments, **options):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


def names_used(tree):
    """Modules imported, functions called by bare name, and keywords of calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            yield from (keyword.arg for keyword in node.keywords if keyword.arg == "allow_pickle")


def test_no_input_is_ever_run():
    forbidden = RUNS_DATA | RUNS_TEXT | {"allow_pickle"}
    found = {
        path.relative_to(ROOT).as_posix(): used
        for path in SOURCES
        if (used := forbidden & set(names_used(ast.parse(path.read_text("utf-8")))))
    }
    assert len(SOURCES) > 100
    assert found == {}


def test_code_is_imported_in_few_places_only():
    """What a config names, an application and its drivers, and a library that has no types.

    `sim/app/versions.py` looks into the modules of its own table, which no input can change.
    """
    importing = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"\bimport_module\(", path.read_text("utf-8"))
    }
    assert importing <= {
        "sim/kernel/import_path.py",
        "sim/app/modules.py",
        "sim/app/sql/drivers/driver.py",
        "sim/app/sql/drivers/mysqldb.py",
        "sim/app/sql/drivers/psycopg.py",
        "sim/app/background.py",
        "experiments/studies/live/application.py",
        "sim/app/versions.py",
        "experiments/runs/workers/cluster.py",
    }


def test_a_config_that_brings_code_says_so_once_and_first(tmp_path):
    (tmp_path / "mine.py").write_text("from sim.customers.buyer import buyer\n")
    script = ["--set", 'customer.script="mine:buyer"']
    for command in (["run", "smoke"], ["compare", "smoke", "--variants", "F2"]):
        many = ["--replications", "1", "--workers", "1"]
        done = ticketsim(*command, *SHORT, *script, *many, "--quiet", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        first, *rest = done.stderr.splitlines()
        assert first.startswith("ticketsim: smoke: customer.script = ")
        assert "is Python code and runs" in first
        assert "mine.py" in first
        assert not any("Python code" in line for line in rest)
    assert ticketsim("run", "smoke", *SHORT, "--quiet").stderr == ""


def spellings(secret):
    """A secret as text, in hexadecimal and in base64."""
    encoded = base64.b64encode(secret).rstrip(b"=")
    return [secret, secret.hex().encode(), encoded, base64.urlsafe_b64encode(secret).rstrip(b"=")]


def test_no_key_and_no_token_is_in_any_result(tmp_path):
    out = tmp_path / "out"
    incident = ["--set", 'policy.preset="incident"', "--set", 'customer.preset="incident"']
    done = ticketsim("run", "smoke", *SHORT, *incident, "--json", "--debug", "--out", out)
    assert done.returncode == 0, done.stderr
    reported = ticketsim("report", out)
    assert reported.returncode == 0, reported.stderr
    written = {entry.name: entry.read_bytes() for entry in out.iterdir()}
    assert len(written) > 10
    said = [done.stdout, done.stderr, reported.stdout, reported.stderr]
    # Every token of ours begins with {"alg".
    token = base64.urlsafe_b64encode(b'{"alg":')[:9]
    for content in [*written.values(), *(text.encode() for text in said)]:
        for secret in [*spellings(_SIGNING_KEY), token]:
            assert secret not in content


def test_an_issuer_does_not_tell_its_key():
    issuer = TokenIssuer(_SIGNING_KEY, HandClock())
    told = [repr(issuer), str(issuer)]
    for raw in ("", "undefined", "a.b.c", "x" * 5000):
        with pytest.raises(TokenError) as refusal:
            issuer.verify(raw)
        told += [repr(refusal.value), str(refusal.value)]
    for text in told:
        assert not any(secret in text.encode() for secret in spellings(_SIGNING_KEY))


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def hostile(content):
    """The same content, its texts hostile wherever they come from a config or a service."""
    table = json.loads(json.dumps(content))
    table["config"] = HOSTILE
    table["warnings"] = [HOSTILE]
    for check in table.get("checks", ()):
        check["name"] = f"{HOSTILE}: rate<0.01"
        check["reason"] = HOSTILE
    for variant in table.get("variants", ())[:1]:
        variant["name"] = variant["description"] = HOSTILE
    return table


PAGES = {
    "compare": ("comparison.json", comparison()),
    "sweep": ("sweep.json", ramp()),
    "gate": ("gate.json", gate()),
}


@pytest.mark.parametrize("command", PAGES)
def test_hostile_names_stay_text_in_every_page(tmp_path, command):
    name, content = PAGES[command]
    plain = write_campaign(tmp_path / "plain", command, name, {**content, "warnings": ["one"]})
    evil = write_campaign(tmp_path / "evil", command, name, hostile(content))
    usual, found = (Elements(html(page_of(read_folder(folder)))) for folder in (plain, evil))
    assert set(found.names) <= set(usual.names)
    assert found.names.count("script") == usual.names.count("script")
    assert not any(attribute.startswith("on") for attribute in found.attributes)
    assert any("<script>alert('x')</script>" in text for text in found.texts)


def test_names_in_k6_output_cannot_leave_their_line(tmp_path):
    path = tmp_path / "out.csv"
    name = '"a\n[customer]\nscript = ""os:system""\x1b[2J"'
    path.write_text(
        f"metric_name,timestamp,metric_value,name,status\nhttp_req_duration,1,5.0,{name},200\n"
    )
    (request,) = read_output(str(path)).requests
    assert request.name == 'a [customer] script = "os:system"\\x1b[2J'
