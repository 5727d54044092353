"""Injected faults: which call fails, when, and with which AWS error.

Codes and statuses are each service's own. They are those of botocore's model of the service if it has the
error (a test compares them); the rest comes from AWS's pages: "Common Errors" in each API reference, and
"Error codes for the Amazon EC2 API".
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import uuid4
from xml.sax.saxutils import escape

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from common.json_values import Json
from emulator.aws.calls import SERVICES, Call, operations, service_model

KUBERNETES = "kubernetes"
"""The service name of the in-memory clusters; their operations are create, read and so on."""

Effect = Literal["throttle", "unavailable", "expired", "quota", "invisible", "kill"]


class FaultError(Exception):
    """An impossible fault: an unknown service, operation or effect, or a process that must not be killed."""


class Fault(BaseModel):
    """One fault: it hits the `nth` matching call and the following ones, `times` in all."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    service: str
    operation: str = "*"
    nth: Annotated[int, Field(ge=1)] = 1
    times: Annotated[int, Field(ge=1)] = 1
    effect: Effect
    when: Literal["before", "after"] = "before"
    """"before": the call isn't executed; "after": it is, and its answer is lost."""
    pid: int | None = None
    """For "kill": the process that gets SIGKILL, with its descendants, and its group if it leads one."""

    def matches(self, call: Call) -> bool:
        """Whether this call counts for the fault."""
        return self.service in ("*", call.service) and self.operation in ("*", call.operation)


