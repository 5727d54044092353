"""A strict evaluator of AWS policy documents: IAM identity policies, trust policies and IoT Core policies.

It answers "would AWS allow this request?" for the part of the policy language that it knows, and raises for
the rest when a document is parsed: no answer is a guess. moto's own evaluation ignores most operators.

    PolicyError
    ├── MalformedPolicyError     AWS would not store the document
    └── UnsupportedPolicyError   AWS may well accept it, and this evaluator doesn't know what it would mean

Sources: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements: Condition operators",
"… Resource", "… Principal", "Set operators for multivalued context keys", "AWS global condition context
keys"; AWS IoT Core Developer Guide, "AWS IoT Core policies" and "Publish/Subscribe policy examples";
Amazon EKS User Guide, "Grant Pods access to AWS resources based on tags".
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, cast

PolicyKind = Literal["identity", "trust", "key", "iot"]
PrincipalType = Literal["Service", "AWS"]
ContextValue = str | tuple[str, ...]

POD_IDENTITY_SERVICE: Final = "pods.eks.amazonaws.com"

_VERSION: Final = "2012-10-17"
_ARN_PARTS: Final = 6
_ACTION: Final = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_SID: Final = re.compile(r"[A-Za-z0-9]*")
_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}")


class PolicyError(Exception):
    """A policy document that can't be evaluated. The text names the place and the problem."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class MalformedPolicyError(PolicyError):
    """Not a policy document: AWS refuses to store it (MalformedPolicyDocument, MalformedPolicyException)."""


class UnsupportedPolicyError(PolicyError):
    """A construct that this evaluator doesn't know, and therefore won't evaluate."""


# --- the vocabulary -------------------------------------------------------------------------------

_KeyType = Literal["string", "arn", "bool", "strings"]

# Condition keys whose meaning here is settled, in lower case because AWS ignores case in key names.
# A trailing "/" stands for any tag key. "strings" is a multivalued key: AWS wants a set operator for it.
_IAM_KEYS: Final[Mapping[str, _KeyType]] = MappingProxyType(
    {
        "aws:sourceaccount": "string",  # account of the resource on whose behalf a service calls
        "aws:sourcearn": "arn",  # that resource
        "aws:securetransport": "bool",  # was the request made over TLS
        "aws:tagkeys": "strings",  # keys of the tags in the request
        "aws:requesttag/": "string",  # tags in the request; for sts:AssumeRole, the session tags
        "aws:principaltag/": "string",  # tags on the caller; session tags override the role's own
        "aws:resourcetag/": "string",
        "secretsmanager:resourcetag/": "string",
        "kms:viaservice": "string",  # for example secretsmanager.us-east-1.amazonaws.com
        "kms:calleraccount": "string",
        "kms:encryptioncontext:secretarn": "string",  # which secret's value is decrypted
    }
)
_KEYS: Final[Mapping[PolicyKind, Mapping[str, _KeyType]]] = MappingProxyType(
    # IoT policies have condition keys of their own, and none is needed here.
    {"identity": _IAM_KEYS, "trust": _IAM_KEYS, "key": _IAM_KEYS, "iot": MappingProxyType({})}
)


def _equals(wanted: str, actual: str) -> bool:
    return wanted == actual


def _bool_equals(wanted: str, actual: str) -> bool:
    return wanted.lower() == actual.lower()


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    glob = {"*": ".*", "?": "."}
    return re.compile("".join(glob.get(char) or re.escape(char) for char in pattern), re.DOTALL)


def _like(pattern: str, actual: str) -> bool:
    """``*`` is any run of characters, ``?`` exactly one. Everything else, ``+`` and ``#`` too, is literal."""
    return _compiled(pattern).fullmatch(actual) is not None


def _arn_like(pattern: str, actual: str) -> bool:
    """Compare ARNs part by part; only the sixth part may hold further colons."""
    wanted, parts = pattern.split(":", _ARN_PARTS - 1), actual.split(":", _ARN_PARTS - 1)
    return len(wanted) == len(parts) == _ARN_PARTS and all(map(_like, wanted, parts))


@dataclass(frozen=True, kw_only=True)
class _Operator:
    matches: Callable[[str, str], bool]  # (value in the policy, value in the request)
    key_types: frozenset[_KeyType]
    negated: bool = False


