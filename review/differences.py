"""Compares two JSON values field by field, without the noise of order.

List items that have names (containers, ports, environment variables, policy statements, a command's flags)
are compared by name, other lists as a whole.
"""

from collections.abc import Iterator, Mapping

from common.json_values import Json
from review.model import Difference

NAMES = ("name", "Sid", "objectName", "path")
"""Keys that may name a list's items; the first one that all items have is used."""


def differences(before: Json, after: Json, path: str = "") -> Iterator[Difference]:
    """The fields that differ, by dotted path; none if the values mean the same."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(before, after, path)
        return
    if isinstance(before, list) and isinstance(after, list):
        named_before, named_after = by_name(before), by_name(after)
        if named_before is not None and named_after is not None:
            yield from _of_named(named_before, named_after, path)
            return
    yield Difference(path=path, before=before, after=after)


def by_name(items: list[Json]) -> dict[str, Json] | None:
    """The items by name; None if any has no name, or two share one."""
    objects = [item for item in items if isinstance(item, dict)]
    if len(objects) < len(items):
        return _by_flag(items)
    for key in NAMES:
        names = [item.get(key) for item in objects]
        texts = [name for name in names if isinstance(name, str)]
        if len(texts) == len(names) and len({*texts}) == len(texts):
            return dict(zip(texts, items, strict=True))
    return None


def _by_flag(items: list[Json]) -> dict[str, Json] | None:
    """A command's words and flags (`--flag=value`) by name; None if it has no flags, or a duplicate."""
    words = [item.partition("=") for item in items if isinstance(item, str)]
    named: dict[str, Json] = {word: value if equals else True for word, equals, value in words}
    has_flags = any(word.startswith("--") for word in named)
    return named if has_flags and len(named) == len(items) else None


def _of_objects(before: Mapping[str, Json], after: Mapping[str, Json], path: str) -> Iterator[Difference]:
    for key in sorted({*before, *after}):
        below = _below(path, key)
        # A missing key and a null mean the same to AWS, Helm and Kubernetes.
        yield from differences(before.get(key), after.get(key), below)


def _of_named(before: Mapping[str, Json], after: Mapping[str, Json], path: str) -> Iterator[Difference]:
    for name in sorted({*before, *after}):
        yield from differences(before.get(name), after.get(name), f"{path}[{name}]")
    kept = [name for name in before if name in after]
    # Even if nothing else differs, another order makes Kubernetes roll the pods.
    if kept != [name for name in after if name in before]:
        yield Difference(
            path=path, before=list[Json](before), after=list[Json](after), note="in another order"
        )


def _below(path: str, key: str) -> str:
    """The path of a key; one with dots or slashes, such as an annotation's, is quoted."""
    shown = f'"{key}"' if "." in key or "/" in key else key
    return f"{path}.{shown}" if path else shown
