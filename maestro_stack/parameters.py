"""PostgreSQL's parameters: how RDS applies each, and which major versions have it, as far as a list knows."""

import json
from functools import cache
from pathlib import Path
from typing import TypedDict, cast


class _Known(TypedDict):
    """Content of data/postgres-parameters.json; its `source` says where it comes from."""

    static: list[str]
    dynamic: list[str]
    since: dict[str, int]
    until: dict[str, int]


@cache
def _known() -> _Known:
    file = Path(__file__).with_name("data") / "postgres-parameters.json"
    return cast(_Known, json.loads(file.read_text(encoding="utf-8")))


def apply_method(name: str) -> str:
    """How a change is applied. RDS refuses `immediate` for static parameters, and takes the other for all.

    Source: RDS API reference, Parameter: ApplyMethod.
    """
    return "immediate" if name in _known()["dynamic"] else "pending-reboot"


def is_static(name: str) -> bool:
    """Whether a change takes effect only after a restart, as far as the list knows."""
    return name in _known()["static"]


def belongs(name: str, major: int) -> bool | None:
    """Whether a major version has a parameter; None if the list doesn't know the parameter."""
    known = _known()
    if name not in known["static"] and name not in known["dynamic"]:
        return None
    return known["since"].get(name, 0) <= major <= known["until"].get(name, major)
