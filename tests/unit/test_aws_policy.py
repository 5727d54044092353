"""The policy evaluator, against what AWS documents for each construct."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from checks.aws_policy import (
    ContextValue,
    MalformedPolicyError,
    Outcome,
    PodIdentity,
    PolicyDocument,
    PolicyKind,
    Principal,
    Request,
    UnsupportedPolicyError,
    is_allowed,
    parse,
    pod_may_assume,
    session_context,
)

RESOURCE = "arn:aws:secretsmanager:us-east-1:111122223333:secret:regional-xyz/maestro/db-credentials-AbCdEf"
IOT = "arn:aws:iot:us-east-1:111122223333:"
READ = "secretsmanager:GetSecretValue"


def policy(
    *statements: Mapping[str, object], kind: PolicyKind = "identity", name: str = "policy"
) -> PolicyDocument:
    return parse(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), kind=kind, name=name)


def statement(**changes: object) -> dict[str, object]:
    """A statement that allows reading the secret, with elements replaced, added, or removed by None."""
    elements: dict[str, object] = {"Effect": "Allow", "Action": READ, "Resource": RESOURCE, **changes}
    return {key: value for key, value in elements.items() if value is not None}


def allows(document: PolicyDocument, action: str, resource: str, **context: ContextValue) -> bool:
    return is_allowed([document], Request(action=action, resource=resource, context=context)).allowed


def holds(condition: Mapping[str, object], context: Mapping[str, ContextValue]) -> bool:
    document = policy(statement(Condition=condition))
    return is_allowed([document], Request(action=READ, resource=RESOURCE, context=context)).allowed


# --- the decision -----------------------------------------------------------------------------------


def test_nothing_is_allowed_by_default() -> None:
    decision = is_allowed([], Request(action=READ, resource=RESOURCE))
    assert (decision.allowed, decision.outcome, decision.statement) == (False, Outcome.IMPLICIT_DENY, None)
    assert str(decision) == "implicitly denied: no statement applies"


def test_a_decision_names_the_document_the_statement_and_the_sid() -> None:
    document = policy(
        statement(Action="kms:Decrypt", Resource="*"), statement(Sid="ReadSecrets"), name="server role"
    )
    decision = is_allowed([document], Request(action=READ, resource=RESOURCE))
    assert str(decision) == "allowed by server role.Statement[1] (ReadSecrets)"


@pytest.mark.parametrize("deny_first", [True, False])
def test_an_explicit_deny_beats_an_allow_in_whatever_order_and_document(*, deny_first: bool) -> None:
    allow = policy(statement(), name="allow")
    deny = policy(statement(Effect="Deny", Resource="*"), name="deny")
    decision = is_allowed(
        [deny, allow] if deny_first else [allow, deny], Request(action=READ, resource=RESOURCE)
    )
    assert decision.outcome is Outcome.EXPLICIT_DENY
    assert str(decision) == "explicitly denied by deny.Statement[0]"


def test_a_deny_whose_condition_does_not_hold_denies_nothing() -> None:
    deny = statement(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}})
    document = policy(statement(), deny)
    assert allows(document, READ, RESOURCE, **{"aws:SecureTransport": "true"})
    assert not allows(document, READ, RESOURCE, **{"aws:SecureTransport": "false"})


def test_one_statement_may_stand_without_a_list() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": statement()})
    assert allows(parse(text), READ, RESOURCE)


# --- actions and resources --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        (READ, READ, True),
        (READ, "SECRETSMANAGER:getsecretvalue", True),
        ("secretsmanager:Get*", READ, True),
        ("secretsmanager:*", READ, True),
        ("*", READ, True),
        ("secretsmanager:GetSecretValu?", READ, True),
        ("secretsmanager:GetSecretValue?", READ, False),
        ("secretsmanager:Get*", "secretsmanager:PutSecretValue", False),
        ("secretsmanager:Get", READ, False),
    ],
)
def test_actions_match_without_regard_to_case_and_with_wildcards(
    pattern: str, action: str, *, expected: bool
) -> None:
    assert allows(policy(statement(Action=pattern)), action, RESOURCE) is expected


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (RESOURCE, RESOURCE, True),
        ("*", RESOURCE, True),
        (RESOURCE[:-6] + "??????", RESOURCE, True),
        (RESOURCE[:-6] + "?????", RESOURCE, False),
        (RESOURCE[:-6] + "*", RESOURCE, True),
        (RESOURCE.replace("regional-xyz", "Regional-XYZ"), RESOURCE, False),
        (RESOURCE.replace("us-east-1", "*"), RESOURCE, True),
        (RESOURCE.replace("us-east-1", "us-west-2"), RESOURCE, False),
        ("arn:aws:s3:::bucket.name/*", "arn:aws:s3:::bucketXname/key", False),
        ("arn:aws:s3:::bucket/[a]", "arn:aws:s3:::bucket/a", False),
    ],
)
def test_resources_match_by_case_and_with_wildcards(pattern: str, resource: str, *, expected: bool) -> None:
    assert allows(policy(statement(Resource=pattern)), READ, resource) is expected


def test_a_wildcard_that_would_have_to_reach_across_a_colon_is_refused() -> None:
    document = policy(statement(Resource="arn:aws:secretsmanager:us-east-1:*:secret:x"))
    with pytest.raises(
        UnsupportedPolicyError, match=r'Statement\[0\]\.Resource: .* only if "\*" reaches across'
    ):
        allows(document, READ, "arn:aws:secretsmanager:us-east-1:111122223333:other:secret:x")


# --- IoT Core ---------------------------------------------------------------------------------------

SHARED = "$share/statussubscribers/sources/maestro/consumers/+/agentevents"


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (f"topicfilter/{SHARED}", f"topicfilter/{SHARED}", True),
        (f"topicfilter/{SHARED}", f"topicfilter/{SHARED.replace('+', 'mc01')}", False),
        (f"topicfilter/{SHARED}", "topicfilter/sources/maestro/consumers/+/agentevents", False),
        (
            "topic/sources/maestro/consumers/+/sourceevents",
            "topic/sources/maestro/consumers/mc/sourceevents",
            False,
        ),
        (
            "topic/sources/maestro/consumers/*/sourceevents",
            "topic/sources/maestro/consumers/mc/sourceevents",
            True,
        ),
        ("topic/sources/#", "topic/sources/maestro", False),
        ("topic/sources/#", "topic/sources/#", True),
        ("client/maestro-server-*", "client/maestro-server-maestro-6f7-abc", True),
        ("client/maestro-server-*", "client/maestro-agent-mc-client", False),
        ("client/maestro-?", "client/maestro-1", True),
    ],
)
def test_iot_policies_take_plus_hash_and_share_literally(
    pattern: str, resource: str, *, expected: bool
) -> None:
    document = policy(statement(Action="iot:Subscribe", Resource=IOT + pattern), kind="iot")
    assert allows(document, "iot:Subscribe", IOT + resource) is expected


@pytest.mark.parametrize("condition", [{"Bool": {"iot:Connection.Thing.IsAttached": "true"}}])
def test_iot_policies_with_conditions_are_refused(condition: object) -> None:
    with pytest.raises(UnsupportedPolicyError, match=r"unknown condition key .* in an IoT policy"):
        policy(statement(Action="iot:Connect", Resource="*", Condition=condition), kind="iot")


def test_iot_policies_may_have_any_sid() -> None:
    document = policy(statement(Sid="any client", Action="iot:Connect", Resource="*"), kind="iot")
    assert document.statements[0].sid == "any client"


def test_iot_policies_speak_of_iot_actions_only() -> None:
    with pytest.raises(MalformedPolicyError, match="not an action of AWS IoT"):
        policy(statement(Action="s3:GetObject", Resource="*"), kind="iot")


# --- conditions -------------------------------------------------------------------------------------

ACCOUNT = "aws:SourceAccount"
ARN = "aws:SourceArn"
TAG = "aws:RequestTag/kubernetes-namespace"
CLUSTER = "arn:aws:eks:us-east-1:111122223333:cluster/regional-xyz"


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "actual", "expected"),
    [
        ("StringEquals", TAG, "maestro", "maestro", True),
        ("StringEquals", TAG, "maestro", "Maestro", False),
        ("StringEquals", TAG, "maes*", "maestro", False),
        ("StringEquals", TAG, ["other", "maestro"], "maestro", True),
        ("StringEquals", TAG, "maestro", None, False),
        ("StringEqualsIfExists", TAG, "maestro", None, True),
        ("StringEqualsIfExists", TAG, "maestro", "other", False),
        ("StringNotEquals", TAG, "maestro", "other", True),
        ("StringNotEquals", TAG, "maestro", "maestro", False),
        ("StringNotEquals", TAG, ["other", "maestro"], "maestro", False),
        ("StringNotEquals", TAG, "maestro", None, True),
        ("StringNotEqualsIfExists", TAG, "maestro", None, True),
        ("StringNotEqualsIfExists", TAG, "maestro", "maestro", False),
        ("StringLike", TAG, "maes*", "maestro", True),
        ("StringLike", TAG, "maes*", "Maestro", False),
        ("StringLike", TAG, "maestr?", "maestro", True),
        ("StringLike", TAG, "*", None, False),
        ("StringNotLike", TAG, "maes*", "maestro", False),
        ("StringNotLike", TAG, "maes*", None, True),
        ("StringLike", ARN, "arn:aws:eks:*", CLUSTER, True),
        ("ArnEquals", ARN, "arn:aws:eks:us-east-1:111122223333:cluster/*", CLUSTER, True),
        ("ArnLike", ARN, "arn:aws:eks:*:111122223333:cluster/regional-???", CLUSTER, True),
        ("ArnLike", ARN, "arn:aws:eks:*:*:cluster/other", CLUSTER, False),
        ("ArnLike", ARN, CLUSTER, "not-an-arn", False),
        ("ArnLike", ARN, CLUSTER, None, False),
        ("ArnLikeIfExists", ARN, CLUSTER, None, True),
        ("ArnNotEquals", ARN, CLUSTER, CLUSTER, False),
        ("ArnNotEquals", ARN, CLUSTER, None, True),
        ("ArnNotLike", ARN, "arn:aws:eks:*:*:cluster/other", CLUSTER, True),
        ("Bool", "aws:SecureTransport", "true", "true", True),
        ("Bool", "aws:SecureTransport", True, "true", True),
        ("Bool", "aws:SecureTransport", "true", "false", False),
        ("Bool", "aws:SecureTransport", "false", None, False),
        ("BoolIfExists", "aws:SecureTransport", "true", None, True),
        ("Null", TAG, "true", None, True),
        ("Null", TAG, "true", "maestro", False),
        ("Null", TAG, "false", "maestro", True),
        ("Null", TAG, False, None, False),
        ("Null", "aws:TagKeys", "true", (), True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], ("a",), True),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["a", "b"], ("a", "c"), False),
        ("ForAllValues:StringEquals", "aws:TagKeys", "a", None, True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["a", "b"], ("c", "b"), True),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "a", ("c",), False),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "a", None, False),
        ("ForAnyValue:StringLike", "aws:TagKeys", "kubernetes-*", ("kubernetes-namespace",), True),
        ("StringEquals", "kms:ViaService", "secretsmanager.us-east-1.amazonaws.com", None, False),
    ],
)
def test_operators_behave_as_documented(
    operator: str, key: str, wanted: object, actual: ContextValue | None, *, expected: bool
) -> None:
    context: dict[str, ContextValue] = {} if actual is None else {key: actual}
    assert holds({operator: {key: wanted}}, context) is expected


def test_condition_keys_ignore_case() -> None:
    assert holds({"StringEquals": {"AWS:sourceaccount": "1"}}, {"aws:SourceAccount": "1"})
    assert holds({"StringEquals": {"aws:requesttag/Kubernetes-Namespace": "maestro"}}, {TAG: "maestro"})


def test_all_keys_and_all_operators_of_a_statement_must_hold() -> None:
    condition = {"StringEquals": {ACCOUNT: "1", TAG: "maestro"}, "ArnLike": {ARN: CLUSTER}}
    everything: dict[str, ContextValue] = {ACCOUNT: "1", TAG: "maestro", ARN: CLUSTER}
    assert holds(condition, everything)
    for key in everything:
        assert not holds(condition, {**everything, key: "something else"})


def test_several_values_for_a_key_that_has_one_are_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="several values"):
        holds({"StringEquals": {ACCOUNT: "1"}}, {ACCOUNT: ("1", "2")})


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"NotAction": "s3:*", "Action": None}, "Statement[0].NotAction", "not supported"),
        ({"NotResource": "*", "Resource": None}, "Statement[0].NotResource", "not supported"),
        ({"NotPrincipal": {"AWS": "*"}}, "Statement[0].NotPrincipal", "not supported"),
        ({"action": "s3:*"}, "Statement[0].action", "unknown element"),
        ({"Resource": "arn:aws:s3"}, "Statement[0].Resource", "fewer than six parts"),
        (
            {"Resource": RESOURCE.replace("arn:aws", "arn:*")},
            "Statement[0].Resource",
            "wildcard in its partition",
        ),
        (
            {"Resource": RESOURCE.replace("regional-xyz", "${aws:PrincipalTag/eks-cluster-name}")},
            "Statement[0].Resource",
            "policy variable",
        ),
        (
            {"Condition": {"StringLike": {TAG: "${aws:username}"}}},
            f"Statement[0].Condition.StringLike.{TAG}",
            "policy variable",
        ),
        (
            {"Condition": {"StringEqualsIgnoreCase": {TAG: "x"}}},
            f"Condition.StringEqualsIgnoreCase.{TAG}",
            "unknown condition operator",
        ),
        (
            {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
            "aws:SourceIp",
            "unknown condition operator",
        ),
        ({"Condition": {"NullIfExists": {TAG: "true"}}}, "NullIfExists", "Null takes one value"),
        (
            {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
            "aws:SourceVpc",
            "unknown condition key",
        ),
        ({"Condition": {"StringEquals": {"aws:RequestTag": "x"}}}, "aws:RequestTag", "unknown condition key"),
        (
            {"Condition": {"StringEquals": {"aws:RequestTag/": "x"}}},
            "aws:RequestTag/",
            "unknown condition key",
        ),
        ({"Condition": {"StringEquals": {"aws:TagKeys": "x"}}}, "aws:TagKeys", "ForAnyValue"),
        ({"Condition": {"ForAllValues:StringEquals": {TAG: "x"}}}, TAG, "multivalued keys"),
        (
            {"Condition": {"ForAnyValue:StringNotEquals": {"aws:TagKeys": "x"}}},
            "aws:TagKeys",
            "set operator takes",
        ),
        (
            {"Condition": {"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "x"}}},
            "aws:TagKeys",
            "set operator takes",
        ),
        ({"Condition": {"ArnLike": {TAG: CLUSTER}}}, TAG, "on a key of type string"),
        ({"Condition": {"ArnLike": {ARN: "*"}}}, ARN, "an ARN has six parts"),
        ({"Condition": {"Bool": {TAG: "true"}}}, TAG, "on a key of type string"),
    ],
)
def test_what_is_unknown_is_refused_by_place_and_name(
    changes: dict[str, object], where: str, what: str
) -> None:
    with pytest.raises(UnsupportedPolicyError) as refused:
        policy(statement(**changes))
    assert where in refused.value.where
    assert what in refused.value.problem


@pytest.mark.parametrize("version", ["2008-10-17", None, 20121017])
def test_another_version_of_the_language_is_refused(version: object) -> None:
    with pytest.raises(UnsupportedPolicyError, match=r'policy\.Version: must be "2012-10-17"'):
        parse(json.dumps({"Version": version, "Statement": statement()}))


def test_an_unknown_element_of_the_document_is_refused() -> None:
    with pytest.raises(UnsupportedPolicyError, match='unknown element "Statements"'):
        parse(json.dumps({"Version": "2012-10-17", "Statements": []}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "policy: is not JSON"),
        ("[]", "policy: must be an object, not list"),
        ('{"Version": "2012-10-17"}', "policy: has no Statement"),
        ('{"Version": "2012-10-17", "Statement": []}', "policy: has no Statement"),
        ('{"Version": "2012-10-17", "Statement": "Allow"}', "must be an object, not str"),
        ('{"Version": "2012-10-17", "Version": "2008-10-17"}', '"Version" occurs more than once'),
    ],
)
def test_text_that_is_not_a_policy_document_is_malformed(text: str, message: str) -> None:
    with pytest.raises(MalformedPolicyError) as refused:
        parse(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Effect": "allow"}, 'Effect: must be "Allow" or "Deny", not "allow"'),
        ({"Effect": None}, 'Effect: must be "Allow" or "Deny"'),
        ({"Action": None}, "has no Action"),
        ({"Resource": None}, "has no Resource"),
        ({"Action": []}, "Action: is empty"),
        ({"Action": "GetSecretValue"}, "is not of the form service:Action"),
        ({"Action": "secrets*:Get"}, "is not of the form service:Action"),
        ({"Resource": ["*", 1]}, "Resource: must be a string or a list of strings"),
        ({"Resource": "regional-xyz/maestro"}, "neither an ARN nor"),
        ({"Principal": {"AWS": "111122223333"}}, "Principal: has no place in an identity policy"),
        ({"Sid": "read secrets"}, "Sid: must be letters and digits"),
        ({"Condition": {"StringEquals": TAG}}, "Condition.StringEquals: must be an object"),
        ({"Condition": {"StringEquals": {ACCOUNT: 111122223333}}}, "must be a string"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}, 'must be "true" or "false"'),
    ],
)
def test_a_statement_that_aws_would_not_store_is_malformed(changes: dict[str, object], message: str) -> None:
    with pytest.raises(MalformedPolicyError) as refused:
        policy(statement(**changes))
    assert message in str(refused.value)


def test_a_sid_may_occur_once() -> None:
    with pytest.raises(MalformedPolicyError, match='Sid "Same" occurs more than once'):
        policy(statement(Sid="Same"), statement(Sid="Same"))


# --- trust policies ---------------------------------------------------------------------------------

POD = PodIdentity(
    account_id="111122223333",
    cluster_arn=CLUSTER,
    cluster_name="regional-xyz",
    namespace="maestro",
    service_account="maestro",
    pod_name="maestro-6f7c9-abcde",
    pod_uid="0f0f0f0f-0000-4000-8000-000000000000",
)


def trust(**changes: object) -> PolicyDocument:
    elements = {
        "Resource": None,
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {
            "StringEquals": {
                ACCOUNT: "111122223333",
                "aws:RequestTag/eks-cluster-arn": CLUSTER,
                TAG: "maestro",
                "aws:RequestTag/kubernetes-service-account": "maestro",
            }
        },
    }
    return policy(statement(**{**elements, **changes}), kind="trust", name="trust policy")


def test_the_pod_that_the_trust_policy_names_may_assume_the_role() -> None:
    assert pod_may_assume(trust(), POD).allowed


@pytest.mark.parametrize(
    "stranger",
    [
        replace(POD, account_id="444455556666"),
        replace(POD, cluster_arn=CLUSTER + "2", cluster_name="regional-xyz2"),
        replace(POD, namespace="default"),
        replace(POD, service_account="default"),
    ],
)
def test_no_other_account_cluster_namespace_or_service_account_may(stranger: PodIdentity) -> None:
    assert not pod_may_assume(trust(), stranger).allowed


def test_pod_identity_needs_both_actions() -> None:
    assert not pod_may_assume(trust(Action="sts:AssumeRole"), POD).allowed
    assert not pod_may_assume(trust(Action="sts:TagSession"), POD).allowed


def test_request_tag_conditions_fail_when_session_tags_are_disabled() -> None:
    assert not pod_may_assume(trust(), POD, tags_disabled=True).allowed


def test_no_trust_may_rest_on_a_source_arn_that_pod_identity_does_not_promise() -> None:
    assert not pod_may_assume(trust(Condition={"ArnEquals": {ARN: CLUSTER}}), POD).allowed


@pytest.mark.parametrize("principal", [{"Service": "ec2.amazonaws.com"}, {"AWS": "111122223333"}])
def test_a_role_that_trusts_somebody_else_is_not_for_pods(principal: object) -> None:
    assert not pod_may_assume(trust(Principal=principal), POD).allowed


def test_the_tag_keys_of_a_session_can_be_asked_for() -> None:
    condition = {"ForAnyValue:StringEquals": {"aws:TagKeys": "kubernetes-namespace"}}
    assert pod_may_assume(trust(Condition=condition), POD).allowed
    assert not pod_may_assume(trust(Condition=condition), POD, tags_disabled=True).allowed


def test_session_tags_become_principal_tags() -> None:
    assert session_context(POD)["aws:PrincipalTag/kubernetes-namespace"] == "maestro"
    assert "aws:PrincipalTag/kubernetes-namespace" not in session_context(POD, tags_disabled=True)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("arn:aws:iam::111122223333:role/deployer", True),
        ("arn:aws:iam::111122223333:role/other", False),
        ("arn:aws:iam::111122223333:root", True),
        ("111122223333", True),
        (["444455556666", "111122223333"], True),
        ("444455556666", False),
        ("arn:aws-cn:iam::111122223333:root", False),
    ],
)
def test_aws_principals_match_by_arn_or_account(named: object, *, expected: bool) -> None:
    asking = Principal(type="AWS", value="arn:aws:iam::111122223333:role/deployer")
    document = trust(Principal={"AWS": named}, Condition=None)
    assert is_allowed([document], Request(action="sts:AssumeRole", principal=asking)).allowed is expected


@pytest.mark.parametrize(
    ("principal", "message"),
    [
        ("*", "only Service and AWS principals by name"),
        ({"AWS": "*"}, "wildcard"),
        ({"Federated": "accounts.google.com"}, "only Service and AWS principals"),
        (
            {"AWS": "arn:aws:sts::111122223333:assumed-role/deployer/session"},
            "not an IAM user, role or account",
        ),
    ],
)
def test_principals_whose_reach_is_unclear_are_refused(principal: object, message: str) -> None:
    with pytest.raises(UnsupportedPolicyError, match=message):
        trust(Principal=principal)


def test_a_trust_policy_has_a_principal_and_no_resource() -> None:
    with pytest.raises(MalformedPolicyError, match="Resource: has no place in a trust policy"):
        trust(Resource="*")
    with pytest.raises(MalformedPolicyError, match="has no Principal"):
        trust(Principal=None)


def test_questions_that_make_no_sense_are_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="needs a principal"):
        is_allowed([trust()], Request(action="sts:AssumeRole"))
    with pytest.raises(ValueError, match="needs one"):
        is_allowed([policy(statement())], Request(action=READ))
    with pytest.raises(ValueError, match="different kinds"):
        is_allowed([policy(statement()), trust()], Request(action=READ, resource=RESOURCE))
