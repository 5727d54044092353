"""What a change does to the running region: looked up in the table behind docs/what-a-change-does.md."""

from collections.abc import Collection
from functools import cache

from rehearsal import effects
from review.model import Way

_WAYS = {
    Way.CREATED: effects.Way.CREATED,
    Way.UPDATED: effects.Way.UPDATED,
    Way.REPLACED: effects.Way.REPLACED,
    Way.DELETED: effects.Way.DELETED,
}


Touched = Collection[tuple[str, Way]]
"""What happens to which types in the stack as a whole."""


def told(type_: str, way: Way, inputs: Collection[str], stack: Touched, *, is_production: bool) -> str:
    """The effect of one resource's change in words; empty where nothing is noticed, or nothing is known.

    `inputs` are those that differ, dotted for a Release's values; `stack` is all that changes with it.
    """
    known = _rows(type_, way, inputs, stack)
    fitting = [row for row in known if (row.base is not effects.Base.DEV) == is_production] or known
    words = list(dict.fromkeys(_words(row) for row in fitting if row.downtime is not effects.Downtime.NONE))
    return "; ".join(words[:2])


def _rows(type_: str, way: Way, inputs: Collection[str], stack: Touched) -> list[effects.Row]:
    """The rows in which a part of `inputs` changes the resource, and nothing that doesn't change here."""
    happens = {(touched, _WAYS[how]) for touched, how in stack if how in _WAYS}
    return [
        row
        for row, touch in _touches()
        if (touch.resource.type, touch.way) == (type_, _WAYS.get(way))
        and set(touch.inputs) <= {*inputs}
        and all((other.resource.type, other.way) in happens for other in row.touches)
    ]


def _words(row: effects.Row) -> str:
    when = "" if row.when is effects.When.AT_ONCE else f", {row.when.value}"
    more = f" ({row.interruption})" if row.interruption else ""
    return f"{row.downtime.words}{when}{more}"


@cache
def _touches() -> tuple[tuple[effects.Row, effects.Touch], ...]:
    return tuple((row, touch) for row in effects.ROWS for touch in row.touches)
