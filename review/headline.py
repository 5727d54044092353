"""What changes do to a region, in one line: worst first, in words, with values before and after."""

import re
from collections.abc import Iterator, Sequence

from common.json_values import Json
from policies import types
from review.effects import KUBERNETES_PROVIDER, RECONNECTS, ROLLS
from review.escape import visible
from review.grouping import alike, by_grade, together
from review.model import GAINED, LOST, Change, Difference, Grade, Part, Way

CAUSE = "because of the release's "
"""Precedes a cause's path."""
MOST = 4
"""Phrases per line."""
_LENGTH = 110
"""Characters per phrase."""
_VALUE = 24
"""Characters per value; of a longer one, only the first `_BEGINNING` are shown."""
_BEGINNING = 12
_MINOR = (ROLLS, RECONNECTS)
_CALLED = {
    types.INSTANCE: "database",
    types.INGRESS_RULE: "ingress rule",
    types.IOT_POLICY: "IoT policy",
    KUBERNETES_PROVIDER: "Kubernetes provider",
}
_WORST = (types.INSTANCE, types.SECRET, types.RELEASE)
"""Among equally dangerous changes, those of these types come first."""
_SPEAKS_FOR_ITSELF = ("instanceClass",)
_DERIVED = ("maxOpenConnections",)
"""Fields that follow from other settings, and come after them."""
_OF_WHAT = ("cpu", "digest", "memory", "repository", "tag")
"""Fields that mean nothing without their parent's name."""
_NAMED = re.compile(r'[\["/]([^\]"/]+)[\]"]$')
"""The item of a list, or the label, that a path ends with."""


def headline(changes: Sequence[Change], *, rolls: bool | None) -> tuple[str, ...]:
    """At most `MOST` phrases: what users notice, what is dangerous, what concerns the whole stack, the rest.

    Names and values in them come from the pull request: made visible, but not yet harmless.
    """
    effects = [effect for change in by_grade(changes) for effect in change.effects]
    noticed = [
        each
        for each in effects
        if "a minute" not in each or each.replace("a minute", "minutes") not in effects
    ]
    dangerous = sorted((each for each in changes if each.counts_as is Grade.DANGEROUS), key=_rank)
    others = [each for each in by_grade(changes) if each.counts_as is not Grade.DANGEROUS]
    phrases = [
        *(each for each in noticed if each not in _MINOR),
        *map(_with_reason, dangerous),
        *(change.sentence for change in others if change.part is Part.STACK),
        *([ROLLS] if rolls else []),
        *(each for each in noticed if each in _MINOR),
        *(value for change in dangerous for value in _values(change)),
        *_rest(others),
    ]
    return tuple(map(_clipped, dict.fromkeys(filter(str.strip, phrases))))[:MOST] or ("nothing changes",)


def _clipped(text: str) -> str:
    shown = visible(text[: _LENGTH + 1])
    return shown if len(shown) <= _LENGTH else f"{shown[:_LENGTH]}…"


def _rank(change: Change) -> int:
    type_ = change.subject.partition(" ")[0]
    return -1 if change.part is Part.STACK else _WORST.index(type_) if type_ in _WORST else len(_WORST)


def _with_reason(change: Change) -> str:
    """What happens, and why it has its grade: the first reason if there are several."""
    reason = change.reason.partition("; ")[0]
    if change.quoted:
        lines = [line for line in change.quoted.split("\n") if line.strip()] or [""]
        reason = next((line for line in lines if line.startswith(" ")), lines[0]).strip()
    if change.part in (Part.RESOURCE, Part.PERMISSION, Part.OBJECT):
        what = _thing(change) if change.way is Way.UPDATED else f"{_thing(change)} {change.way}"
        return f"{what}: {reason}"
    return f"{change.sentence}: {reason}"


def _thing(change: Change) -> str:
    """`database`, `log group`, `Deployment`: what changes, in plain words."""
    if change.part is Part.OBJECT:
        return change.subject.partition(" ")[0]
    if change.part not in (Part.RESOURCE, Part.PERMISSION):
        return change.subject
    type_ = change.subject.partition(" ")[0]
    return _CALLED.get(type_) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type_.rpartition(":")[2]).lower()


def _values(change: Change) -> Iterator[str]:
    """`replicas 2 → 3`: the fields whose values before and after can be read at a glance."""
    for each in sorted(change.causes or change.differences, key=lambda each: _field(each) in _DERIVED):
        if each.path in (GAINED, LOST):
            yield f"{_thing(change)} {each.path} {each.before if each.after is None else each.after}"
        elif _is_short(each.before) and _is_short(each.after) and not each.values_say_nothing:
            before, after = _shown(each.before), _shown(each.after)
            named = "" if _field(each) in _SPEAKS_FOR_ITSELF else f"{_field(each)} "
            if before != after:
                yield f"{named}{before} → {after}"


def _field(difference: Difference) -> str:
    """The last part of its path, or the name of the list item that it is."""
    named = _NAMED.search(difference.path)
    *_, of, last = ("", *difference.path.split("."))
    return named[1] if named else f"{of} {last}" if last in _OF_WHAT else last


def _is_short(value: Json) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and "\n" not in value)


def _shown(value: Json) -> str:
    shown = value if isinstance(value, str) else str(value).lower()
    return shown if len(shown) <= _VALUE else f"{shown[:_BEGINNING]}…"


def _rest(changes: Sequence[Change]) -> Iterator[str]:
    """What isn't dangerous: its values, or what happens and why; alike changes in one phrase."""
    for several in alike(changes):
        change = several[0]
        values = [value for each in several for value in _values(each)]
        if values:
            yield from values
        elif len(several) > 1:
            yield together(several)[0]
        elif change.part is Part.OBJECT and change.way is Way.UPDATED and change.differences:
            yield f"{_thing(change)}: {', '.join(dict.fromkeys(map(_field, change.differences[:2])))}"
        elif change.part is not Part.STACK:
            yield _with_reason(change)
