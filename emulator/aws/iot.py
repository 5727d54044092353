"""AWS IoT Core: certificates, policies, their attachment, and the account's endpoints."""

import re
from collections.abc import Iterator, Mapping

from common.json_values import Json, flag, merged, one_or_many, parse_document, record, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.documents import is_same_document, kept_or_read
from emulator.aws.errors import AwsError
from emulator.aws.handler import (
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    read_inputs,
    reread,
    tag_outputs,
    unless_gone,
)
from emulator.aws.retry import has_code, retrying
from emulator.aws.tags import TagChanges, tag_changes, tags_in
from emulator.lifecycle import State, difference, table

# IoT API reference, CreatePolicy; AWS IoT Core quotas (characters without white space).
_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_POLICY_CHARACTERS = 2048

_is_conflict = has_code("DeleteConflictException")
_GONE = "ResourceNotFoundException"


class Certificate(ResourceHandler):
    """A client certificate; AWS generates the key pair unless a signing request is given."""

    type = "aws:iot/certificate:Certificate"
    table = table("internal/service/iot/certificate.go", updates=("active",), replaces=("csr",))
    secret_outputs = frozenset({"caPem", "certificatePem", "privateKey", "publicKey"})

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateKeysAndCertificate, or CreateCertificateFromCsr."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        parameters: dict[str, Json] = {"setAsActive": given.get("active")}
        if "csr" in given:
            parameters["certificateSigningRequest"] = given["csr"]
            answer = cloud.call("iot", "CreateCertificateFromCsr", parameters)
        else:
            answer = cloud.call("iot", "CreateKeysAndCertificate", parameters)
        keys = record(answer, "keyPair")
        made: dict[str, Json] = {
            "privateKey": text(keys, "PrivateKey"),
            "publicKey": text(keys, "PublicKey"),
        }
        return State(
            text(answer, "certificateId"),
            merged(given, made, self._outputs(cloud, answer, is_active=flag(given, "active"))),
        )

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeCertificate; AWS returns the keys only once, so they come from the state, and an import is
        impossible.
        """
        if not state.outputs:
            message = "resource aws_iot_certificate doesn't support import: its private key can't be read"
            raise cloud.refuse("iot", "import", "ImportNotSupported", message)
        answer = unless_gone(
            lambda: cloud.call("iot", "DescribeCertificate", {"certificateId": state.id}), _GONE
        )
        if answer is None:
            return None
        described = record(answer, "certificateDescription")
        is_active = text(described, "status") == "ACTIVE"
        return State(state.id, merged(state.outputs, self._outputs(cloud, described, is_active=is_active)))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """UpdateCertificate."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._activate(cloud, state.id, is_active=flag(given, "active"))
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """UpdateCertificate to INACTIVE if the state says that it is active, then DeleteCertificate."""

        def remove() -> dict[str, Json]:
            if flag(state.outputs, "active"):
                self._activate(cloud, state.id, is_active=False)
            return cloud.call("iot", "DeleteCertificate", {"certificateId": state.id})

        unless_gone(remove, _GONE)

    def _activate(self, cloud: Cloud, identity: str, *, is_active: bool) -> None:
        status = "ACTIVE" if is_active else "INACTIVE"
        cloud.call("iot", "UpdateCertificate", {"certificateId": identity, "newStatus": status})

    def _outputs(self, cloud: Cloud, answer: Mapping[str, Json], *, is_active: bool) -> dict[str, Json]:
        return {
            "active": is_active,
            "arn": text(answer, "certificateArn"),
            "caCertificateId": text(answer, "caCertificateId"),
            "certificatePem": text(answer, "certificatePem"),
            "region": cloud.region,
        }


