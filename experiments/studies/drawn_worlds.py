"""What is to be said of the worlds that a config draws."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.config.reading import Config
from experiments.runs.store import program_version


def remarks(config: Config) -> Iterator[str]:
    """Remarks on the files of draws that a config uses."""
    for file in config.worlds.files if config.worlds else ():
        if file.version != program_version():
            yield (
                f"the draws in {file.name} were made with other code ({file.version}; this is "
                f"{program_version()}): what was possible there may not be possible here"
            )
