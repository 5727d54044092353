"""Identifies the AWS call in an HTTP request: service, operation, account and region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from botocore.model import ServiceModel
    from werkzeug import Request
    from werkzeug.routing import Map

SERVICES = ("ec2", "eks", "iam", "iot", "logs", "rds", "secretsmanager", "sts")
"""The services that the emulation offers, by the names that signatures use."""

UNKNOWN = "unknown"

# Signature Version 4: Credential=KEY/20260101/us-east-1/iot/aws4_request, in a header or in the query.
_SCOPE = re.compile(r"[^/=\s]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request")


@dataclass(frozen=True)
class Call:
    """One API call, in AWS's terms; `operation` is "unknown" if no operation has the path."""

    service: str
    operation: str
    account: str
    region: str


def identify(request: Request, default_account: str) -> Call | None:
    """The call in a request; None if the request isn't signed for any service.

    The account comes from moto's own header, or is the given one; the region comes from the signature.
    """
    signed = request.headers.get("Authorization", "") or request.args.get("X-Amz-Credential", "")
    scope = _SCOPE.search(signed)
    if scope is None:
        return None
    account = request.headers.get("x-moto-account-id", default_account)
    return Call(scope["service"], _operation(scope["service"], request), account, scope["region"])


def operations(service: str) -> frozenset[str]:
    """The names of a service's operations, from botocore's model."""
    return frozenset(service_model(service).operation_names)


@cache
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service; the session's loader caches the file's content."""
    from emulator.aws.cloud import botocore_session

    return botocore_session().get_service_model(service)


def _operation(service: str, request: Request) -> str:
    """The operation: query protocols name it in a parameter, JSON in a header, REST by method and path."""
    if target := request.headers.get("X-Amz-Target", ""):
        return target.rpartition(".")[2]
    body = request.get_data(cache=True)
    if request.mimetype == "application/x-www-form-urlencoded" and b"Action=" in body:
        return parse_qs(body.decode("utf-8", "replace")).get("Action", [UNKNOWN])[0]
    if action := request.args.get("Action"):
        return action
    return _rest_operation(service, request.method, request.path) if service in SERVICES else UNKNOWN


def _rest_operation(service: str, method: str, path: str) -> str:
    from werkzeug.exceptions import HTTPException

    try:
        endpoint, _ = _routes(service).bind("").match(path, method)
    except HTTPException:
        return UNKNOWN
    return str(endpoint)


@cache
def _routes(service: str) -> Map:
    """The paths of a REST service, from botocore's model: /policies/{policyName}."""
    from werkzeug.routing import Map, Rule

    model = service_model(service)
    rules: list[Rule] = []
    for name in model.operation_names:
        http: Mapping[str, str] = model.operation_model(name).http
        path, _, _ = http["requestUri"].partition("?")
        # The last label may contain slashes that a client doesn't escape, as in an ARN.
        last = len(re.findall(r"{[^}]+}", path))
        rule = "".join(_segments(path, last))
        rules.append(Rule(rule, methods=[http["method"]], endpoint=name, strict_slashes=False))
    return Map(rules, merge_slashes=False)


def _segments(path: str, last: int) -> list[str]:
    count = 0
    parts: list[str] = []
    for part in re.split(r"({[^}]+})", path):
        if not part.startswith("{"):
            parts.append(part)
            continue
        count += 1
        name = re.sub(r"\W", "_", part[1:-1].rstrip("+"))
        ends_path = count == last and path.endswith(part)
        parts.append(f"<path:{name}>" if ends_path else f"<{name}>")
    return parts