_STRING: Final = frozenset[_KeyType]({"string", "arn", "strings"})
_ARN: Final = frozenset[_KeyType]({"arn"})
_BOOL: Final = frozenset[_KeyType]({"bool"})

# ArnEquals and ArnLike behave identically, and so do their negations.
_OPERATORS: Final[Mapping[str, _Operator]] = MappingProxyType(
    {
        "StringEquals": _Operator(matches=_equals, key_types=_STRING),
        "StringNotEquals": _Operator(matches=_equals, key_types=_STRING, negated=True),
        "StringLike": _Operator(matches=_like, key_types=_STRING),
        "StringNotLike": _Operator(matches=_like, key_types=_STRING, negated=True),
        "ArnEquals": _Operator(matches=_arn_like, key_types=_ARN),
        "ArnLike": _Operator(matches=_arn_like, key_types=_ARN),
        "ArnNotEquals": _Operator(matches=_arn_like, key_types=_ARN, negated=True),
        "ArnNotLike": _Operator(matches=_arn_like, key_types=_ARN, negated=True),
        "Bool": _Operator(matches=_bool_equals, key_types=_BOOL),
    }
)
_WITH_PRINCIPAL: Final = frozenset[PolicyKind]({"trust", "key"})
_WITH_RESOURCE: Final = frozenset[PolicyKind]({"identity", "key", "iot"})
_SET_OPERATORS: Final = frozenset({"StringEquals", "StringLike"})

_Quantifier = Literal["one", "any", "all"]


# --- the model ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks: ``Service`` with a service principal, or ``AWS`` with the ARN of a user or role."""

    type: PrincipalType
    value: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call to evaluate.

    ``resource`` is an ARN; a trust policy has no resource, because it belongs to the role. ``principal`` is
    for trust policies and those of KMS keys. ``context`` holds what AWS would know about the call; missing
    keys are treated as AWS treats them, and key names are case-insensitive.
    """

    action: str
    resource: str = ""
    context: Mapping[str, ContextValue] = field(default_factory=dict[str, ContextValue])
    principal: Principal | None = None


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One operator on one key; a statement's conditions must all hold."""

    operator: str  # without quantifier and IfExists; "Null" included
    key: str  # in lower case
    values: tuple[str, ...]
    quantifier: _Quantifier = "one"
    if_exists: bool = False


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement, and where it was read from, for messages."""

    where: str
    sid: str
    effect: Literal["Allow", "Deny"]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[Principal, ...]
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        return f"{self.where} ({self.sid})" if self.sid else self.where


@dataclass(frozen=True, kw_only=True)
class PolicyDocument:
    """A parsed document: everything in it is known to this evaluator."""

    name: str
    kind: PolicyKind
    statements: tuple[Statement, ...]


class Outcome(Enum):
    """How AWS arrives at its answer: an explicit deny beats an allow, an allow beats the default."""

    ALLOW = "allowed"
    EXPLICIT_DENY = "explicitly denied"
    IMPLICIT_DENY = "implicitly denied"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer, and the statement that decided (None when no statement applied)."""

    outcome: Outcome
    statement: Statement | None = None
    by: str = ""
    """Whose documents decided, if that isn't obvious."""

    @property
    def allowed(self) -> bool:
        """Whether AWS would let the request through."""
        return self.outcome is Outcome.ALLOW

    def __str__(self) -> str:
        if self.statement is None:
            return f"{self.outcome.value}: no statement{self.by and f' of {self.by}'} applies"
        return f"{self.outcome.value} by {self.statement}"


# --- evaluation -----------------------------------------------------------------------------------


def is_allowed(documents: Sequence[PolicyDocument], request: Request) -> Decision:
    """Evaluate a request against all documents of one kind: explicit deny, then allow, else implicit deny.

    Raises UnsupportedPolicyError when a resource pattern could be read in two ways for this request, and
    ValueError when the call itself makes no sense (kinds mixed, a principal missing or too many).
    """
    if len({document.kind for document in documents}) > 1:
        raise ValueError("documents of different kinds decide different questions: ask once for each kind")
    _check_request(documents, request)
    context = {key.lower(): value for key, value in request.context.items()}
    applying = [
        statement
        for document in documents
        for statement in document.statements
        if _applies(statement, document.kind, request, context)
    ]
    denying = next((statement for statement in applying if statement.effect == "Deny"), None)
    if denying is not None:
        return Decision(outcome=Outcome.EXPLICIT_DENY, statement=denying)
    if applying:
        return Decision(outcome=Outcome.ALLOW, statement=applying[0])
    return Decision(outcome=Outcome.IMPLICIT_DENY)


