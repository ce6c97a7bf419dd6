"""What the locked dependencies are known for: `make audit`.

Offline: every dependency is pinned with hashes, nothing else is installed, and all fit together.
Then the public database of vulnerabilities is asked, if it can be reached; where it cannot, that is
said, and is no failure.
"""

import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-notebooks.lock")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.*?))?(?: \\)?$")
# Of a virtual environment itself, and this program.
NOT_LOCKED = {"pip", "ticketsim"}
UNREACHABLE = ("error sending request", "dns error", "timed out", "Could not connect")
PATIENCE_S = 120


def entries(text: str) -> dict[str, tuple[str, str, int]]:
    """Name -> version, marker and number of hashes of each locked dependency."""
    found: dict[str, tuple[str, str, int]] = {}
    name = ""
    for line in text.splitlines():
        match = REQUIREMENT.match(line)
        if match:
            name = normal(match[1])
            found[name] = (match[2], match[3] or "", 0)
        elif line.lstrip().startswith("--hash=sha256:"):
            version, marker, hashes = found[name]
            found[name] = (version, marker, hashes + 1)
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"audit: no pinned dependency: {line.strip()}")
    return found


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def normal(name: str) -> str:
    """A name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def offline(locked: dict[str, tuple[str, str, int]]) -> list[str]:
    """What is wrong with the lock file or with what is installed."""
    problems = [f"{name}: no hash" for name, (_, _, hashes) in locked.items() if not hashes]
    for distribution in importlib.metadata.distributions():
        name = normal(distribution.name)
        if name in NOT_LOCKED:
            continue
        if name not in locked:
            problems.append(f"{name}: installed and not locked")
        elif distribution.version != locked[name][0]:
            problems.append(f"{name}: {distribution.version} installed, {locked[name][0]} locked")
    check = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    return problems + (check.stdout.splitlines() if check.returncode else [])


def known_vulnerabilities(locked: dict[str, tuple[str, str, int]]) -> tuple[int, str]:
    """Exit code and words of uv's audit of a project that needs exactly what is locked."""
    needs = [
        f"{name}=={version}{f' ; {marker}' if marker else ''}"
        for name, (version, marker, _) in locked.items()
    ]
    # JSON's strings and lists are TOML's.
    project = (
        '[project]\nname = "audited"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f"dependencies = {json.dumps(needs)}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(project, "utf-8")
        try:
            done = subprocess.run(
                [Path(sys.executable).with_name("uv"), "audit", "--preview", "--no-progress"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return 1, "timed out"
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    """Audit, and say what was found in a few lines."""
    locked: dict[str, tuple[str, str, int]] = {}
    for lock in LOCKS:
        locked = entries(lock.read_text("utf-8")) | locked
    problems = offline(locked)
    for problem in problems:
        say(f"audit: {problem}")
    if problems:
        return 1
    say(f"audit: {len(locked)} dependencies, each pinned with hashes and installed as locked")
    code, words = known_vulnerabilities(locked)
    if code and any(sign in words for sign in UNREACHABLE):
        say("audit: NOT CHECKED for known vulnerabilities: their database cannot be reached")
        return 0
    say("\n".join(f"audit: {line}" for line in words.splitlines() if line.strip()))
    return code


if __name__ == "__main__":
    sys.exit(main())
