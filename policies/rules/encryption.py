"""Encryption at rest and in transit."""

from collections.abc import Iterator

from policies import types
from policies.rule import Circumstances, Resource, Rule, Severity

FORCE_SSL = "rds.force_ssl"


def _at_rest(resource: Resource, _: Circumstances) -> Iterator[str]:
    if resource.inputs.get("storageEncrypted") is not True:
        yield "its storage isn't encrypted"


def _in_transit(resource: Resource, _: Circumstances) -> Iterator[str]:
    parameters = resource.inputs.get("parameters")
    found = [p for p in parameters if isinstance(p, dict)] if isinstance(parameters, list) else []
    if not any(p.get("name") == FORCE_SSL and str(p.get("value")) == "1" for p in found):
        yield f"it doesn't set {FORCE_SSL} to 1, so connections without TLS are accepted"


def _with_parameters(resource: Resource, _: Circumstances) -> Iterator[str]:
    group = resource.inputs.get("parameterGroupName")
    if not isinstance(group, str) or group.startswith("default."):
        yield "it doesn't use our own parameter group, and AWS's may accept connections without TLS"


RULES = (
    Rule(
        name="encryption-at-rest",
        requires="A database's storage is encrypted.",
        severity=Severity.HIGH,
        reads={types.INSTANCE: ("storageEncrypted",)},
        check=_at_rest,
        remedy="Set storage_encrypted; an existing database is encrypted through a copy of its snapshot.",
        source='RDS user guide, "Encrypting Amazon RDS resources"',
    ),
    Rule(
        name="encryption-in-transit",
        requires="A database's parameter group accepts only TLS connections.",
        severity=Severity.CRITICAL,
        reads={types.PARAMETER_GROUP: ("parameters",)},
        check=_in_transit,
        remedy=f"Set {FORCE_SSL} to 1 in the parameter group.",
        source='RDS user guide, "Requiring an SSL connection to a PostgreSQL DB instance"',
    ),
    Rule(
        name="own-parameter-group",
        requires="A database uses our own parameter group, which the TLS rule checks.",
        severity=Severity.CRITICAL,
        reads={types.INSTANCE: ("parameterGroupName",)},
        check=_with_parameters,
        remedy="Name the program's parameter group in parameter_group_name.",
        source='RDS user guide, "Parameter groups for Amazon RDS"',
    ),
)