def _check_request(documents: Sequence[PolicyDocument], request: Request) -> None:
    if not documents:
        return
    kind = documents[0].kind
    if (kind in _WITH_PRINCIPAL) != (request.principal is not None):
        raise ValueError("a trust or key policy needs a principal, any other takes none")
    if (kind in _WITH_RESOURCE) != bool(request.resource):
        raise ValueError("a trust policy takes no resource, any other policy needs one")
    principal = request.principal
    if principal is not None and principal.type == "AWS" and ":iam:" not in principal.value:
        raise ValueError(f"name the IAM user or role itself, not a session or an account: {principal.value}")


def _applies(
    statement: Statement, kind: PolicyKind, request: Request, context: Mapping[str, ContextValue]
) -> bool:
    # AWS ignores case in action names, but not in resources.
    if not any(_like(action.lower(), request.action.lower()) for action in statement.actions):
        return False
    if not all(_holds(condition, context) for condition in statement.conditions):
        return False
    if kind in _WITH_RESOURCE and not _covers(statement, request.resource):
        return False
    if kind not in _WITH_PRINCIPAL:
        return True
    asking = request.principal
    return asking is not None and any(_principal_matches(known, asking) for known in statement.principals)


def _covers(statement: Statement, resource: str) -> bool:
    if any(pattern == "*" or _arn_like(pattern, resource) for pattern in statement.resources):
        return True
    # AWS describes wildcards as working within the parts of an ARN, and adds that an asterisk at the end of
    # a part can reach across colons. Where only that second reading would match, neither answer is safe.
    unclear = next((pattern for pattern in statement.resources if _like(pattern, resource)), None)
    if unclear is not None:
        raise UnsupportedPolicyError(
            f"{statement.where}.Resource", f'"{unclear}" matches "{resource}" only if "*" reaches across ":"'
        )
    return False


def _principal_matches(known: Principal, asking: Principal) -> bool:
    if known.type != asking.type:
        return False
    if known == asking:
        return True
    if known.type == "Service":
        return False
    # An account id or its root ARN stands for every principal of that account.
    account = asking.value.split(":")[4]
    partition = asking.value.split(":")[1]
    return known.value in (account, f"arn:{partition}:iam::{account}:root")


def _holds(condition: Condition, context: Mapping[str, ContextValue]) -> bool:
    actual = context.get(condition.key, ())
    members = (actual,) if isinstance(actual, str) else actual
    if condition.operator == "Null":
        return (not members) == (condition.values[0].lower() == "true")
    operator = _OPERATORS[condition.operator]
    found = [any(operator.matches(wanted, member) for wanted in condition.values) for member in members]
    # With no value at all, "all" is true and "any" is false, as AWS documents.
    if condition.quantifier == "all":
        return all(found)
    if condition.quantifier == "any":
        return any(found)
    if not found:
        return condition.if_exists or operator.negated
    if len(found) > 1:
        raise ValueError(f"the request gives several values for {condition.key}, which has one")
    # Several values of a negated operator are joined by NOR: none of them may match.
    return found[0] != operator.negated


# --- parsing --------------------------------------------------------------------------------------

_REFUSED_ELEMENTS: Final = frozenset({"NotAction", "NotResource", "NotPrincipal"})
_ELEMENTS: Final = frozenset({"Sid", "Effect", "Action", "Resource", "Principal", "Condition"})


