"""Names, tags and secrets."""

import re
from collections.abc import Iterator, Mapping

from maestro_stack.schema import Json
from policies import types
from policies.rule import EVERY, SECRET, Circumstances, Resource, Rule, Severity

REQUIRED_TAGS = ("managed-by", "maestro:name", "maestro:stack")
TAGGABLE = (
    types.INGRESS_RULE,
    types.INSTANCE,
    types.IOT_POLICY,
    types.LOG_GROUP,
    types.PARAMETER_GROUP,
    types.POD_IDENTITY,
    types.ROLE,
    types.SECRET,
    types.SECURITY_GROUP,
    types.SUBNET_GROUP,
)
NAMED_BY: Mapping[str, str] = {
    types.INSTANCE: "identifier",
    types.IOT_POLICY: "name",
    types.LOG_GROUP: "name",
    types.PARAMETER_GROUP: "name",
    types.RELEASE: "name",
    types.ROLE: "name",
    types.ROLE_POLICY: "name",
    types.SECRET: "name",
    types.SECURITY_GROUP: "name",
    types.SUBNET_GROUP: "name",
}
"""For each type, the input that is its physical name. Without it Pulumi or AWS adds a random part."""
PREFIXES = ("namePrefix", "identifierPrefix")

_SECRET_KEYS = re.compile(r"(?i)(password|passwd|private_?key|secret_?string|access_?key|token|kubeconfig)$")
_SECRET_TEXTS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bA(KIA|SIA)[A-Z0-9]{16}\b")


def _tags(resource: Resource, _: Circumstances) -> Iterator[str]:
    tags = resource.inputs.get("tags")
    present = tags if isinstance(tags, dict) else {}
    missing = [key for key in REQUIRED_TAGS if key not in present]
    if missing:
        yield f"it doesn't have the tags {', '.join(missing)}"


def _names(resource: Resource, _: Circumstances) -> Iterator[str]:
    key = NAMED_BY[resource.type]
    if not resource.inputs.get(key):
        yield f"it has no {key}, so its name is random"
    for prefix in PREFIXES:
        if resource.inputs.get(prefix):
            yield f"its {prefix} is completed at random"


def _prefix(resource: Resource, circumstances: Circumstances) -> Iterator[str]:
    prefix = f"{circumstances.cluster_name}/maestro/"
    name = resource.inputs.get("name")
    if not isinstance(name, str) or not name.startswith(prefix):
        yield f"its name {name} isn't under {prefix}"


def _plain_secrets(resource: Resource, _: Circumstances) -> Iterator[str]:
    for path, value in _leaves(resource.inputs):
        if _SECRET_TEXTS.search(value):
            yield f"{path} holds a key in the clear"
        elif value and value != SECRET and _SECRET_KEYS.search(path) and not _is_command(value):
            yield f"{path} is in the clear"


def _leaves(value: Mapping[str, Json], path: str = "") -> Iterator[tuple[str, str]]:
    for key, held in value.items():
        yield from _texts(held, f"{path}.{key}" if path else key)


def _texts(value: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        yield from _leaves(value, path)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _texts(item, f"{path}[{position}]")


def _is_command(kubeconfig: str) -> bool:
    """A kubeconfig that runs a command for each token holds none."""
    return '"exec"' in kubeconfig and '"token"' not in kubeconfig and "client-key-data" not in kubeconfig


def _log_retention(resource: Resource, _: Circumstances) -> Iterator[str]:
    if not resource.inputs.get("retentionInDays"):
        yield "its events are kept for ever"


RULES = (
    Rule(
        name="logs-end",
        requires="A log group's events expire after a number of days.",
        severity=Severity.LOW,
        reads={types.LOG_GROUP: ("retentionInDays",)},
        check=_log_retention,
        remedy="Set retention_in_days.",
        source='CloudWatch Logs user guide, "Change log data retention"',
    ),
    Rule(
        name="required-tags",
        requires=f"Taggable resources have the tags {', '.join(REQUIRED_TAGS)}.",
        severity=Severity.LOW,
        reads=dict.fromkeys(TAGGABLE, ("tags",)),
        check=_tags,
        remedy="Pass the component's tags on.",
        source="AWS whitepaper, Best Practices for Tagging AWS Resources",
    ),
    Rule(
        name="deterministic-names",
        requires="Physical names are explicit, and depend neither on time nor on chance.",
        severity=Severity.MEDIUM,
        reads={type_: (key, *PREFIXES) for type_, key in NAMED_BY.items()},
        check=_names,
        remedy="Take the name from maestro_stack/names.py.",
        source="docs/decisions/0006-names.md",
    ),
    Rule(
        name="secrets-under-prefix",
        requires="Secrets are named <cluster>/maestro/….",
        severity=Severity.HIGH,
        reads={types.SECRET: ("name",)},
        check=_prefix,
        remedy="Take the name from maestro_stack/names.py.",
        source="charts/maestro-server-eso: the chart looks for secrets there",
    ),
    Rule(
        name="no-plain-secrets",
        requires="No input holds a credential that isn't a Pulumi secret.",
        severity=Severity.CRITICAL,
        reads={EVERY: (EVERY,)},
        check=_plain_secrets,
        remedy="Wrap it in pulumi.Output.secret, or set it by `pulumi config set --secret`.",
        source='Pulumi, "Secrets handling"',
    ),
)
