"""What roles and MQTT clients may do."""

import re
from collections.abc import Callable, Iterator

from policies import types
from policies.documents import Statement, allowing
from policies.rule import Circumstances, Resource, Rule, Severity

# Wildcards that the broker needs, after `arn:…:<account>:`. For each source: any pod's client id, and the
# topics of any consumer; `docs/configuration.md`, "mqtt".
_NAME = r"[a-z0-9-]+"
_MQTT_WILDCARDS = re.compile(
    rf"client/{_NAME}-server-\*"
    rf"|topic/sources/{_NAME}/consumers/\*/(sourceevents|agentevents)"
    rf"|topic/\$share/{_NAME}/sources/{_NAME}/consumers/\*/agentevents"
)

_Judge = Callable[[Statement], Iterator[str]]


def _judged(resource: Resource, key: str, judge: _Judge) -> Iterator[str]:
    document = resource.inputs.get(key)
    if document is None:
        return
    statements = allowing(document)
    if statements is None:
        yield f"its {key} is not a policy document"
        return
    for statement in statements:
        for problem in judge(statement):
            yield f"{statement.sid} {problem}"


def _iam(statement: Statement) -> Iterator[str]:
    for action in statement.actions:
        if "*" in action or "?" in action:
            yield f"allows every action that {action} matches"
    for resource in statement.resources:
        if "*" in resource or "?" in resource:
            yield f"allows it on every resource that {resource} matches"


def _mqtt(statement: Statement) -> Iterator[str]:
    for action in statement.actions:
        if "*" in action or "?" in action:
            yield f"allows every action that {action} matches"
    for resource in statement.resources:
        of_account = resource.split(":", 5)[-1]
        if ("*" in resource or "?" in resource) and not _MQTT_WILDCARDS.fullmatch(of_account):
            yield f"allows it on every client or topic that {of_account} matches"


def _of_role(resource: Resource, _: Circumstances) -> Iterator[str]:
    yield from _judged(resource, "policy", _iam)


def _of_client(resource: Resource, _: Circumstances) -> Iterator[str]:
    yield from _judged(resource, "policy", _mqtt)


def _attached(resource: Resource, _: Circumstances) -> Iterator[str]:
    for key in ("managedPolicyArns", "inlinePolicies"):
        if resource.inputs.get(key):
            yield f"it has {key}, which no rule checks"


RULES = (
    Rule(
        name="no-wildcard-permissions",
        requires="A role's policy names each action and each resource.",
        severity=Severity.CRITICAL,
        reads={types.ROLE_POLICY: ("policy",), types.MANAGED_POLICY: ("policy",)},
        check=_of_role,
        remedy="Name the actions and the ARNs that are needed.",
        source='IAM user guide, "Grant least privilege"',
    ),
    Rule(
        name="no-other-policies",
        requires="A role's permissions are separate policy resources, which the rules check.",
        severity=Severity.CRITICAL,
        reads={types.ROLE: ("managedPolicyArns", "inlinePolicies")},
        check=_attached,
        remedy="Declare an aws.iam.RolePolicy instead.",
        source="AWS provider, aws.iam.Role: deprecated arguments",
    ),
    Rule(
        name="no-wildcard-clients-or-topics",
        requires="An MQTT client's policy names client ids and topics, except for a source's own pods and "
        "consumers.",
        severity=Severity.CRITICAL,
        reads={types.IOT_POLICY: ("policy",)},
        check=_of_client,
        remedy="Name the client id and the topics; maestro_stack/mqtt.py has those of server and agent.",
        source='AWS IoT Core developer guide, "Security best practices in AWS IoT Core"',
    ),
)