def parse(document: str, *, kind: PolicyKind = "identity", name: str = "policy") -> PolicyDocument:
    """Read a policy document from JSON text; ``name`` opens every message about it.

    Raises MalformedPolicyError for what AWS would not store, UnsupportedPolicyError for what is unknown here.
    """
    content = _object(_json(document, name), name)
    for key in sorted(content.keys() - {"Version", "Id", "Statement"}):
        raise UnsupportedPolicyError(name, f'unknown element "{key}"')
    version = content.get("Version")
    if version != _VERSION:
        # Without this version "${…}" isn't a variable: the same text would mean something else.
        raise UnsupportedPolicyError(f"{name}.Version", f'must be "{_VERSION}", not {json.dumps(version)}')
    raw = content.get("Statement")
    # A single statement may stand alone, without a list.
    entries = cast("list[object]", raw) if isinstance(raw, list) else [raw]
    if raw is None or not entries:
        raise MalformedPolicyError(name, "has no Statement")
    statements = tuple(
        _statement(entry, kind, f"{name}.Statement[{index}]") for index, entry in enumerate(entries)
    )
    sids = [statement.sid for statement in statements if statement.sid]
    for sid in {sid for sid in sids if sids.count(sid) > 1}:
        raise MalformedPolicyError(name, f'Sid "{sid}" occurs more than once')
    return PolicyDocument(name=name, kind=kind, statements=statements)


def _statement(raw: object, kind: PolicyKind, where: str) -> Statement:
    entry = _object(raw, where)
    for element in sorted(entry.keys() - _ELEMENTS):
        known = "not supported" if element in _REFUSED_ELEMENTS else "unknown element"
        raise UnsupportedPolicyError(f"{where}.{element}", known)
    effect = entry.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicyError(f"{where}.Effect", f'must be "Allow" or "Deny", not {json.dumps(effect)}')
    sid = entry.get("Sid", "")
    if not isinstance(sid, str) or (kind != "iot" and not _SID.fullmatch(sid)):
        raise MalformedPolicyError(f"{where}.Sid", "must be letters and digits")
    wants = {"Action": True, "Principal": kind in _WITH_PRINCIPAL, "Resource": kind in _WITH_RESOURCE}
    for element, is_wanted in wants.items():
        if element in entry and not is_wanted:
            raise MalformedPolicyError(f"{where}.{element}", f"has no place in {_KIND_NAMES[kind]}")
    for element, is_wanted in wants.items():
        if is_wanted and element not in entry:
            raise MalformedPolicyError(where, f"has no {element}")
    return Statement(
        where=where,
        sid=sid,
        effect="Allow" if effect == "Allow" else "Deny",
        actions=tuple(
            _action(text, kind, f"{where}.Action") for text in _texts(entry["Action"], f"{where}.Action")
        ),
        resources=tuple(
            _resource(text, f"{where}.Resource") for text in _texts(entry["Resource"], f"{where}.Resource")
        )
        if kind in _WITH_RESOURCE
        else (),
        principals=_principals(entry["Principal"], f"{where}.Principal") if kind in _WITH_PRINCIPAL else (),
        conditions=tuple(_conditions(entry["Condition"], kind, f"{where}.Condition"))
        if "Condition" in entry
        else (),
    )


_KIND_NAMES: Final[Mapping[PolicyKind, str]] = MappingProxyType(
    {
        "identity": "an identity policy",
        "trust": "a trust policy",
        "key": "a key policy",
        "iot": "an IoT policy",
    }
)


def _action(text: str, kind: PolicyKind, where: str) -> str:
    if text != "*" and not _ACTION.fullmatch(text):
        raise MalformedPolicyError(where, f'"{text}" is not of the form service:Action')
    if kind == "iot" and text != "*" and not text.lower().startswith("iot:"):
        raise MalformedPolicyError(where, f'"{text}" is not an action of AWS IoT')
    return text


def _resource(text: str, where: str) -> str:
    if text == "*":
        return text
    parts = text.split(":", _ARN_PARTS - 1)
    if parts[0] != "arn":
        raise MalformedPolicyError(where, f'"{text}" is neither an ARN nor "*"')
    if len(parts) < _ARN_PARTS:
        raise UnsupportedPolicyError(where, f'"{text}" has fewer than six parts')
    if any(wildcard in part for part in parts[1:3] for wildcard in "*?"):
        raise UnsupportedPolicyError(where, f'"{text}" has a wildcard in its partition or service')
    return text


