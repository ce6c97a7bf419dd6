"""What every study returns: a document, whether the user interrupted it, and where it is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from experiments.runs.storage.journal import Journal

Document = TypeVar("Document", bound=Mapping[str, Any])


@dataclasses.dataclass(frozen=True)
class StudyResult(Generic[Document]):
    """The result of a study.

    `document` is what `--json` prints. `journal` is open: files can be put beside the runs.
    """

    document: Document
    interrupted: bool
    journal: Journal
