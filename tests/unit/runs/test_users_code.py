"""Users' modules reach the workers of a cluster, and a later version replaces a former one."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.runs.workers import users_code
from experiments.runs.workers.users_code import UsersCodeError, packed

ASKS = """
import sys
from pathlib import Path
from experiments.runs.workers.users_code import packed, unpack
for folder in sys.argv[1:]:
    unpack(packed([Path(folder)]))
    import mine_sent
    print(mine_sent.VERSION, Path(mine_sent.__file__).is_relative_to(folder))
    del mine_sent
roots = [entry for entry in sys.path if "ticketsim-code-" in entry]
print(len(roots), *roots)
"""


def folder(path, version):
    path.mkdir()
    (path / "mine_sent.py").write_text(f"VERSION = {version}\n")
    return path


def test_another_archive_replaces_the_modules_of_the_former_one(tmp_path):
    first, second = folder(tmp_path / "first", 1), folder(tmp_path / "second", 2)
    told = subprocess.run(
        [sys.executable, "-c", ASKS, first, first, second],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    ).stdout.splitlines()
    assert told[:3] == ["1 False", "1 False", "2 False"]
    count, root = told[3].split()
    assert count == "1"
    assert not Path(root).exists()


def test_what_is_hidden_compiled_installed_or_large_stays_behind(tmp_path, monkeypatch):
    mine = folder(tmp_path / "mine", 1)
    (mine / "templates").mkdir()
    (mine / "templates" / "page.html").write_text("<p>")
    (mine / ".env").write_text("SECRET=1")
    for left in ("__pycache__", ".git", "env"):
        (mine / left).mkdir()
        (mine / left / "file.py").write_text("")
    (mine / "env" / "pyvenv.cfg").write_text("")
    (mine / "samples.parquet").write_bytes(b"x" * 100)
    monkeypatch.setattr(users_code, "_MOST_BYTES_OF_DATA", 99)
    names = [str(file.relative_to(mine)) for file in users_code._files(mine)]
    assert names == ["mine_sent.py", "templates/page.html"]


def test_the_same_files_make_the_same_archive_and_others_another(tmp_path):
    one, same = folder(tmp_path / "one", 1), folder(tmp_path / "same", 1)
    other = folder(tmp_path / "other", 2)
    assert packed([one]).digest == packed([same]).digest != packed([other]).digest
    assert packed([]) is None


def test_a_folder_that_is_too_large_is_named(tmp_path, monkeypatch):
    mine = folder(tmp_path / "mine", 1)
    monkeypatch.setattr(users_code, "_MOST_BYTES", 5)
    with pytest.raises(UsersCodeError, match=r"--cluster: python_path .*mine: more than"):
        packed([mine])
