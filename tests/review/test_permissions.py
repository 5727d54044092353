"""A policy's change, in permissions gained and lost."""

import json
from dataclasses import replace

import pytest

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


def test_rights_that_are_gained_and_lost_are_listed_one_by_one() -> None:
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


def test_a_condition_that_goes_and_a_denial_that_goes_are_reported() -> None:
    narrow = _policy(_statement(READ, "a", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    wide = _policy(_statement(READ, "a"))
    found = change(narrow, wide)
    assert found is not None
    assert found.gained
    denying = _policy(_statement(READ, "a"), {"Effect": "Deny", "Action": WRITE, "Resource": "*"})
    found = change(denying, wide)
    assert found is not None
    assert [str(each) for each in found.gained] == ["no denial of s3:PutObject on *"]


def test_a_condition_that_comes_narrows() -> None:
    secure: dict[str, Json] = {"Bool": {"aws:SecureTransport": "true"}}
    found = change(_policy(_statement(READ, "a")), _policy(_statement(READ, "a", Condition=secure)))
    assert found is not None
    assert not found.gained
    assert [str(each) for each in found.narrowed] == ["s3:GetObject on a if Bool aws:securetransport true"]


@pytest.mark.parametrize(
    ("operator", "before", "after", "is_gained"),
    [
        ("StringEquals", ["a", "b"], "a", False),
        ("StringEquals", "a", ["a", "b"], True),
        ("StringNotEquals", "a", ["a", "b"], False),
        ("StringNotEquals", ["a", "b"], "a", True),
        ("ForAllValues:StringEquals", ["a", "b"], "a", True),  # can't be decided here
    ],
)
def test_fewer_values_of_a_condition_narrow_unless_they_are_excluded(
    operator: str,
    before: Json,
    after: Json,
    is_gained: bool,  # noqa: FBT001
) -> None:
    old, new = (
        _policy(_statement(READ, "a", Condition={operator: {"aws:SourceAccount": values}}))
        for values in (before, after)
    )
    found = change(old, new)
    assert found is not None
    assert bool(found.gained) is is_gained


def test_a_wildcard_covers_what_it_matches_and_nothing_more() -> None:
    assert change(_policy(_statement("s3:*", "arn:a/*")), _policy(_statement(READ, "arn:a/b"))) == (
        PermissionChange(
            gained=(),
            lost=(Permission(action="s3:*", resource="arn:a/*"),),
            narrowed=(Permission(action=READ, resource="arn:a/b"),),
        )
    )
    for narrow, wide in ((READ, "s3:Get*"), ("s3:GetObject?", "s3:GetObject*"), ("s3:?", "s3:*")):
        found = change(_policy(_statement(narrow)), _policy(_statement(wide)))
        assert found is not None
        assert found.gained


def _trust(principal: Json, **more: Json) -> Resource:
    statement: dict[str, Json] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": principal,
        **more,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement}, indent=2)
    return replace(_resource(None, types.ROLE), inputs={"assumeRolePolicy": document})


def test_trust_is_compared_by_who_may_take_the_role() -> None:
    pods: dict[str, Json] = {"Service": "pods.eks.amazonaws.com"}
    assert change(_trust(pods), _trust({"Service": ["pods.eks.amazonaws.com"]}, Sid="Pods")) is None
    account = "arn:aws:iam::123456789012:root"
    assert change(_trust({"AWS": account}), _trust({"AWS": "123456789012"})) is None
    found = change(_trust(pods), _trust({**pods, "AWS": account}))
    assert found is not None
    assert [str(each) for each in found.gained] == ["sts:AssumeRole by AWS 123456789012"]


def test_everything_except_what_is_named_counts_as_everything() -> None:
    all_but = _policy({"Effect": "Allow", "NotAction": [READ], "Resource": "a"})
    found = change(_policy(_statement(READ, "a")), all_but)
    assert found is not None
    assert found.gained == (Permission(action='! ["s3:GetObject"]', resource="a"),)


def test_a_document_that_cannot_be_read_is_called_unreadable() -> None:
    found = change(_policy(_statement(READ)), _resource("no JSON"))
    assert found is not None
    assert found.unread == "one of the documents can't be read"


def test_what_is_not_a_policy_has_no_permissions() -> None:
    assert change(None, _resource("x", types.SECRET)) is None
