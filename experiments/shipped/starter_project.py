"""The starter project that `ticketsim init` writes: config, customer, service, workflow."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from experiments.errors import OutputError

_FILES: Final = {
    "README.md": "README.md",
    "onsale.toml": "onsale.toml",
    "onsale_policies.toml": "onsale_policies.toml",
    "onsale_customer.py": "onsale_customer.py",
    "onsale_service.py": "onsale_service.py",
    "onsale-gate.yml": ".github/workflows/onsale-gate.yml",
}
"""Name among the starter's files -> path in the new project."""


def write_starter(folder: str) -> Path:
    """Write the starter project into a new or empty folder.

    Returns:
        the path of its config.

    Raises:
        OutputError: the folder is not empty, is no folder, or cannot be written to.
    """
    target = Path(folder)
    try:
        starter = resources.files("experiments.shipped") / "starter"
        _check_empty(target)
        for name, place in _FILES.items():
            text = (starter / name).read_text("utf-8")
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"init {folder}: cannot be written: {reason}") from error
    return target / "onsale.toml"


def _check_empty(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise OutputError(f"init {target}: there is a file of that name; allowed: a new folder")
    if target.is_dir() and any(target.iterdir()):
        raise OutputError(f"init {target}: not empty; allowed: a new or empty folder")
