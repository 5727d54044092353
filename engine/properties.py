"""Pulumi's wire format for property values, as plain JSON: secrets and unknowns.

Source: Pulumi's developer documentation, "Property value serialization".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from google.protobuf import json_format, struct_pb2

from common.json_values import Json, whole_numbers

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a string that is known only after `up`."""
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 the signature of a secret, not one


def decode(message: struct_pb2.Struct) -> dict[str, Json]:
    """The message as JSON; secrets stay wrapped."""
    return cast(dict[str, Json], whole_numbers(json_format.MessageToDict(message)))


def decode_value(message: struct_pb2.Value) -> Json:
    """One value as JSON; an absent one is None."""
    return (
        whole_numbers(cast(Json, json_format.MessageToDict(message))) if message.WhichOneof("kind") else None
    )


def encode(values: Mapping[str, Json]) -> struct_pb2.Struct:
    """JSON as a message."""
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def secret(value: Json) -> Json:
    """`value`, marked secret."""
    return {SIGNATURE: SECRET, "value": value}


def is_secret(value: Json) -> bool:
    """Whether a value is marked secret as a whole."""
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def holds_secret(value: Json) -> bool:
    """Whether a value, or one in it, is marked secret."""
    if is_secret(value):
        return True
    return any(holds_secret(inner) for inner in _inside(value))


def plain(value: Json) -> Json:
    """The value with its secrets in the clear."""
    return _without_secrets(value, lambda wrapped: plain(wrapped["value"]))


def masked(value: Json, mask: str) -> Json:
    """The value with `mask` for each secret."""
    return _without_secrets(value, lambda _: mask)


def holds_unknown(value: Json) -> bool:
    """Whether a value, or one in it, isn't known."""
    return UNKNOWN in leaves(value)


def without_unknowns(value: Json, mark: str) -> Json:
    """The value with `mark` for each string that isn't known."""
    match value:
        case dict():
            return {key: without_unknowns(inner, mark) for key, inner in value.items()}
        case list():
            return [without_unknowns(inner, mark) for inner in value]
        case _:
            return mark if value == UNKNOWN else value


def leaves(value: Json) -> Iterator[str]:
    """Every string in a value, except keys."""
    if isinstance(value, str):
        yield value
    for inner in _inside(value):
        yield from leaves(inner)


def _inside(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _without_secrets(value: Json, replace: Callable[[dict[str, Json]], Json]) -> Json:
    if isinstance(value, dict):
        if is_secret(value):
            return replace(value)
        return {key: _without_secrets(inner, replace) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner, replace) for inner in value]
    return value
