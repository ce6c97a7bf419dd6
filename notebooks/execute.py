"""Run notebooks from top to bottom: `python notebooks/execute.py [NAME.ipynb ...]` saves them.

What is saved is the same after every run of the same version: no timing, no versions, no paths.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
_LONGEST_S = 300
_CODE = "is Python code and runs"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with the outputs of a fresh run.

    Args:
        path: of the notebook.
        folder: where it works.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_LONGEST_S,
        kernel_name="python3",
        record_timing=False,
        # A kernel on the loopback device warns that it is not encrypted; history is nobody's.
        extra_arguments=["--IPKernelApp.log_level=40", "--HistoryManager.enabled=False"],
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return normalised(notebook)


def normalised(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without anything that differs from one run or machine to the next."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _names_files(output)]
    return notebook


def _names_files(output: nbformat.NotebookNode) -> bool:
    """Whether an output only says which files of this machine are run as code."""
    lines = output.get("text", "").splitlines()
    return output.get("name") == "stderr" and all(_CODE in line for line in lines if line)


def main(names: Sequence[str]) -> int:
    """Run and save the notebooks named, or all."""
    for path in [FOLDER / name for name in names] or sorted(FOLDER.glob("*.ipynb")):
        print(path.name, flush=True)
        nbformat.write(executed(path, FOLDER), path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