class Policy(ResourceHandler):
    """What the holder of a certificate may do over MQTT."""

    type = "aws:iot/policy:Policy"
    table = table("internal/service/iot/policy.go", updates=("policy", "tags"), replaces=("name",))

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreatePolicy."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        _check_name(cloud, text(given, "name"))
        _check_document(cloud, "CreatePolicy", text(given, "policy"))
        parameters = api_parameters(given, {"name": "policyName", "policy": "policyDocument"})
        if "tags" in given:
            parameters["tags"] = api_tags(given)
        answer = cloud.call("iot", "CreatePolicy", parameters)
        made: dict[str, Json] = {
            "arn": text(answer, "policyArn"),
            "defaultVersionId": text(answer, "policyVersionId"),
            "region": cloud.region,
        }
        return State(text(answer, "policyName"), merged(given, tag_outputs(given), made))

    def read(self, cloud: Cloud, state: State) -> State | None:
        """GetPolicy, then ListTagsForResource."""
        answer = unless_gone(lambda: cloud.call("iot", "GetPolicy", {"policyName": state.id}), _GONE)
        if answer is None:
            return None
        arn = text(answer, "policyArn")
        tags = cloud.call("iot", "ListTagsForResource", {"resourceArn": arn})
        read: dict[str, Json] = {
            "name": text(answer, "policyName"),
            "policy": kept_or_read(state.outputs.get("policy"), answer.get("policyDocument")),
            "arn": arn,
            "defaultVersionId": text(answer, "defaultVersionId"),
            "region": cloud.region,
        }
        return State(state.id, merged(state.outputs, read, tags_in(tags, "tags")))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """CreatePolicyVersion as the default, making room if five versions exist; then the tags."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        changed = difference(self.table, state.outputs, given, self.is_same).updates
        if "policy" in changed:
            _check_document(cloud, "CreatePolicyVersion", text(given, "policy"))
            self._add_version(cloud, state.id, text(given, "policy"))
        if "tags" in changed:
            self._change_tags(cloud, text(state.outputs, "arn"), tag_changes(state.outputs, given))
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeletePolicyVersion for all but the default one, then DeletePolicy.

        Detaching takes a moment in AWS, so conflicts are retried.
        """
        versions = unless_gone(lambda: self._versions(cloud, state.id), _GONE)
        for version in versions or ():
            if not flag(version, "isDefaultVersion"):
                self._delete_version(cloud, state.id, text(version, "versionId"))
        unless_gone(
            lambda: retrying(
                cloud,
                lambda: cloud.call("iot", "DeletePolicy", {"policyName": state.id}),
                while_=_is_conflict,
            ),
            _GONE,
        )

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Policies that say the same are the same."""
        return key == "policy" and is_same_document(found, wanted)

    def _add_version(self, cloud: Cloud, name: str, document: str) -> None:
        parameters: dict[str, Json] = {"policyName": name, "policyDocument": document, "setAsDefault": True}
        try:
            cloud.call("iot", "CreatePolicyVersion", parameters)
        except AwsError as error:
            if error.code != "VersionsLimitExceededException":
                raise
            others = [v for v in self._versions(cloud, name) if not flag(v, "isDefaultVersion")]
            self._delete_version(cloud, name, str(min(int(text(v, "versionId")) for v in others)))
            cloud.call("iot", "CreatePolicyVersion", parameters)

    def _versions(self, cloud: Cloud, name: str) -> list[dict[str, Json]]:
        return records(cloud.call("iot", "ListPolicyVersions", {"policyName": name}), "policyVersions")

    def _delete_version(self, cloud: Cloud, name: str, version: str) -> None:
        parameters: dict[str, Json] = {"policyName": name, "policyVersionId": version}
        unless_gone(
            lambda: retrying(
                cloud, lambda: cloud.call("iot", "DeletePolicyVersion", parameters), while_=_is_conflict
            ),
            _GONE,
        )

    def _change_tags(self, cloud: Cloud, arn: str, changes: TagChanges) -> None:
        if changes.removed:
            cloud.call("iot", "UntagResource", {"resourceArn": arn, "tagKeys": changes.removed})
        if changes.added:
            cloud.call("iot", "TagResource", {"resourceArn": arn, "tags": changes.added_pairs})


class PolicyAttachment(ResourceHandler):
    """Gives a certificate a policy's rights.

    A bug of the provider's, reproduced: it only checks that the target has some policy, so one that was
    swapped for another goes unnoticed.
    """

    type = "aws:iot/policyAttachment:PolicyAttachment"
    table = table("internal/service/iot/policy_attachment.go", replaces=("policy", "target"))

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """AttachPolicy."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        parameters = api_parameters(given, {"policy": "policyName", "target": "target"})
        cloud.call("iot", "AttachPolicy", parameters)
        identity = f"{text(given, 'policy')}|{text(given, 'target')}"
        return State(identity, merged(given, {"region": cloud.region}))

    def read(self, cloud: Cloud, state: State) -> State | None:
        """ListAttachedPolicies: it exists as long as the target has any policy."""
        policy, _, target = state.id.partition("|")
        answer = unless_gone(lambda: cloud.call("iot", "ListAttachedPolicies", {"target": target}), _GONE)
        if answer is None or not records(answer, "policies"):
            return None
        own: dict[str, Json] = {"policy": policy, "target": target, "region": cloud.region}
        return State(state.id, merged(own, state.outputs))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """Never called for a change: every input replaces."""
        read_inputs(self.type, cloud, inputs, self.table.changes)
        return state

    def delete(self, cloud: Cloud, state: State) -> None:
        """DetachPolicy."""
        policy, _, target = state.id.partition("|")
        unless_gone(
            lambda: cloud.call("iot", "DetachPolicy", {"policyName": policy, "target": target}), _GONE
        )


