"""`[[processes]]`: which functions of the user's own run in the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class UserProcess:
    """One process of the user's own, started when the load begins."""

    code: Annotated[
        str,
        Setting(
            "import path of a generator function (env, world, **arguments), "
            "package.module:function; its code is run"
        ),
    ]
    name: Annotated[str, Setting("how messages and remarks name it; code's last part if empty")] = (
        ""
    )
    arguments: Annotated[
        Mapping[str, Any], Setting("keyword arguments of the function: numbers, texts, lists")
    ] = field(default_factory=dict)

    @property
    def shown_name(self) -> str:
        """The name in messages."""
        return self.name or self.code.rpartition(":")[2]
