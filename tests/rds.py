"""What RDS itself never tells, and what only time brings."""

from common.json_values import Json, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.moto_gaps_ec2_rds import PASSWORD_TAG, fingerprint


def apply_pending(cloud: Cloud, identifier: str) -> None:
    """Lets the maintenance window pass for an instance: what waits for it is applied.

    RDS applies what waits with the next immediate change, even one that changes nothing. Raises AwsError.
    """
    call: dict[str, Json] = {"DBInstanceIdentifier": identifier, "ApplyImmediately": True}
    cloud.call("rds", "ModifyDBInstance", call)


def is_password_in_force(cloud: Cloud, identifier: str, password: str) -> bool:
    """Whether one could log in with it as the master user; what RDS itself never tells. Raises AwsError."""
    query: dict[str, Json] = {"DBInstanceIdentifier": identifier}
    found = records(cloud.call("rds", "DescribeDBInstances", query), "DBInstances")[0]
    mark = fingerprint(text(found, "DbiResourceId"), password)
    return {"Key": PASSWORD_TAG, "Value": mark} in records(found, "TagList")
