"""Read-only calls that moto lacks: what an account offers and allows. The doctor makes them.

It runs where moto's data is; `install` adds them to moto's own responses. botocore's models validate their
shape. Sources: the services' API references.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.iot.exceptions import ResourceNotFoundException
from moto.iot.responses import IoTResponse
from moto.rds.models import DBInstance
from moto.rds.responses import RDSResponse

from checks import aws_policy
from emulator.aws.moto_gaps_restores import latest_since, utc
from emulator.aws.rds_catalogue import INSTANCE_CLASSES, full_version
from maestro_stack.support import STANDARD_SUPPORT_ENDS

if TYPE_CHECKING:
    from moto.core.responses import BaseResponse

DOMAIN = "iot:Data-ATS"
TLS = "IoTSecurityPolicy_TLS13_1_2_2022_10"
"""What new accounts get. Source: AWS IoT Core developer guide, "Configuring TLS settings …"."""
QUOTAS = {"DBInstances": 40, "AllocatedStorage": 100_000, "DBParameterGroups": 50, "DBSubnetGroups": 50}
"""Source: RDS user guide, "Quotas and constraints"."""
ZONES = "abc"


def install() -> None:
    """Add them, for the rest of the process's life; may be called again."""
    if hasattr(IoTResponse, "test_authorization"):
        return
    for response, actions in (
        (IoTResponse, (test_authorization,)),
        (
            RDSResponse,
            (
                describe_account_attributes,
                describe_db_major_engine_versions,
                describe_orderable_db_instance_options,
                describe_pending_maintenance_actions,
            ),
        ),
        (IamResponse, (simulate_principal_policy,)),
    ):
        for action in actions:
            setattr(response, action.__name__, action)
    _keep_the_account_s_domain()
    # In moto, an instance can only ever be restored to the time of its creation.
    patch.object(DBInstance, "latest_restorable_time", property(_latest_restorable_time)).start()


# --- AWS IoT -------------------------------------------------------------------------------------


def _keep_the_account_s_domain() -> None:
    """moto only has domain configurations that were created; every account also has AWS's own."""
    describe, update = IoTResponse.describe_domain_configuration, IoTResponse.update_domain_configuration

    def describe_domain_configuration(response: IoTResponse) -> ActionResult:
        if _param(response, "domainConfigurationName") != DOMAIN:
            return describe(response)
        policy = vars(response.iot_backend).get("data_ats_tls", TLS)
        return ActionResult(
            {
                "domainConfigurationName": DOMAIN,
                "domainConfigurationStatus": "ENABLED",
                "serviceType": "DATA",
                "domainType": "ENDPOINT",
                "tlsConfig": {"securityPolicy": policy},
            }
        )

    def update_domain_configuration(response: IoTResponse) -> ActionResult:
        if _param(response, "domainConfigurationName") != DOMAIN:
            return update(response)
        tls = cast("Mapping[str, str]", _param(response, "tlsConfig") or {})
        vars(response.iot_backend)["data_ats_tls"] = tls.get("securityPolicy", TLS)
        return ActionResult({"domainConfigurationName": DOMAIN})

    for action in (describe_domain_configuration, update_domain_configuration):
        patch.object(IoTResponse, action.__name__, action).start()


_ACTIONS = {
    "CONNECT": "iot:Connect",
    "PUBLISH": "iot:Publish",
    "RECEIVE": "iot:Receive",
    "SUBSCRIBE": "iot:Subscribe",
}


def test_authorization(response: IoTResponse) -> ActionResult:
    """TestAuthorization: from the policies on the certificate, as AWS's broker evaluates them."""
    backend, principal = response.iot_backend, str(_param(response, "principal"))
    if not any(certificate.arn == principal for certificate in backend.certificates.values()):
        raise ResourceNotFoundException(f"Principal {principal} not found")
    documents = [
        aws_policy.parse(str(policy.document), kind="iot", name=policy.name)
        for policy in backend.list_attached_policies(principal)
    ]
    results: list[dict[str, object]] = []
    for info in cast("list[dict[str, object]]", _param(response, "authInfos")):
        asked = [
            aws_policy.is_allowed(
                documents, aws_policy.Request(action=_ACTIONS[str(info["actionType"])], resource=resource)
            )
            for resource in cast("list[str]", info["resources"])
        ]
        allowed = all(decision.allowed for decision in asked)
        results.append({"authInfo": info, "authDecision": "ALLOWED" if allowed else "IMPLICIT_DENY"})
    return ActionResult({"authResults": results})


