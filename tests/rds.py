"""What RDS never reveals, and what only time brings about."""

from common.json_values import Json, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.moto_gaps_ec2_rds import PASSWORD_TAG, fingerprint


def apply_pending(cloud: Cloud, identifier: str) -> None:
    """Let an instance's maintenance window pass: its pending changes are applied.

    RDS applies pending changes with the next immediate one, even if that changes nothing. Raises AwsError.
    """
    call: dict[str, Json] = {"DBInstanceIdentifier": identifier, "ApplyImmediately": True}
    cloud.call("rds", "ModifyDBInstance", call)


def is_password_in_force(cloud: Cloud, identifier: str, password: str) -> bool:
    """Whether the master user could log in with this password; RDS never reveals that. Raises AwsError."""
    query: dict[str, Json] = {"DBInstanceIdentifier": identifier}
    found = records(cloud.call("rds", "DescribeDBInstances", query), "DBInstances")[0]
    mark = fingerprint(text(found, "DbiResourceId"), password)
    return {"Key": PASSWORD_TAG, "Value": mark} in records(found, "TagList")
