"""Look-ups about the account itself: partition, region and zones, caller, service principals."""

import re
from collections.abc import Mapping

from common.json_values import Json, json_list, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.ec2 import filters_of
from emulator.aws.handler import FunctionHandler, api_parameters, read_inputs

# Services in China that use China's domain; all other principals end in amazonaws.com.
# Source: hashicorp/terraform-provider-aws, internal/service/meta/service_principal_data_source.go.
_CHINA_PRINCIPALS = frozenset({"codedeploy", "elasticmapreduce", "logs"})


def account_of_role(arn: str) -> str | None:
    """The account that an IAM role is in; None if `arn` isn't the ARN of a role."""
    found = re.fullmatch(r"arn:[^:]+:iam::([0-9]{12}):role/.+", arn)
    return found[1] if found else None


class GetPartition:
    """The partition of the provider's region."""

    token = "aws:index/getPartition:getPartition"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """Needs no call to AWS."""
        read_inputs(self.token, cloud, args, ())
        return {
            "id": cloud.partition,
            "partition": cloud.partition,
            "dnsSuffix": cloud.dns_suffix,
            "reverseDnsPrefix": ".".join(reversed(cloud.dns_suffix.split("."))),
        }


class GetRegion:
    """The provider's region, or the one given."""

    token = "aws:index/getRegion:getRegion"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """Needs no call to AWS."""
        read_inputs(self.token, cloud, args, ())
        return {
            "id": cloud.region,
            "name": cloud.region,
            "region": cloud.region,
            "description": cloud.region_description,
            "endpoint": f"ec2.{cloud.region}.{cloud.dns_suffix}",
        }


class GetAvailabilityZones:
    """The region's zones that match."""

    token = "aws:index/getAvailabilityZones:getAvailabilityZones"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeAvailabilityZones; finding none isn't an error."""
        given = read_inputs(self.token, cloud, args, ("filters", "state"))
        query = filters_of(given, api_parameters(given, {"state": "state"}))
        zones = records(cloud.call("ec2", "DescribeAvailabilityZones", query), "AvailabilityZones")
        zones.sort(key=lambda zone: text(zone, "ZoneName"))
        return {
            "id": cloud.region,
            "filters": given.get("filters"),
            "groupNames": json_list(sorted({text(zone, "GroupName") for zone in zones} - {""})),
            "names": json_list(text(zone, "ZoneName") for zone in zones),
            "region": cloud.region,
            "state": given.get("state"),
            "zoneIds": json_list(text(zone, "ZoneId") for zone in zones),
        }


class GetCallerIdentity:
    """Who the credentials belong to."""

    token = "aws:index/getCallerIdentity:getCallerIdentity"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """STS GetCallerIdentity."""
        read_inputs(self.token, cloud, args, ())
        answer = cloud.call("sts", "GetCallerIdentity", {})
        account = text(answer, "Account")
        return {
            "id": account,
            "accountId": account,
            "arn": text(answer, "Arn"),
            "userId": text(answer, "UserId"),
        }


class GetServicePrincipal:
    """The principal that stands for an AWS service in this partition's trust policies."""

    token = "aws:index/getServicePrincipal:getServicePrincipal"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """Needs no call to AWS."""
        service = text(read_inputs(self.token, cloud, args, ("serviceName",)), "serviceName")
        is_chinese = cloud.partition == "aws-cn" and service in _CHINA_PRINCIPALS
        suffix = cloud.dns_suffix if is_chinese else "amazonaws.com"
        return {
            "id": f"{service}.{cloud.region}.{suffix}",
            "name": f"{service}.{suffix}",
            "serviceName": service,
            "suffix": suffix,
            "region": cloud.region,
        }


FUNCTIONS: tuple[FunctionHandler, ...] = (
    GetPartition(),
    GetRegion(),
    GetAvailabilityZones(),
    GetCallerIdentity(),
    GetServicePrincipal(),
)