def _principals(raw: object, where: str) -> tuple[Principal, ...]:
    if isinstance(raw, str):
        raise UnsupportedPolicyError(where, f'"{raw}": only Service and AWS principals by name are supported')
    by_type = _object(raw, where)
    if not by_type:
        raise MalformedPolicyError(where, "names nobody")
    return tuple(
        _principal(_principal_type(key, where), text, f"{where}.{key}")
        for key, value in by_type.items()
        for text in _texts(value, f"{where}.{key}")
    )


def _principal_type(key: str, where: str) -> PrincipalType:
    if key == "Service":
        return "Service"
    if key == "AWS":
        return "AWS"
    raise UnsupportedPolicyError(f"{where}.{key}", "only Service and AWS principals are supported")


def _principal(type_: PrincipalType, text: str, where: str) -> Principal:
    if "*" in text or "?" in text:
        raise UnsupportedPolicyError(where, f'wildcard in "{text}"')
    if type_ == "AWS" and not _ACCOUNT_ID.fullmatch(text):
        parts = text.split(":", _ARN_PARTS - 1)
        if len(parts) < _ARN_PARTS or parts[0] != "arn":
            raise MalformedPolicyError(where, f'"{text}" is neither an ARN nor an account id')
        if parts[2] != "iam":
            raise UnsupportedPolicyError(where, f'"{text}" is not an IAM user, role or account')
    return Principal(type=type_, value=text)


def _conditions(raw: object, kind: PolicyKind, where: str) -> Iterable[Condition]:
    for operator, tests in _object(raw, where).items():
        for key, value in _object(tests, f"{where}.{operator}").items():
            yield _condition(operator, key, value, kind, f"{where}.{operator}.{key}")


def _condition(spelled: str, key: str, value: object, kind: PolicyKind, where: str) -> Condition:
    quantifier, name, if_exists = _operator_parts(spelled)
    if name not in _OPERATORS and name != "Null":
        raise UnsupportedPolicyError(where, f'unknown condition operator "{spelled}"')
    key_type = _key_type(key, _KEYS[kind])
    if key_type is None:
        raise UnsupportedPolicyError(where, f'unknown condition key "{key}" in {_KIND_NAMES[kind]}')
    condition = Condition(
        operator=name,
        key=key.lower(),
        values=_condition_values(value, booleans=name in ("Bool", "Null"), where=where),
        quantifier=quantifier,
        if_exists=if_exists,
    )
    problem = _null_problem(condition) if name == "Null" else _pairing_problem(condition, key_type)
    if problem is not None:
        raise UnsupportedPolicyError(where, problem)
    return condition


def _null_problem(condition: Condition) -> str | None:
    if condition.quantifier != "one" or condition.if_exists or len(condition.values) != 1:
        return "Null takes one value, no quantifier and no IfExists"
    return None


def _pairing_problem(condition: Condition, key_type: _KeyType) -> str | None:
    """What is unclear about this operator on a key of this type."""
    name, has_quantifier = condition.operator, condition.quantifier != "one"
    if key_type not in _OPERATORS[name].key_types:
        return f'"{name}" on a key of type {key_type}'
    if (key_type == "strings") != has_quantifier:
        # AWS accepts both mixtures and warns: one is undefined, the other lets an absent key pass.
        return "ForAnyValue and ForAllValues belong to multivalued keys, and only there"
    if has_quantifier and (name not in _SET_OPERATORS or condition.if_exists):
        return "a set operator takes StringEquals or StringLike alone"
    if name.startswith("Arn") and any(text.count(":") < _ARN_PARTS - 1 for text in condition.values):
        return f"an ARN has six parts: {', '.join(condition.values)}"
    return None


def _operator_parts(spelled: str) -> tuple[_Quantifier, str, bool]:
    quantifier: _Quantifier = "one"
    name = spelled
    if name.startswith("ForAnyValue:"):
        quantifier, name = "any", name.removeprefix("ForAnyValue:")
    elif name.startswith("ForAllValues:"):
        quantifier, name = "all", name.removeprefix("ForAllValues:")
    return quantifier, name.removesuffix("IfExists"), name.endswith("IfExists")


