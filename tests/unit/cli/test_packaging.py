"""The wheel, installed by itself in an empty environment, runs from any folder."""

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*command, cwd):
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def installed(tmp_path):
    """The scripts folder of an environment with nothing of ours but the wheel.

    The libraries are lent by the environment that runs the tests, so that no index is asked.
    """
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("model", "sim", "experiments"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    run(*build, source, cwd=tmp_path)
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    scripts = environment / "bin"
    (wheel,) = tmp_path.glob("*.whl")
    run(scripts / "python", "-m", "pip", "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(scripts / "python", "-c", code, cwd=tmp_path).strip())
    _lend_libraries(packages)
    shutil.rmtree(source)
    return scripts


def _lend_libraries(packages):
    for library in Path(sysconfig.get_path("purelib")).iterdir():
        ours = "ticketsim" in library.name or library.suffix == ".pth"
        if not ours and not (packages / library.name).exists():
            (packages / library.name).symlink_to(library)


def test_the_wheel_runs_smoke_and_reports_it_from_another_folder(installed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    where = run(installed / "python", "-c", "import sim; print(sim.__file__)", cwd=elsewhere)
    assert Path(where.strip()).is_relative_to(installed.parent)
    output = run(installed / "ticketsim", "run", "smoke", "--json", "--quiet", cwd=elsewhere)
    assert json.loads(output)["config"] == "smoke"
    assert list(elsewhere.iterdir()) == []
    kept = tmp_path / "kept"
    run(installed / "ticketsim", "run", "smoke", "--quiet", "--out", kept, cwd=elsewhere)
    run(installed / "ticketsim", "report", kept, cwd=elsewhere)
    assert "</html>" in (kept / "report.html").read_text()
