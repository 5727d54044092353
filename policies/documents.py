"""Policy documents of IAM and AWS IoT, as rules read them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from maestro_stack.schema import Json


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement that allows something."""

    sid: str
    """Its Sid, or its number."""
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def allowing(document: Json) -> tuple[Statement, ...] | None:
    """The statements of a document that allow something; None if the text isn't a policy document.

    `NotAction` and `NotResource` allow everything else, and are read as `*`.
    """
    try:
        parsed: Json = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return None
    if not isinstance(parsed, dict) or "Statement" not in parsed:
        return None
    return tuple(_statements(parsed))


def _statements(document: Mapping[str, Json]) -> Iterator[Statement]:
    for number, statement in enumerate(_several(document["Statement"]), start=1):
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        sid = statement.get("Sid")
        yield Statement(
            sid=sid if isinstance(sid, str) and sid else f"statement {number}",
            actions=_named(statement, "Action"),
            resources=_named(statement, "Resource"),
        )


def _named(statement: Mapping[str, Json], key: str) -> tuple[str, ...]:
    if f"Not{key}" in statement:
        return ("*",)
    return tuple(value for value in _several(statement.get(key)) if isinstance(value, str))


def _several(value: Json) -> list[Json]:
    """IAM's convention: a single value may stand for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
