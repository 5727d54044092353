"""AWS IoT Core: certificates, policies, their attachment, and the account's endpoints."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from rehearsal.aws.cloud import Cloud
from rehearsal.aws.handler import (
    Created,
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    api_tags,
    read_inputs,
    tag_outputs,
)
from rehearsal.values import Json, flag, merged, one_or_many, parse_document, text

# IoT API reference, CreatePolicy; AWS IoT Core quotas (characters without white space).
_POLICY_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_POLICY_CHARACTERS = 2048

# Where `iot:Data-ATS` isn't `<prefix>-ats.iot…`. Source: the AWS SDKs' own endpoint rules for iot-data.
_DOTTED_ATS_REGIONS = frozenset({"cn-north-1"})


class Certificate:
    """A client certificate; AWS makes the key pair unless a signing request is given."""

    type = "aws:iot/certificate:Certificate"
    secret_outputs = frozenset({"caPem", "certificatePem", "privateKey", "publicKey"})

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreateKeysAndCertificate, or CreateCertificateFromCsr."""
        given = read_inputs(self.type, cloud, inputs, ("active", "csr"))
        parameters: dict[str, Json] = {"setAsActive": given.get("active")}
        if "csr" in given:
            parameters["certificateSigningRequest"] = given["csr"]
            answer = cloud.call("iot", "CreateCertificateFromCsr", parameters)
            keys: dict[str, Json] = {}
        else:
            answer = cloud.call("iot", "CreateKeysAndCertificate", parameters)
            pair = answer.get("keyPair")
            keys = pair if isinstance(pair, dict) else {}
        return Created(
            text(answer, "certificateId"),
            merged(
                given,
                {
                    "active": flag(given, "active"),
                    "arn": text(answer, "certificateArn"),
                    "caCertificateId": "",
                    "certificatePem": text(answer, "certificatePem"),
                    "privateKey": text(keys, "PrivateKey"),
                    "publicKey": text(keys, "PublicKey"),
                    "region": cloud.region,
                },
            ),
        )


class Policy:
    """What a certificate's holder may do over MQTT."""

    type = "aws:iot/policy:Policy"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreatePolicy."""
        given = read_inputs(self.type, cloud, inputs, ("name", "policy", "tags"))
        _check_policy(cloud, text(given, "name"), text(given, "policy"))
        parameters = api_parameters(given, {"name": "policyName", "policy": "policyDocument"})
        if "tags" in given:
            parameters["tags"] = api_tags(given)
        answer = cloud.call("iot", "CreatePolicy", parameters)
        return Created(
            text(answer, "policyName"),
            merged(
                given,
                tag_outputs(given),
                {
                    "arn": text(answer, "policyArn"),
                    "defaultVersionId": text(answer, "policyVersionId"),
                    "region": cloud.region,
                },
            ),
        )


class PolicyAttachment:
    """Gives a certificate a policy's rights."""

    type = "aws:iot/policyAttachment:PolicyAttachment"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """AttachPolicy."""
        given = read_inputs(self.type, cloud, inputs, ("policy", "target"))
        parameters = api_parameters(given, {"policy": "policyName", "target": "target"})
        cloud.call("iot", "AttachPolicy", parameters)
        identity = f"{text(given, 'policy')}|{text(given, 'target')}"
        return Created(identity, merged(given, {"region": cloud.region}))


class GetEndpoint:
    """The account's own host names for devices."""

    token = "aws:iot/getEndpoint:getEndpoint"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeEndpoint.

        moto makes up a new host at each call and forgets China's suffix; an account's endpoint never changes.
        """
        given = read_inputs(self.token, cloud, args, ("endpointType",))
        parameters = api_parameters(given, {"endpointType": "endpointType"})
        # Without a type the provider sends none, and AWS takes iot:Data.
        answer = cloud.call("iot", "DescribeEndpoint", {"endpointType": "iot:Data"} | parameters)
        _, _, rest = text(answer, "endpointAddress").partition(".")
        is_ats = text(given, "endpointType") == "iot:Data-ATS"
        separator = "." if cloud.region in _DOTTED_ATS_REGIONS else "-"
        prefix = _account_prefix(cloud) + (f"{separator}ats" if is_ats else "")
        address = f"{prefix}.{rest.removesuffix('.amazonaws.com')}.{cloud.dns_suffix}"
        return {
            "id": address,
            "endpointAddress": address,
            "endpointType": given.get("endpointType"),
            "region": cloud.region,
        }


def _account_prefix(cloud: Cloud) -> str:
    """Stands for the 14 characters, beginning with an a, that AWS gives an account in a region."""
    return "a" + hashlib.sha256(f"{cloud.account_id}/{cloud.region}".encode()).hexdigest()[:13]


def _check_policy(cloud: Cloud, name: str, document: str) -> None:
    """What CreatePolicy refuses and moto doesn't.

    Sources: IoT API reference (CreatePolicy, MalformedPolicyException), AWS IoT Core quotas.
    """
    if name and not _POLICY_NAME.fullmatch(name):
        message = f"1 validation error detected: Value '{name}' at 'policyName' failed to satisfy constraint"
        raise cloud.refuse("iot", "CreatePolicy", "InvalidRequestException", message)
    for problem in _document_problems(document):
        message = f"Policy document is Malformed: {problem}"
        raise cloud.refuse("iot", "CreatePolicy", "MalformedPolicyException", message)


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