@dataclass(frozen=True)
class Refusal:
    """An AWS error: its code, HTTP status and message."""

    code: str
    status: int
    message: str

    def render(self, service: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body in the service's own protocol."""
        return self.status, *_RENDERERS[_protocol(service)](self, service)


class Faults:
    """The active faults, and how many calls each has seen. Not thread-safe."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._seen = [0] * len(self._faults)

    def count(self, call: Call) -> Fault | None:
        """Count a call; returns the first fault that hits it, if any."""
        due: Fault | None = None
        for index, fault in enumerate(self._faults):
            if not fault.matches(call):
                continue
            self._seen[index] += 1
            if due is None and 0 <= self._seen[index] - fault.nth < fault.times:
                due = fault
        return due

    def report(self) -> list[Json]:
        """Each fault, with how many calls it has `seen` and how many of them it `fired` at."""
        return [
            {**fault.model_dump(), "seen": seen, "fired": min(max(seen - fault.nth + 1, 0), fault.times)}
            for fault, seen in zip(self._faults, self._seen, strict=True)
        ]


_FAULTS = TypeAdapter(list[Fault])


def parse_faults(content: object) -> list[Fault]:
    """Parse faults from JSON; raises FaultError with everything that is wrong with them."""
    try:
        faults = _FAULTS.validate_python(content)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(step) for step in finding['loc']) or 'faults'}: {finding['msg']}"
            for finding in error.errors(include_url=False)
        ]
        raise FaultError("; ".join(problems)) from error
    for fault in faults:
        _check(fault)
    return faults


def _check(fault: Fault) -> None:
    services = ("*", KUBERNETES, *SERVICES)
    if fault.service not in services:
        raise FaultError(f"no service {fault.service} is emulated; there are {', '.join(services)}")
    if fault.service in SERVICES and fault.operation not in {"*", *operations(fault.service)}:
        raise FaultError(f"{fault.service} has no operation {fault.operation}")
    if fault.effect == "kill":
        if fault.pid is None or fault.pid <= 1 or fault.pid == os.getpid():
            raise FaultError('"kill" needs the pid of a process other than 1 and the emulated AWS itself')
    elif fault.service != "*" and refusal(fault.service, fault.operation, fault.effect) is None:
        raise FaultError(f'{fault.service} has no error for "{fault.effect}"')


def refusal(service: str, operation: str, effect: Effect) -> Refusal | None:
    """The service's answer; None if it has no such error."""
    particular = _OF_OPERATIONS.get(effect, {}).get(service, {})
    found = particular.get(operation) or _OF_SERVICES.get(effect, {}).get(service)
    if found is None:
        return None
    code, status, message = found
    return Refusal(code, status, f"{message} (a fault injected by the rehearsal)")


_Answer = tuple[str, int, str]

_SLOW_DOWN, _OUR_FAULT = "Rate exceeded", "An internal failure occurred"
_EXPIRED = "The security token included in the request is expired"
_FULL, _UNSEEN = "A limit of the account has been reached", "The resource does not exist"

_OF_SERVICES: Mapping[str, Mapping[str, _Answer]] = {
    "throttle": {
        "ec2": ("RequestLimitExceeded", 503, "Request limit exceeded."),
        "eks": ("ThrottlingException", 429, _SLOW_DOWN),
        "iam": ("Throttling", 400, _SLOW_DOWN),
        "iot": ("ThrottlingException", 400, _SLOW_DOWN),
        "logs": ("ThrottlingException", 400, _SLOW_DOWN),
        "rds": ("Throttling", 400, _SLOW_DOWN),
        "secretsmanager": ("ThrottlingException", 400, _SLOW_DOWN),
        "sts": ("Throttling", 400, _SLOW_DOWN),
        KUBERNETES: ("TooManyRequests", 429, "the server has received too many requests"),
    },
    "unavailable": {
        "ec2": ("InternalError", 500, _OUR_FAULT),
        "eks": ("ServerException", 500, _OUR_FAULT),
        "iam": ("ServiceFailure", 500, _OUR_FAULT),
        "iot": ("InternalFailureException", 500, _OUR_FAULT),
        "logs": ("ServiceUnavailableException", 500, _OUR_FAULT),
        "rds": ("InternalFailure", 500, _OUR_FAULT),
        "secretsmanager": ("InternalServiceError", 500, _OUR_FAULT),
        "sts": ("InternalFailure", 500, _OUR_FAULT),
        KUBERNETES: ("ServiceUnavailable", 503, "the server is currently unable to handle the request"),
    },
    "expired": {
        "ec2": ("RequestExpired", 400, "Request has expired."),
        "eks": ("ExpiredTokenException", 403, _EXPIRED),
        "iam": ("ExpiredToken", 403, _EXPIRED),
        "iot": ("ExpiredTokenException", 403, _EXPIRED),
        "logs": ("ExpiredTokenException", 400, _EXPIRED),
        "rds": ("ExpiredToken", 403, _EXPIRED),
        "secretsmanager": ("ExpiredTokenException", 400, _EXPIRED),
        "sts": ("ExpiredToken", 403, _EXPIRED),
        KUBERNETES: ("Unauthorized", 401, "the server has asked for the client to provide credentials"),
    },
    "quota": {
        "ec2": ("ResourceLimitExceeded", 400, _FULL),
        "eks": ("ResourceLimitExceededException", 400, _FULL),
        "iam": ("LimitExceeded", 409, _FULL),
        "iot": ("LimitExceededException", 410, _FULL),
        "logs": ("LimitExceededException", 400, _FULL),
        "rds": ("InstanceQuotaExceeded", 400, _FULL),
        "secretsmanager": ("LimitExceededException", 400, _FULL),
        KUBERNETES: ("Forbidden", 403, "exceeded quota"),
    },
    "invisible": {
        "ec2": ("InvalidGroup.NotFound", 400, _UNSEEN),
        "eks": ("ResourceNotFoundException", 404, _UNSEEN),
        "iam": ("NoSuchEntity", 404, _UNSEEN),
        "iot": ("ResourceNotFoundException", 404, _UNSEEN),
        "logs": ("ResourceNotFoundException", 400, _UNSEEN),
        "rds": ("DBInstanceNotFound", 404, _UNSEEN),
        "secretsmanager": ("ResourceNotFoundException", 400, _UNSEEN),
        KUBERNETES: ("NotFound", 404, "not found"),
    },
}
"""A service's answers for all operations: effect, service, (code, HTTP status, message)."""

_SUBNET_GROUP: _Answer = ("DBSubnetGroupNotFoundFault", 404, _UNSEEN)
_PARAMETER_GROUP: _Answer = ("DBParameterGroupNotFound", 404, _UNSEEN)
_RULE: _Answer = ("InvalidSecurityGroupRuleId.NotFound", 400, _UNSEEN)
_TOO_MANY_RULES: _Answer = ("RulesPerSecurityGroupLimitExceeded", 400, _FULL)

_OF_OPERATIONS: Mapping[str, Mapping[str, Mapping[str, _Answer]]] = {
    "quota": {
        "ec2": {
            "CreateSecurityGroup": ("SecurityGroupLimitExceeded", 400, _FULL),
            "AuthorizeSecurityGroupIngress": _TOO_MANY_RULES,
            "AuthorizeSecurityGroupEgress": _TOO_MANY_RULES,
            "CreateSubnet": ("SubnetLimitExceeded", 400, _FULL),
            "CreateVpc": ("VpcLimitExceeded", 400, _FULL),
        },
        "iot": {"CreatePolicyVersion": ("VersionsLimitExceededException", 409, _FULL)},
        "rds": {
            "CreateDBParameterGroup": ("DBParameterGroupQuotaExceeded", 400, _FULL),
            "CreateDBSnapshot": ("SnapshotQuotaExceeded", 400, _FULL),
            "CreateDBSubnetGroup": ("DBSubnetGroupQuotaExceeded", 400, _FULL),
            "DeleteDBInstance": ("SnapshotQuotaExceeded", 400, _FULL),
            "ModifyDBInstance": ("StorageQuotaExceeded", 400, _FULL),
        },
    },
    "invisible": {
        "ec2": {
            "DescribeSecurityGroupRules": _RULE,
            "ModifySecurityGroupRules": _RULE,
            "DescribeSubnets": ("InvalidSubnetID.NotFound", 400, _UNSEEN),
            "DescribeVpcs": ("InvalidVpcID.NotFound", 400, _UNSEEN),
        },
        # About a role that IAM has just created; the provider waits for exactly this text.
        "eks": {
            "CreatePodIdentityAssociation": (
                "InvalidParameterException",
                400,
                "Role provided in the request does not exist.",
            ),
        },
        "rds": {
            "CreateDBInstance": _SUBNET_GROUP,
            "DeleteDBParameterGroup": _PARAMETER_GROUP,
            "DeleteDBSubnetGroup": _SUBNET_GROUP,
            "DescribeDBParameterGroups": _PARAMETER_GROUP,
            "DescribeDBParameters": _PARAMETER_GROUP,
            "DescribeDBSubnetGroups": _SUBNET_GROUP,
            "ModifyDBParameterGroup": _PARAMETER_GROUP,
            "ModifyDBSubnetGroup": _SUBNET_GROUP,
            "ResetDBParameterGroup": _PARAMETER_GROUP,
        },
    },
}
"""The answers of operations that have an error of their own."""


def _protocol(service: str) -> str:
    if service == KUBERNETES:
        return KUBERNETES
    return service_model(service).protocol if service in SERVICES else "rest-json"


def _ec2(error: Refusal, _service: str) -> tuple[dict[str, str], bytes]:
    body = (
        f"<Response><Errors><Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        f"</Error></Errors><RequestID>{uuid4()}</RequestID></Response>"
    )
    return {"Content-Type": "text/xml;charset=UTF-8"}, body.encode()


def _query(error: Refusal, service: str) -> tuple[dict[str, str], bytes]:
    namespace = service_model(service).metadata.get("xmlNamespace", "")
    party = "Receiver" if error.status >= 500 else "Sender"
    body = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{party}</Type><Code>{escape(error.code)}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
    )
    return {"Content-Type": "text/xml"}, body.encode()


def _json(error: Refusal, _service: str) -> tuple[dict[str, str], bytes]:
    body = json.dumps({"__type": error.code, "message": error.message})
    return {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": str(uuid4())}, body.encode()


def _rest_json(error: Refusal, _service: str) -> tuple[dict[str, str], bytes]:
    headers = {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": error.code,
        "x-amzn-RequestId": str(uuid4()),
    }
    return headers, json.dumps({"message": error.message}).encode()


def _kubernetes(error: Refusal, _service: str) -> tuple[dict[str, str], bytes]:
    body = json.dumps({"error": f"{error.code}: {error.message}"})
    return {"Content-Type": "application/json"}, body.encode()


_RENDERERS = {
    "ec2": _ec2,
    "query": _query,
    "json": _json,
    "rest-json": _rest_json,
    KUBERNETES: _kubernetes,
}
