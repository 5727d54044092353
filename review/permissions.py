"""What policies allow more, and less: permissions as sentences instead of lines of JSON."""

import json
from dataclasses import dataclass

from common.json_values import Json, one_or_many, parse_document
from policies import types
from policies.documents import allowing
from review.snapshot import Resource

DOCUMENTS = {
    types.IOT_POLICY: "policy",
    types.MANAGED_POLICY: "policy",
    types.ROLE_POLICY: "policy",
}
"""By type, the input that holds what is allowed."""
EMPTY: Json = {"Statement": []}
_NARROWING = ("Condition", "NotAction", "NotResource", "Principal", "NotPrincipal")


@dataclass(frozen=True, kw_only=True, order=True)
class Permission:
    """One action on one resource."""

    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True, kw_only=True)
class PermissionChange:
    """What a policy allows more, and less."""

    gained: tuple[Permission, ...]
    lost: tuple[Permission, ...]
    unread: str = ""
    """Why the two documents can't be compared so."""


def change(before: Resource | None, after: Resource | None) -> PermissionChange | None:
    """What a policy's change means; None if it is no policy, or allows the same."""
    resource = after or before
    if resource is None or resource.type not in DOCUMENTS:
        return None
    key = DOCUMENTS[resource.type]
    old, new = (each.inputs.get(key) if each else EMPTY for each in (before, after))
    allowed_before, allowed_after = _allowed(old), _allowed(new)
    if allowed_before is None or allowed_after is None:
        return PermissionChange(gained=(), lost=(), unread="one of the documents can't be read")
    unread = "" if _restrictions(old) == _restrictions(new) else "conditions, or what is denied, changed"
    if allowed_before == allowed_after and not unread:
        return None
    return PermissionChange(
        gained=tuple(sorted(allowed_after - allowed_before)),
        lost=tuple(sorted(allowed_before - allowed_after)),
        unread=unread,
    )


def _allowed(document: Json) -> frozenset[Permission] | None:
    statements = allowing(document)
    if statements is None:
        return None
    return frozenset(
        Permission(action=action, resource=resource)
        for statement in statements
        for action in statement.actions
        for resource in statement.resources
    )


def _restrictions(document: Json) -> list[str]:
    """What narrows the rights: statements that deny, and conditions; as text, in no order."""
    parsed = parse_document(document) if isinstance(document, str) else document
    statements = one_or_many(parsed.get("Statement")) if isinstance(parsed, dict) else []
    narrowing = [
        statement
        for statement in statements
        if isinstance(statement, dict)
        and (statement.get("Effect") != "Allow" or any(key in statement for key in _NARROWING))
    ]
    return sorted(json.dumps(statement, sort_keys=True) for statement in narrowing)
