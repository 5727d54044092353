"""The rules in the form of Pulumi's policy packs (CrossGuard): `policies/pack` serves them.

Source for enforcement, and for what a policy knows in a preview: Pulumi, "Policy packs".
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn, cast

import pulumi.runtime.config as pulumi_config
import pulumi_policy
from pulumi_policy import ResourceValidationArgs, StackValidationArgs
from pulumi_policy import policy as sdk
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY
from pulumi_policy.deserialize import deserialize_properties as deserialize
from pulumi_policy.proxy import UnknownValueError

from maestro_stack.errors import MaestroError
from maestro_stack.schema import Json
from maestro_stack.settings import Settings, parse
from policies.judge import circumstances_of, excuse_of, excuses_of, judge, why_unused
from policies.rule import EVERY, SECRET, Resource, Rule
from policies.rules import RULES

PROJECT = "maestro-stack"

_Settings = Callable[[], Settings | None]


def policies(root: Path) -> list[pulumi_policy.Policy]:
    """One policy per rule, and one for the exceptions; `root` is the folder of the program's Pulumi.yaml."""
    # The SDK hands secrets to policies in the clear. No rule needs one, and none may get into a message.
    setattr(sdk, "deserialize_properties", _without_secrets)  # noqa: B010 it exports no such name

    @cache
    def settings() -> Settings | None:
        """The stack's settings; None if the program itself refuses them."""
        config = pulumi_config.get_config_env()
        secret = pulumi_config.get_config_secret_keys_env()
        try:
            return parse(config, project=PROJECT, root=root, secret=secret)
        except MaestroError:
            return None

    return [*(_policy(rule, settings) for rule in RULES), _exceptions(settings)]


def _policy(rule: Rule, settings: _Settings) -> pulumi_policy.Policy:
    def validate(args: ResourceValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        found = settings() or _refused(args)
        circumstances = circumstances_of(found)
        if not rule.applies(args.resource_type, circumstances):
            args.not_applicable("it doesn't apply to this resource")
        for path in rule.inputs_read(args.resource_type) or ():
            _require_known(args.props, path)
        resource = _resource(args)
        problems = tuple(rule.check(resource, circumstances))
        if problems and not excuse_of(rule, resource, excuses_of(found)):
            report(f"{'; '.join(problems)}. {rule.remedy}", args.urn)

    return pulumi_policy.ResourceValidationPolicy(
        name=rule.name,
        description=rule.requires,
        validate=validate,
        severity=pulumi_policy.Severity(rule.severity.value),
        remediation_steps=rule.remedy,
    )


def _exceptions(settings: _Settings) -> pulumi_policy.Policy:
    def validate(args: StackValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        found = settings() or _refused(args)
        judgement = judge((_resource(each) for each in args.resources), found)
        for excuse in judgement.unused:
            report(why_unused(excuse), None)

    return pulumi_policy.StackValidationPolicy(
        name="no-unused-exceptions",
        description="Each exception in the stack's file excuses something.",
        validate=validate,
        severity=pulumi_policy.Severity.LOW,
        remediation_steps="Remove it, so that it can't cover a later change.",
    )


def _refused(args: ResourceValidationArgs | StackValidationArgs) -> NoReturn:
    args.not_applicable("the program refuses the stack's configuration, and says why")
    raise AssertionError  # the SDK's method raises


def _resource(described: ResourceValidationArgs | pulumi_policy.PolicyResource) -> Resource:
    return Resource(
        type=described.resource_type,
        name=described.name,
        inputs=cast(Mapping[str, Json], _known(described.props)),
        protect=described.opts.protect,
    )


def _require_known(inputs: Mapping[str, object], path: str) -> None:
    """Raises UnknownValueError if a preview doesn't know an input yet, which the SDK then reports."""
    key, _, below = path.partition(".")
    if path == EVERY or key not in inputs:
        return
    value = inputs[key]
    if below and isinstance(value, Mapping):
        _require_known(cast(Mapping[str, object], value), below)


def _known(value: object) -> Json:
    """The same value as plain JSON, without what a preview doesn't know yet."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            held = cast(Mapping[str, object], value)
            return {key: _known(held[key]) for key in held if _is_known(held, key)}
        case Sequence():
            items = cast(Sequence[object], value)
            return [_known(items[n]) for n in range(len(items)) if _is_known(items, n)]
        case _:  # a file or an archive
            return None


def _is_known(held: Mapping[str, object] | Sequence[object], key: str | int) -> bool:
    try:
        held[key]  # type: ignore[index]
    except UnknownValueError:
        return False
    return True


def _without_secrets(properties: dict[str, object], proxy_secrets: bool = False) -> object:  # noqa: FBT001, FBT002 the SDK's signature
    return deserialize(cast("dict[str, object]", _masked(properties)), proxy_secrets)


def _masked(value: object) -> object:
    match value:
        case dict():
            held = cast("dict[str, object]", value)
            if held.get(SPECIAL_SIG_KEY) == SPECIAL_SECRET_SIG:
                return SECRET
            return {key: _masked(inner) for key, inner in held.items()}
        case list():
            return [_masked(item) for item in cast("list[object]", value)]
        case _:
            return value
