"""JSON values: what Pulumi, AWS and Kubernetes exchange, read without trusting their shape."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def whole_numbers(value: Json) -> Json:
    """The same value with 3.0 as 3, at any depth."""
    match value:
        case bool():
            return value
        case float() if value.is_integer():
            return int(value)
        case list():
            return [whole_numbers(item) for item in value]
        case dict():
            return {key: whole_numbers(item) for key, item in value.items()}
        case _:
            return value


# Readers that tolerate a wrong type: AWS's own validation of the call then gives the better message.


def text(values: Mapping[str, Json], key: str, default: str = "") -> str:
    """A string, or the default."""
    value = values.get(key)
    return value if isinstance(value, str) else default


def number(values: Mapping[str, Json], key: str, default: int = 0) -> int:
    """A whole number, or the default."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def flag(values: Mapping[str, Json], key: str, *, default: bool = False) -> bool:
    """A boolean, or the default."""
    value = values.get(key)
    return value if isinstance(value, bool) else default


def texts(values: Mapping[str, Json], key: str) -> list[str]:
    """The strings of a list; none if it is missing."""
    value = values.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def record(values: Mapping[str, Json], key: str) -> dict[str, Json]:
    """An object; empty if it is missing."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def records(values: Mapping[str, Json], key: str) -> list[dict[str, Json]]:
    """The objects of a list; none if it is missing."""
    value = values.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def dig(values: Mapping[str, Json], path: str) -> Json:
    """The value at a dotted path such as metadata.name; None if there is none."""
    *parents, last = path.split(".")
    for parent in parents:
        values = record(values, parent)
    return values.get(last)


def json_list(values: Iterable[str]) -> list[Json]:
    """A list of strings as a Json value (lists are invariant, so the type checker needs this)."""
    return list(values)


def merged(*parts: Mapping[str, Json]) -> dict[str, Json]:
    """The parts as one object; later ones win."""
    return {key: value for part in parts for key, value in part.items()}


def overlaid(below: Mapping[str, Json], above: Mapping[str, Json]) -> dict[str, Json]:
    """`above` over `below`: objects key by key at any depth, everything else as a whole."""
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = overlaid(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return both


def to_json(value: object) -> Json:
    """What botocore parsed from a response, as JSON; times in RFC 3339, as the provider shows them."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case bytes():
            return value.decode("utf-8", "replace")
        case dict():
            return {str(key): to_json(item) for key, item in cast("dict[object, object]", value).items()}
        case list():
            return [to_json(item) for item in cast("list[object]", value)]
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


def parse_document(document: str) -> dict[str, Json] | None:
    """A policy document, or None if the text isn't a JSON object."""
    try:
        parsed: Json = json.loads(document)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def one_or_many(value: Json) -> list[Json]:
    """IAM's convention: a single value may stand for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
