"""What AWS authorizes for one call, for tests that put a printed policy in front of the emulation.

Source: Service Authorization Reference, by service: each action's resource types and dependent actions.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from checks import aws_policy
from common.json_values import Json

_RESOURCES = {
    "eks": {"clusterName": "cluster/{}", "name": "cluster/{}", "resourceArn": "{}"},
    "iam": {"RoleName": "role/{}"},
    "iot": {
        "certificateId": "cert/{}",
        "domainConfigurationName": "domainconfiguration/{}",
        "policyName": "policy/{}",
        "resourceArn": "{}",
        "target": "{}",
    },
    "kms": {"KeyId": "key/{}"},
    "logs": {"logGroupName": "log-group:{}", "resourceArn": "{}"},
    "rds": {
        "DBInstanceAutomatedBackupsArn": "{}",
        "DBInstanceIdentifier": "db:{}",
        "DBParameterGroupName": "pg:{}",
        "DBSnapshotIdentifier": "snapshot:{}",
        "DBSubnetGroupName": "subgrp:{}",
        "FinalDBSnapshotIdentifier": "snapshot:{}",
        "ResourceIdentifier": "{}",
        "ResourceName": "{}",
        "SourceDBInstanceArn": "{}",
        "SourceDBInstanceAutomatedBackupsArn": "{}",
        "SourceDBInstanceIdentifier": "db:{}",
        "TargetDBInstanceIdentifier": "db:{}",
    },
    "secretsmanager": {"Name": "secret:{}-AbCdEf", "SecretId": "secret:{}-AbCdEf"},
}
"""By the parameter that names it. A value may also be an ARN."""
_MORE = {
    # RDS authorizes a list of all under that name. Source: hashicorp/terraform-provider-aws, issue 35737.
    "rds:DescribeDBInstances": "db:*",
    "rds:CreateDBInstance": "og:default:postgres-17",
    "rds:RestoreDBInstanceFromDBSnapshot": "og:default:postgres-17",
    "rds:RestoreDBInstanceToPointInTime": "og:default:postgres-17",
    "rds:StartDBInstanceAutomatedBackupsReplication": "auto-backup:ab-abcdef",
}
"""What no parameter names."""
_TAGGING = {
    "ec2": "ec2:CreateTags",
    "eks": "eks:TagResource",
    "iam": "iam:TagRole",
    "iot": "iot:TagResource",
    "logs": "logs:TagResource",
    "rds": "rds:AddTagsToResource",
    "secretsmanager": "secretsmanager:TagResource",
}
_ALWAYS = "sts:GetCallerIdentity"
"""Needs no permission."""


@dataclass(frozen=True)
class Caller:
    """Who calls, and where."""

    account: str
    region: str
    policies: tuple[aws_policy.PolicyDocument, ...]

    @classmethod
    def under(cls, policies: Iterable[Mapping[str, Json]], account: str, region: str) -> "Caller":
        """Somebody with these policies alone."""
        return cls(account, region, tuple(aws_policy.parse(json.dumps(each)) for each in policies))

    def lacks(self, action: str, parameters: Mapping[str, Json], region: str | None = None) -> str:
        """The first permission that AWS would miss, as "action on resource"; empty if it would miss none."""
        for needed, resource in self._needed(action, parameters, region or self.region):
            request = aws_policy.Request(action=needed, resource=resource)
            if needed != _ALWAYS and not aws_policy.is_allowed(self.policies, request).allowed:
                return f"{needed} on {resource}"
        return ""

    def _needed(self, action: str, parameters: Mapping[str, Json], region: str) -> Iterator[tuple[str, str]]:
        service = action.partition(":")[0]
        home = f"arn:aws:{service}:{'' if service == 'iam' else region}:{self.account}:"
        kinds = _RESOURCES.get(service, {})
        named = {
            name: value if value.startswith("arn:") else home + kinds[name].format(value)
            for name, value in parameters.items()
            if name in kinds and isinstance(value, str)
        }
        if id_ := parameters.get("associationId"):
            named = {"associationId": f"{home}podidentityassociation/{parameters['clusterName']}/{id_}"}
        resources = list(named.values())
        if action in _MORE and not (action.startswith("rds:Describe") and resources):
            resources.append(home + _MORE[action])
        if snapshot := named.pop("FinalDBSnapshotIdentifier", None):
            resources.remove(snapshot)
            yield from (("rds:CreateDBSnapshot", each) for each in (*resources, snapshot))
        yield from ((action, each) for each in resources or ["*"])
        if parameters.get("tags") or parameters.get("Tags") or parameters.get("TagSpecifications"):
            yield _TAGGING[service], self._made(action, named, home, parameters)
        if role := parameters.get("roleArn"):
            yield "iam:PassRole", str(role)

    def _made(self, action: str, named: Mapping[str, str], home: str, parameters: Mapping[str, Json]) -> str:
        """What the call makes, and so tags."""
        if action == "eks:CreatePodIdentityAssociation":
            return f"{home}podidentityassociation/{parameters['clusterName']}/a-abcdefgh"
        instance = named.get("TargetDBInstanceIdentifier") or named.get("DBInstanceIdentifier")
        return instance or next(iter(named.values()), "*")
