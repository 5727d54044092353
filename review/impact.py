"""What changes do to the running region, looked up in the table behind docs/what-a-change-does.md."""

from collections.abc import Iterable, Mapping

from policies import types
from review import effects
from review.resources import ResourceChange, is_downgrade

_CARRIERS = (types.INSTANCE, types.RELEASE, types.CERTIFICATE)
"""A row's effect is reported at the first of these types that the row touches: users notice them."""
TOLD = 2


def told(
    found: Mapping[str, ResourceChange], *, is_production: bool, rolls: bool | None
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """By subject, the effects in full and in a title's few words, worst first.

    Effects that nobody notices are left out.

    `rolls` says whether pods are replaced; None if unknown.
    """
    by_subject: dict[str, list[effects.Row]] = {}
    goes_back = any(is_downgrade(each) for change in found.values() for each in change.differences)
    for row in effects.ROWS:
        if row.key == "database.engineVersion" and goes_back:
            continue  # RDS refuses it, and nothing happens
        if rolls is False and row.downtime is effects.Downtime.ROLLING:
            continue  # the row's pods roll, and these don't
        carrier = _carrier(row, found)
        if carrier is not None:
            by_subject.setdefault(carrier, []).append(row)
    noticed = {subject: _noticed(rows, is_production=is_production) for subject, rows in by_subject.items()}
    return {
        subject: (
            "; ".join([*dict.fromkeys(map(_effect, rows))][:TOLD]),
            tuple(dict.fromkeys(words for row in rows for words in row.title)),
        )
        for subject, rows in noticed.items()
    }


def _carrier(row: effects.Row, found: Mapping[str, ResourceChange]) -> str | None:
    """The resource at which a row is reported; None if the row isn't what happens here."""
    happens = {(change.resource.type, change.way) for change in found.values()}
    if not all((touch.resource.type, touch.way) in happens for touch in row.touches):
        return None
    touched = [
        (subject, change.resource.type)
        for subject, change in found.items()
        for touch in row.touches
        if (touch.resource.type, touch.way) == (change.resource.type, change.way)
        and set(touch.inputs) <= set(change.inputs)
    ]
    # What happens to an instance depends on which of its inputs differ.
    of_row = {touch.resource.type for touch in row.touches}
    if types.INSTANCE in of_row and types.INSTANCE not in {type_ for _, type_ in touched}:
        return None
    first = min(touched, key=lambda each: _rank(each[1]), default=None)
    return first[0] if first else None


def _rank(type_: str) -> int:
    return _CARRIERS.index(type_) if type_ in _CARRIERS else len(_CARRIERS)


def _noticed(rows: Iterable[effects.Row], *, is_production: bool) -> list[effects.Row]:
    """For each setting, the rows of the stack's own profile, if there are any; worst first."""
    noticed = [row for row in rows if row.downtime is not effects.Downtime.NONE]
    profiles = {True: "production", False: "dev"}
    own = [row for row in noticed if row.configuration["profile"] == profiles[is_production]]
    others = [row for row in noticed if row.key not in {each.key for each in own}]
    return sorted([*own, *others], key=lambda row: -row.downtime)


def _effect(row: effects.Row) -> str:
    words, more = row.downtime.words, row.interruption
    when = "" if row.when is effects.When.AT_ONCE else f", {row.when.value}"
    told = more if more.startswith(words) else f"{words}{when} ({more})" if more else f"{words}{when}"
    return f"{told}; at risk: {row.at_risk}" if row.at_risk else told
