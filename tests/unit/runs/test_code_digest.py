"""Results of other code are results of another program."""

import sys

import pytest

from experiments.config.reading import read
from experiments.errors import OutputMismatchError
from experiments.runs.storage import code_digest
from experiments.runs.storage.code_digest import named_digest, program_digest
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of

CODE = "def buyer(user):\n    user.sleep({})\n"


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Returns a config as a table whose customer's code is a file in a folder, and that file."""
    code = tmp_path / "my_digest_buyer.py"
    code.write_text(CODE.format(1.0), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    # The module of another test's folder.
    sys.modules.pop("my_digest_buyer", None)
    reading = read("smoke", ["customer.script='my_digest_buyer:buyer'"])
    return reading.config.resolved, code


def test_the_programs_own_code_is_not_counted_twice():
    resolved = read("smoke", []).config.resolved
    assert named_digest(resolved) == ""
    assert identity_of(resolved, 1, 1.0).version.endswith(f"+{program_digest()}")


def test_code_that_changed_is_no_longer_the_same_run(config, tmp_path):
    resolved, code = config
    before = identity_of(resolved, 1, 1.0)
    Journal(tmp_path / "out", "compare", before)
    Journal(tmp_path / "out", "compare", identity_of(resolved, 1, 1.0))

    code.write_text(CODE.format(2.0), encoding="utf-8")
    after = identity_of(resolved, 1, 1.0)
    assert after.code != before.code
    with pytest.raises(OutputMismatchError, match=f"code {before.code} there, code {after.code}"):
        Journal(tmp_path / "out", "compare", after)


def test_line_ends_of_a_checkout_change_nothing(config):
    resolved, code = config
    before = named_digest(resolved)
    code.write_bytes(code.read_bytes().replace(b"\n", b"\r\n"))
    assert named_digest(resolved) == before


def test_the_programs_digest_is_that_of_its_sources(tmp_path, monkeypatch):
    for name in ("model", "sim"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "a.py").write_text("x = 1\n", encoding="utf-8")
    costs = tmp_path / "sim" / "data" / "costs.toml"
    monkeypatch.setattr(code_digest.resources, "files", lambda name: tmp_path / name)

    def digest():
        program_digest.cache_clear()
        return program_digest()

    try:
        empty = digest()
        costs.write_text("a = 1\n", encoding="utf-8")
        one = digest()
        costs.write_text("a = 2\n", encoding="utf-8")
        assert len({empty, one, digest()}) == 3
        (tmp_path / "sim" / "a.pyc").write_bytes(b"\0")
        costs.write_text("a = 1\n", encoding="utf-8")
        assert digest() == one
    finally:
        program_digest.cache_clear()
