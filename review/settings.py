"""Changes of a stack file that a rehearsal doesn't show, such as keys that only the engine reads."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from common.json_values import Json, to_json
from engine.project import UsageError, read_mapping
from review.differences import differences
from review.grading import Judgement, Rule, dangerous, looked_at, looked_at_if, rule_of
from review.model import Change, Difference, Grade, Part, Way

_SECURE = "secure"
_JUDGED = ("acknowledge", "policies")
"""Settings that say what the checks tolerate."""


def _fewer_accounts(before: Json, after: Json) -> bool:
    return bool(after) and (not before or set(_members(after)) <= set(_members(before)))


def _more_accounts(before: Json, after: Json) -> bool:
    return set(_members(after)) >= set(_members(before))


def _members(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


_KEYS: Mapping[str, Rule] = {
    "aws:allowedAccountIds": looked_at_if(
        _fewer_accounts, "fewer accounts are accepted", "another account may be mistaken for the stack's"
    ),
    "aws:forbiddenAccountIds": looked_at_if(
        _more_accounts, "fewer accounts are accepted", "another account may be mistaken for the stack's"
    ),
    "aws:defaultTags": looked_at("resources get other tags"),
    "aws:ignoreTags": looked_at("whether tags that others set stay changes"),
    "aws:endpoints": dangerous("what should go to AWS goes to another address"),
    "pulumi:tags": looked_at("the stack has other tags in Pulumi's backend"),
}
"""By key outside the project's own namespace; any other key is dangerous."""


_SALT = "encryptionsalt"
_OF_EACH = ("aws:region", "encryptedkey")
"""Keys that differ from stack to stack, and say nothing that a rehearsal doesn't show."""
_OF_NEW: Mapping[str, Rule] = {
    "secretsprovider": looked_at_if(
        lambda _, after: after != "passphrase",
        "the secrets in its state are encrypted with this key",
        "whoever guesses the passphrase reads the secrets in its state",
    )
}
_DONE = {Way.CREATED: "set", Way.DELETED: "removed", Way.UPDATED: "changed"}


def told(project: str, before: Path, after: Path, *, shows: bool) -> Iterator[Change]:
    """The changes of a stack file; `shows` says whether the rehearsals show anything that isn't safe."""
    try:
        old, new = (_settings(file, project) for file in (before, after))
    except UsageError:
        return  # the rehearsal says so
    for key in sorted({*old, *new}):
        was, is_ = old.get(key), new.get(key)
        found = tuple(differences(was, is_, key))
        if not found:
            continue
        judgement = _judged(key, project, was, is_, found, shows=shows)
        if judgement is not None:
            way = Way.CREATED if was is None else Way.DELETED if is_ is None else Way.UPDATED
            yield _change(key, way, judgement, found)


def _change(key: str, way: Way, judgement: Judgement, found: tuple[Difference, ...]) -> Change:
    return Change(
        part=Part.SETTING,
        subject=key,
        way=way,
        sentence=f"{key} is {_DONE[way]}",
        effect="",
        grade=judgement.grade,
        reason=judgement.reason,
        differences=found,
    )


def told_of_new(project: str, file: Path, others: Iterable[Path]) -> Iterator[Change]:
    """What only the engine reads in a new stack's file, except what a stack that is there says, too."""
    known = [*_readable(others, project)]
    for key, value in sorted(next(_readable([file], project), dict[str, Json]()).items()):
        alike = [each[key] for each in known if key in each]
        if key.startswith(f"{project}:") or key in _OF_EACH or value in alike or (alike and key == _SALT):
            continue
        judgement = rule_of(key, _OF_NEW, _KEYS)(Difference(path=key, before=None, after=value))
        yield _change(key, Way.CREATED, judgement, tuple(differences(None, value, key)))


def _readable(files: Iterable[Path], project: str) -> Iterator[dict[str, Json]]:
    """Their settings, without those of files that can't be read: the rehearsal says so."""
    for file in files:
        with contextlib.suppress(UsageError):
            yield _settings(file, project)


def _judged(  # noqa: PLR0913 a setting's parts
    key: str, project: str, was: Json, is_: Json, found: tuple[Difference, ...], *, shows: bool
) -> Judgement | None:
    namespace, _, name = key.partition(":")
    if namespace != project:
        judged = rule_of(key, _KEYS)(Difference(path=key, before=was, after=is_))
        return None if key == "aws:region" else judged
    if any(_SECURE in each.path.split(".") or _is_secure(each) for each in found):
        return Judgement(Grade.LOOK, "a secret has another value, which nothing here can read")
    if name.startswith(_JUDGED):
        return Judgement(Grade.LOOK, "it says what the checks let pass")
    if shows or name.startswith("tags"):
        return None
    return Judgement(Grade.LOOK, "it changes nothing that is rehearsed")


def _is_secure(difference: Difference) -> bool:
    sides = (difference.before, difference.after)
    return any(isinstance(side, dict) and set(side) == {_SECURE} for side in sides)


def _settings(file: Path, project: str) -> dict[str, Json]:
    """The file's configuration by full key, and what else the engine reads in it."""
    content = read_mapping(file, "config: {}")
    config = content.pop("config", None)
    items = cast("Mapping[object, object]", config).items() if isinstance(config, dict) else ()
    own = {_full(str(key), project): value for key, value in items}
    return {key: to_json(value) for key, value in {**own, **content}.items()}


def _full(key: str, project: str) -> str:
    """The full key: the engine also accepts `namespace:config:name` and a bare `name`."""
    names = key.split(":")
    return f"{project}:{key}" if len(names) == 1 else f"{names[0]}:{names[-1]}"