# --- RDS -----------------------------------------------------------------------------------------


def _latest_restorable_time(instance: DBInstance) -> datetime | None:
    return latest_since(utc(instance.created)) if instance.backup_retention_period else None


def describe_account_attributes(response: RDSResponse) -> ActionResult:
    """DescribeAccountAttributes: the quotas, and how much of them is used."""
    backend = response.backend
    used = {
        "DBInstances": len(backend.databases),
        "AllocatedStorage": sum(int(each.allocated_storage or 0) for each in backend.databases.values()),
        "DBParameterGroups": len(backend.db_parameter_groups),
        "DBSubnetGroups": len(backend.subnet_groups),
    }
    limits = cast("dict[str, int]", vars(backend).get("quotas", QUOTAS))
    return ActionResult(
        {
            "AccountQuotas": [
                {"AccountQuotaName": name, "Used": used[name], "Max": limits[name]} for name in QUOTAS
            ]
        }
    )


def describe_db_major_engine_versions(response: RDSResponse) -> ActionResult:
    """DescribeDBMajorEngineVersions for PostgreSQL."""
    wanted = _param(response, "MajorEngineVersion")
    ends = cast("dict[str, date]", vars(response.backend).get("support_ends", STANDARD_SUPPORT_ENDS))
    versions: list[dict[str, object]] = [
        {
            "Engine": "postgres",
            "MajorEngineVersion": major,
            "SupportedEngineLifecycles": [
                {
                    "LifecycleSupportName": "open-source-rds-standard-support",
                    "LifecycleSupportStartDate": datetime(2020, 1, 1, tzinfo=UTC),
                    "LifecycleSupportEndDate": datetime.combine(end, time(), tzinfo=UTC),
                }
            ],
        }
        for major, end in ends.items()
        if wanted in (None, major)
    ]
    return ActionResult({"DBMajorEngineVersions": versions})


def describe_orderable_db_instance_options(response: RDSResponse) -> ActionResult:
    """DescribeOrderableDBInstanceOptions for PostgreSQL: gp3, in the region's first three zones."""
    region, wanted = response.backend.region_name, _param(response, "DBInstanceClass")
    zones = [{"Name": f"{region}{letter}"} for letter in ZONES]
    offers: list[dict[str, object]] = [
        {
            "Engine": "postgres",
            "EngineVersion": version,
            "DBInstanceClass": name,
            "StorageType": "gp3",
            "AvailabilityZones": zones,
            "MultiAZCapable": True,
            "Vpc": True,
        }
        for name in _classes()
        if wanted in (None, name)
        for version in filter(None, map(full_version, STANDARD_SUPPORT_ENDS))
    ]
    return ActionResult({"OrderableDBInstanceOptions": offers})


def _classes() -> Iterator[str]:
    for family, sizes in INSTANCE_CLASSES.items():
        yield from (f"db.{family}.{size}" for size in sizes)


def describe_pending_maintenance_actions(response: RDSResponse) -> ActionResult:
    """DescribePendingMaintenanceActions: RDS never has any here."""
    del response
    return ActionResult({"PendingMaintenanceActions": []})


# --- IAM -----------------------------------------------------------------------------------------


def simulate_principal_policy(response: IamResponse) -> ActionResult:
    """SimulatePrincipalPolicy for a role's inline policies.

    The emulation's own identity isn't one of the account's, and may do everything, as in its calls.
    """
    arn = str(_param(response, "PolicySourceArn"))
    actions = cast("list[str]", _param(response, "ActionNames"))
    resources = cast("list[str] | None", _param(response, "ResourceArns")) or ["*"]
    role = next((each for each in response.backend.roles.values() if each.arn == arn), None)
    documents = [] if role is None else [
        aws_policy.parse(str(document), name=name) for name, document in role.policies.items()
    ]  # fmt: skip
    results: list[dict[str, object]] = []
    for action in actions:
        for resource in resources:
            request = aws_policy.Request(action=action, resource=resource)
            allowed = role is None or aws_policy.is_allowed(documents, request).allowed
            decision = "allowed" if allowed else "implicitDeny"
            results.append({"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision})
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _param(response: "BaseResponse", name: str) -> object:
    # moto's parameter reader, untyped and marked private, is what all of its own calls use.
    read = cast("Callable[[str], object]", getattr(response, "_get_param"))  # noqa: B009
    return read(name)
