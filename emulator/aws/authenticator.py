"""Whose bearer token `aws eks get-token` made, as EKS's authenticator determines it.

The token is a presigned GetCallerIdentity request to STS, with the cluster's name in a signed header. EKS
sends it to STS to learn whose it is; here the signature is checked against the emulation's only key.
Sources: kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go (prefix, parameters, header, lifetime);
"Signature Version 4" of the IAM user guide (the signature).
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

from common.json_values import Json, record, text
from common.loopback import is_loopback
from emulator.aws.cloud import ACCESS_KEY, SECRET_KEY

_PREFIX = "k8s-aws-v1."
_LONGEST = 16 * 1024  # characters
_LIFETIME = timedelta(minutes=15)
_CLOCK_SKEW = timedelta(minutes=5)
_CLUSTER_HEADER = "x-k8s-aws-id"
_PARAMETERS = frozenset(
    {
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)


class TokenError(Exception):
    """Why a token isn't accepted."""


def review(
    content: Mapping[str, Json],
    cluster: str,
    identity: Callable[[str], Mapping[str, Json]],
    *,
    now: datetime | None = None,
) -> dict[str, Json]:
    """Answer a TokenReview (authentication.k8s.io/v1) for one cluster.

    `identity` returns STS's answer to GetCallerIdentity in a region.
    """
    token = text(record(content, "spec"), "token")
    try:
        region = verify(token, cluster, now or datetime.now(UTC))
    except TokenError as error:
        status: dict[str, Json] = {"authenticated": False, "error": str(error)}
    else:
        status = {"authenticated": True, "user": _user(identity(region))}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


def _user(caller: Mapping[str, Json]) -> dict[str, Json]:
    arn, account = text(caller, "Arn"), text(caller, "Account")
    return {
        "username": arn,
        "uid": f"aws-iam-authenticator:{account}:{text(caller, 'UserId')}",
        "groups": ["system:masters"],
        "extra": {"arn": [arn], "canonicalArn": [arn], "accessKeyId": [ACCESS_KEY]},
    }


def verify(token: str, cluster: str, now: datetime) -> str:
    """The region that a valid token was signed for; raises TokenError."""
    url = _decode(token)
    parts = urlsplit(url)
    parameters = _parameters(parts.query)
    if not is_loopback(parts.hostname or ""):
        raise TokenError(f"the token is for {parts.hostname}, not for the emulated STS: set AWS_ENDPOINT_URL")
    if parts.path not in ("", "/") or parameters.get("action") != "GetCallerIdentity":
        raise TokenError("the token isn't a request for GetCallerIdentity")
    scope = parameters.get("x-amz-credential", "").split("/")
    if len(scope) != 5 or scope[3:] != ["sts", "aws4_request"]:
        raise TokenError("the token isn't signed for STS")
    if scope[0] != ACCESS_KEY:
        raise TokenError(f"the token is signed with the key {scope[0]}, which the emulated AWS doesn't know")
    if _CLUSTER_HEADER not in parameters.get("x-amz-signedheaders", "").split(";"):
        raise TokenError(f"the token doesn't sign the header {_CLUSTER_HEADER}")
    _check_time(parameters, now)
    expected = _signature(parts.query, parameters, scope, {"host": parts.netloc, _CLUSTER_HEADER: cluster})
    if not hmac.compare_digest(expected, parameters.get("x-amz-signature", "")):
        raise TokenError(f"the token's signature is wrong, or it is for a cluster other than {cluster}")
    return scope[2]


def _decode(token: str) -> str:
    if not token.startswith(_PREFIX) or len(token) > _LONGEST:
        raise TokenError(f"the token isn't one of `aws eks get-token`: it doesn't begin with {_PREFIX}")
    encoded = token.removeprefix(_PREFIX)
    try:
        # Without padding, as by Go's base64.RawURLEncoding.
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:
        raise TokenError("the token contains no presigned URL") from error


def _parameters(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters = {name.lower(): value for name, value in pairs}
    if len(parameters) != len(pairs) or not parameters.keys() <= _PARAMETERS:
        raise TokenError("the token's URL has parameters that a presigned GetCallerIdentity lacks")
    return parameters


def _check_time(parameters: Mapping[str, str], now: datetime) -> None:
    try:
        signed = datetime.strptime(parameters.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise TokenError("the token has no X-Amz-Date") from error
    if signed + _LIFETIME < now:
        raise TokenError(f"the token has expired: it was signed at {signed:%H:%M:%S} UTC")
    if signed > now + _CLOCK_SKEW:
        raise TokenError("the token was signed in the future: compare the clocks")


def _signature(
    query: str, parameters: Mapping[str, str], scope: list[str], headers: Mapping[str, str]
) -> str:
    signed_headers = parameters["x-amz-signedheaders"]
    unsigned = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "X-Amz-Signature"]
    canonical_query = "&".join(
        sorted(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in unsigned)
    )
    canonical = [
        "GET",
        "/",
        canonical_query,
        *(f"{name}:{headers.get(name, '')}" for name in signed_headers.split(";")),
        "",
        signed_headers,
        hashlib.sha256(b"").hexdigest(),
    ]
    to_sign = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            parameters["x-amz-date"],
            "/".join(scope[1:]),
            hashlib.sha256("\n".join(canonical).encode()).hexdigest(),
        ]
    )
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope[1:]:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