def _key_type(key: str, keys: Mapping[str, _KeyType]) -> _KeyType | None:
    lower = key.lower()
    if lower.endswith("/"):
        return None  # a tag condition without a tag key
    prefix, slash, _ = lower.partition("/")
    return keys.get(prefix + slash)


def _condition_values(value: object, *, booleans: bool, where: str) -> tuple[str, ...]:
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    spelled = [json.dumps(entry) if booleans and isinstance(entry, bool) else entry for entry in entries]
    texts = _texts(spelled, where)
    if booleans and any(text.lower() not in ("true", "false") for text in texts):
        raise MalformedPolicyError(where, 'must be "true" or "false"')
    return texts


# --- JSON -----------------------------------------------------------------------------------------


def _json(document: str, name: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in pairs]
        for key in keys:
            # json would keep the last one and silently drop the rest.
            if keys.count(key) > 1:
                raise MalformedPolicyError(name, f'"{key}" occurs more than once in one object')
        return dict(pairs)

    try:
        return cast("object", json.loads(document, object_pairs_hook=unique))
    except json.JSONDecodeError as error:
        raise MalformedPolicyError(name, f"is not JSON: {error}") from error


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedPolicyError(where, f"must be an object, not {type(value).__name__}")
    return cast("dict[str, object]", value)


def _texts(value: object, where: str) -> tuple[str, ...]:
    """One string or a list of them, none with a policy variable."""
    entries = cast("list[object]", value) if isinstance(value, list) else [value]
    if not entries:
        raise MalformedPolicyError(where, "is empty")
    texts = tuple(entry for entry in entries if isinstance(entry, str) and entry)
    if len(texts) != len(entries):
        raise MalformedPolicyError(where, "must be a string or a list of strings, none of them empty")
    for text in texts:
        # Only "${" opens a policy variable; the "$" of "$share" is literal.
        if "${" in text:
            raise UnsupportedPolicyError(where, f'policy variable in "{text}"')
    return texts


# --- EKS Pod Identity -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PodIdentity:
    """The facts that EKS Pod Identity knows about a pod and vouches for when it assumes the pod's role."""

    account_id: str  # of the cluster
    cluster_arn: str
    cluster_name: str
    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str


def session_tags(pod: PodIdentity) -> dict[str, str]:
    """The six session tags that EKS Pod Identity adds, unless the association disables them."""
    return {
        "eks-cluster-arn": pod.cluster_arn,
        "eks-cluster-name": pod.cluster_name,
        "kubernetes-namespace": pod.namespace,
        "kubernetes-service-account": pod.service_account,
        "kubernetes-pod-name": pod.pod_name,
        "kubernetes-pod-uid": pod.pod_uid,
    }


def assume_role_context(pod: PodIdentity, *, tags_disabled: bool = False) -> dict[str, ContextValue]:
    """The request context in which the role's trust policy is judged.

    aws:SourceArn is left out on purpose: which ARN it carries isn't documented, so no trust may rely on it.
    """
    tags = {} if tags_disabled else session_tags(pod)
    return {
        "aws:SourceAccount": pod.account_id,
        "aws:TagKeys": tuple(tags),
        **{f"aws:RequestTag/{key}": value for key, value in tags.items()},
    }


def session_context(pod: PodIdentity, *, tags_disabled: bool = False) -> dict[str, ContextValue]:
    """The context that the pod's own calls carry afterwards: the session tags have become principal tags."""
    tags = {} if tags_disabled else session_tags(pod)
    return {
        "aws:SecureTransport": "true",
        **{f"aws:PrincipalTag/{key}": value for key, value in tags.items()},
    }


def pod_may_assume(trust: PolicyDocument, pod: PodIdentity, *, tags_disabled: bool = False) -> Decision:
    """Whether EKS Pod Identity may assume the role for this pod: both sts:AssumeRole and sts:TagSession.

    The decision is the first one that refuses, else the one that allows sts:TagSession.
    """
    decisions = [
        is_allowed(
            [trust],
            Request(
                action=action,
                principal=Principal(type="Service", value=POD_IDENTITY_SERVICE),
                context=assume_role_context(pod, tags_disabled=tags_disabled),
            ),
        )
        for action in ("sts:AssumeRole", "sts:TagSession")
    ]
    return next((decision for decision in decisions if not decision.allowed), decisions[-1])
