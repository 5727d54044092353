"""Digests of how secrets are composed, without what is secret in them, so that two runs can be compared."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from common.json_values import Json
from engine import properties
from engine.run import MASK, Run

CONSTANT = "constant"
LEFT_OUT = "…"
PART_MIN = 8
"""Characters; shorter values of resources occur in other texts by chance."""


def fingerprints(run: Run, again: Run | None) -> dict[str, dict[str, str]]:
    """By URN and input path, a digest of each secret that is composed of other resources' values.

    A secret that has the same value in `again`, a run with different secrets, is `CONSTANT`. From the rest,
    every value that came from another resource (password, certificate, key, address) is removed first. What
    remains is the program's own: the form and the constants. A secret with no such value has no digest.
    """
    given = {resource.urn: set(properties.leaves(dict(resource.outputs))) for resource in run.resources}
    again_inputs = {resource.urn: resource.inputs for resource in again.resources} if again else {}
    found: dict[str, dict[str, str]] = {}
    for resource in run.resources:
        secrets = dict(_masked(dict(resource.inputs), dict(resource.shown_inputs), ""))
        if not secrets:
            continue
        others = {part for urn, parts in given.items() if urn != resource.urn for part in parts}
        parts = [part for part in sorted(others, key=len, reverse=True) if len(part) >= PART_MIN]
        other = again_inputs.get(resource.urn)
        digests = {
            path: CONSTANT if other is not None and _at(other, path) == value else _digest(value, parts)
            for path, value in secrets.items()
        }
        found[resource.urn] = {path: digest for path, digest in digests.items() if digest is not None}
    return found


def _at(inputs: Mapping[str, Json], path: str) -> Json:
    """The value at a path; None if there is none, as with a part inside a secret."""
    return next((value for key, value in _paths(dict(inputs), "") if key == path), None)


def _paths(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    yield path, value
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, f"{path}.{key}" if path else key)


def _masked(value: Json, shown: Json, path: str) -> Iterator[tuple[str, Json]]:
    if shown == MASK:
        yield path, value
    elif isinstance(value, Mapping) and isinstance(shown, Mapping):
        for key, inner in value.items():
            yield from _masked(inner, shown.get(key), f"{path}.{key}" if path else key)


def _digest(value: Json, parts: Iterable[str]) -> str | None:
    whole = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    form = whole
    for part in parts:
        # Inside JSON text a value is escaped.
        form = form.replace(part, LEFT_OUT).replace(json.dumps(part)[1:-1], LEFT_OUT)
    return None if form == whole else hashlib.sha256(form.encode()).hexdigest()[:16]
