"""What policies newly allow, or no longer: permissions as sentences instead of lines of JSON.

Documents are compared by meaning: the order of statements, Sids, indentation and equivalent forms of IAM's
syntax don't count; an added condition narrows, a removed one widens.
Source: IAM user guide, "IAM JSON policy elements reference".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from common.json_values import Json, one_or_many, parse_document
from policies import types
from review.snapshot import KNOWN_LATER, Resource

DOCUMENTS: Mapping[str, str] = {
    types.IOT_POLICY: "policy",
    types.MANAGED_POLICY: "policy",
    types.ROLE: "assumeRolePolicy",
    types.ROLE_POLICY: "policy",
}
"""By type, the input that holds what is allowed."""
_ACCOUNT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
_ELEMENTS = frozenset({"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal",
                       "NotPrincipal", "Condition"})  # fmt: skip


@dataclass(frozen=True, kw_only=True, order=True)
class Condition:
    """A condition that must hold as well: one key of one operator."""

    operator: str
    key: str
    values: tuple[str, ...]

    def narrows(self, other: "Condition") -> bool:
        """Whether it holds only where the other one holds, too."""
        if (self.operator, self.key) != (other.operator, other.key):
            return False
        if self.values == other.values:
            return True
        wanted, of_other = set(self.values), set(other.values)
        if "Not" in self.operator:
            return wanted >= of_other
        return "ForAllValues" not in self.operator and self.operator != "Null" and wanted <= of_other

    def __str__(self) -> str:
        return f"{self.operator} {self.key} {', '.join(self.values)}"


@dataclass(frozen=True, kw_only=True, order=True)
class Permission:
    """One action on one resource, and by one principal if the document names principals."""

    action: str
    resource: str = ""
    principal: str = ""
    conditions: tuple[Condition, ...] = ()

    def within(self, other: "Permission") -> bool:
        """Whether the other one allows all of it."""
        return (
            _covers(other.action.lower(), self.action.lower())
            and _covers(other.resource, self.resource)
            and other.principal in (self.principal, "*")
            and all(any(own.narrows(its) for own in self.conditions) for its in other.conditions)
        )

    def __str__(self) -> str:
        on = f" on {self.resource}" if self.resource else ""
        by = f" by {self.principal}" if self.principal else ""
        return f"{self.action}{on}{by}" + "".join(f" if {each}" for each in self.conditions)


@dataclass(frozen=True, kw_only=True)
class PermissionChange:
    """What a policy newly allows, and no longer allows."""

    gained: tuple[Permission, ...]
    lost: tuple[Permission, ...]
    narrowed: tuple[Permission, ...] = ()
    """What it still allows, in a narrower form."""
    unread: str = ""
    """Why the two documents can't be compared by meaning; empty if they can."""


def change(before: Resource | None, after: Resource | None) -> PermissionChange | None:
    """What a policy's change means; None if it isn't a policy, or allows the same."""
    resource = after or before
    if resource is None or resource.type not in DOCUMENTS:
        return None
    texts = [each.inputs.get(DOCUMENTS[each.type]) if each else None for each in (before, after)]
    if texts[0] == texts[1]:
        return None
    old, new = (_Meaning() if text is None else _read(text) for text in texts)
    if old is None or new is None:
        later = "what it allows is only known after `up`; a review with `--base` reports it"
        said = later if KNOWN_LATER in texts else "one of the documents can't be read"
        return PermissionChange(gained=(), lost=(), unread=said)
    gained = (*_beyond(new.allowed, old.allowed), *map(_no_longer_denied, _beyond(old.denied, new.denied)))
    lost = (*_beyond(old.allowed, new.allowed), *map(_denied, _beyond(new.denied, old.denied)))
    if not gained and not lost:
        return None
    narrowed = [each for each in new.allowed - old.allowed if each not in gained]
    stays = {replace(each, conditions=()) for each in narrowed}
    return PermissionChange(
        gained=gained,
        lost=tuple(each for each in lost if replace(each, conditions=()) not in stays),
        narrowed=tuple(sorted(narrowed)),
    )


@dataclass(frozen=True, kw_only=True)
class _Meaning:
    allowed: frozenset[Permission] = frozenset()
    denied: frozenset[Permission] = frozenset()


def _beyond(some: frozenset[Permission], others: frozenset[Permission]) -> tuple[Permission, ...]:
    return tuple(sorted(each for each in some if not any(each.within(other) for other in others)))


def _no_longer_denied(each: Permission) -> Permission:
    return replace(each, action=f"no denial of {each.action}")


def _denied(each: Permission) -> Permission:
    return replace(each, action=f"without a denial: {each.action}")


def _covers(pattern: str, other: str) -> bool:
    """Whether a pattern certainly matches everything that another one matches."""
    if pattern in (other, "*"):
        return True
    if other.startswith("!") or pattern.startswith("!") or "?" in pattern:
        return False
    # A `*` in the other text is matched only by a `*`, like any other character.
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), other, re.DOTALL) is not None


def _read(document: Json) -> _Meaning | None:
    parsed = parse_document(document) if isinstance(document, str) else document
    if not isinstance(parsed, dict) or "Statement" not in parsed:
        return None
    statements = one_or_many(parsed["Statement"])
    allowed, denied = set[Permission](), set[Permission]()
    for statement in statements:
        if not isinstance(statement, dict) or statement.keys() - _ELEMENTS:
            return None
        effect = {"Allow": allowed, "Deny": denied}.get(str(statement.get("Effect")))
        if effect is None:
            return None
        effect.update(_permissions(statement))
    return _Meaning(allowed=frozenset(allowed), denied=frozenset(denied))


def _permissions(statement: Mapping[str, Json]) -> Iterator[Permission]:
    conditions = tuple(sorted(_conditions(statement.get("Condition"))))
    for action in _named(statement, "Action"):
        for resource in _named(statement, "Resource") or [""]:
            for principal in _principals(statement):
                yield Permission(action=action, resource=resource, principal=principal, conditions=conditions)


def _named(statement: Mapping[str, Json], key: str) -> list[str]:
    """An element's values; a `Not…` element becomes a text that only an equal one covers."""
    if f"Not{key}" in statement:
        return ["! " + json.dumps(sorted(map(str, one_or_many(statement[f"Not{key}"]))))]
    return [str(value) for value in one_or_many(statement.get(key))]


def _principals(statement: Mapping[str, Json]) -> list[str]:
    if "NotPrincipal" in statement:
        return ["! " + json.dumps(statement["NotPrincipal"], sort_keys=True)]
    given = statement.get("Principal")
    if given is None:
        return [""]
    if not isinstance(given, dict):
        return [str(given)]
    named = [
        (kind, _ACCOUNT.sub(r"\1", str(each)))
        for kind, several in given.items()
        for each in one_or_many(several)
    ]
    return ["*" if (kind, who) == ("AWS", "*") else f"{kind} {who}" for kind, who in named]


def _conditions(given: Json) -> Iterator[Condition]:
    for operator, keys in given.items() if isinstance(given, dict) else ():
        for key, values in keys.items() if isinstance(keys, dict) else ():
            texts = (each if isinstance(each, str) else json.dumps(each) for each in one_or_many(values))
            yield Condition(operator=operator, key=key.lower(), values=tuple(sorted({*texts})))
