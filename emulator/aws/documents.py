"""Compares policy documents as the AWS provider does: by what they say, not by how they are written.

Source: hashicorp/awspolicyequivalence, and the provider's internal/verify/json.go.
"""

import json

from common.json_values import Json, parse_document


def is_same_document(found: Json, wanted: Json) -> bool:
    """Whether two policy documents, as text or parsed, say the same.

    >>> is_same_document('{"Statement": [{"Action": ["b", "a"]}]}', '{"Statement": {"Action": ["a", "b"]}}')
    True
    """
    one, other = _parsed(found), _parsed(wanted)
    # An empty document is like none.
    return one is not None and other is not None and _canonical(one) == _canonical(other)


def kept_or_read(kept: Json, read: Json) -> str:
    """The text for the state: the one it has if AWS's document says the same, else AWS's."""
    if isinstance(kept, str) and (kept == read or is_same_document(kept, read)):
        return kept
    return read if isinstance(read, str) else json.dumps(read)


def _parsed(document: Json) -> dict[str, Json] | None:
    # botocore decodes the policy documents in IAM's answers.
    return document if isinstance(document, dict) else parse_document(str(document or "{}"))


def _canonical(value: Json) -> Json:
    """Lists sorted and without duplicates, a single value as a list of one, booleans and numbers as text."""
    match value:
        case dict():
            return [{key: _canonical(item) for key, item in sorted(value.items())}]
        case list():
            items = {json.dumps(_canonical(item)) for item in value}
            # A list of one is what a single value becomes.
            return [part for item in sorted(items) for part in _as_list(json.loads(item))]
        case str():
            return [value]
        case _:
            return [json.dumps(value)]


def _as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