class GetEndpoint:
    """The account's own host names for devices."""

    token = "aws:iot/getEndpoint:getEndpoint"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeEndpoint."""
        given = read_inputs(self.token, cloud, args, ("endpointType",))
        parameters = api_parameters(given, {"endpointType": "endpointType"})
        # Without a type the provider sends none, and AWS uses iot:Data.
        answer = cloud.call("iot", "DescribeEndpoint", {"endpointType": "iot:Data"} | parameters)
        address = text(answer, "endpointAddress")
        return {
            "id": address,
            "endpointAddress": address,
            "endpointType": given.get("endpointType"),
            "region": cloud.region,
        }


def _check_name(cloud: Cloud, name: str) -> None:
    """What CreatePolicy refuses and moto doesn't. Source: IoT API reference, CreatePolicy."""
    if name and not _POLICY_NAME.fullmatch(name):
        message = f"1 validation error detected: Value '{name}' at 'policyName' failed to satisfy constraint"
        raise cloud.refuse("iot", "CreatePolicy", "InvalidRequestException", message)


def _check_document(cloud: Cloud, operation: str, document: str) -> None:
    """What AWS refuses in a policy and moto doesn't.

    Sources: IoT API reference (MalformedPolicyException), AWS IoT Core quotas.
    """
    for problem in _document_problems(document):
        message = f"Policy document is Malformed: {problem}"
        raise cloud.refuse("iot", operation, "MalformedPolicyException", message)


def _document_problems(document: str) -> Iterator[str]:
    parsed = parse_document(document)
    if parsed is None:
        yield "not a JSON object"
        return
    if len("".join(document.split())) > _POLICY_CHARACTERS:
        yield f"larger than {_POLICY_CHARACTERS} characters without white space"
    statements = one_or_many(parsed.get("Statement"))
    if not statements:
        yield "no Statement"
    for statement in statements:
        if not isinstance(statement, dict):
            yield "a Statement is not an object"
            continue
        yield from (
            f"a Statement without {key}" for key in ("Effect", "Action", "Resource") if not statement.get(key)
        )
        if statement.get("Effect") not in ("Allow", "Deny"):
            yield f"Effect {statement.get('Effect')}"
        for action in one_or_many(statement.get("Action")):
            if not str(action).startswith("iot:"):
                yield f"{action} is not an action of AWS IoT"


RESOURCES: tuple[ResourceHandler, ...] = (Certificate(), Policy(), PolicyAttachment())
FUNCTIONS: tuple[FunctionHandler, ...] = (GetEndpoint(),)
TAGGABLE = frozenset({Policy.type})
