"""A policy's change as permissions gained and lost."""

import json

from common.json_values import Json
from policies import types
from review.permissions import Permission, PermissionChange, change
from review.snapshot import Resource

READ, WRITE = "s3:GetObject", "s3:PutObject"


def _statement(action: Json, resource: Json = "arn:x", **more: Json) -> dict[str, Json]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def _policy(*statements: dict[str, Json], type_: str = types.ROLE_POLICY) -> Resource:
    document = json.dumps({"Version": "2012-10-17", "Statement": [*statements]})
    return _resource(document, type_)


def _resource(document: Json, type_: str = types.ROLE_POLICY) -> Resource:
    return Resource(
        type=type_,
        name="policy",
        inputs={"policy": document},
        protect=False,
        urn="urn:pulumi:dev::maestro-stack::aws:iam/rolePolicy:RolePolicy::policy",
        options={},
        replacement_trigger=None,
        secrets={},
        needs=frozenset(),
    )


def test_the_same_rights_in_another_form_are_no_change() -> None:
    one = _policy(_statement([READ, WRITE]))
    other = _policy(_statement(WRITE, ["arn:x"], Sid="Write"), _statement(READ, Sid="Read"))
    assert change(one, other) is None


def test_rights_that_are_gained_and_lost_are_told_one_by_one() -> None:
    found = change(_policy(_statement(READ, ["a", "b"])), _policy(_statement([READ, WRITE], "a")))
    assert found == PermissionChange(
        gained=(Permission(action=WRITE, resource="a"),), lost=(Permission(action=READ, resource="b"),)
    )
    assert str(Permission(action=WRITE, resource="a")) == "s3:PutObject on a"


def test_a_new_policy_gains_all_of_its_rights_and_one_that_goes_loses_them() -> None:
    policy = _policy(_statement(READ, "a"))
    right = Permission(action=READ, resource="a")
    assert change(None, policy) == PermissionChange(gained=(right,), lost=())
    assert change(policy, None) == PermissionChange(gained=(), lost=(right,))


def test_a_condition_that_goes_and_a_denial_that_goes_are_told() -> None:
    narrow = _policy(_statement(READ, "a", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    wide = _policy(_statement(READ, "a"))
    found = change(narrow, wide)
    assert found is not None
    assert found.unread == "conditions, or what is denied, changed"
    denying = _policy(_statement(READ, "a"), {"Effect": "Deny", "Action": WRITE, "Resource": "*"})
    found = change(denying, wide)
    assert found is not None
    assert found.unread


def test_all_but_what_is_named_counts_as_everything() -> None:
    all_but = _policy({"Effect": "Allow", "NotAction": [READ], "Resource": "a"})
    found = change(_policy(_statement(READ, "a")), all_but)
    assert found is not None
    assert found.gained == (Permission(action="*", resource="a"),)


def test_a_document_that_cannot_be_read_is_said_to_be_that() -> None:
    found = change(_policy(_statement(READ)), _resource("no JSON"))
    assert found is not None
    assert found.unread == "one of the documents can't be read"


def test_what_is_no_policy_has_no_permissions() -> None:
    assert change(None, _resource("x", types.SECRET)) is None
