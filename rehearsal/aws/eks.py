"""Amazon EKS: Pod Identity associations, and look-ups of clusters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rehearsal.aws.cloud import Cloud, PodIdentityAssociation, fresh_id
from rehearsal.aws.errors import AwsError
from rehearsal.aws.handler import (
    Created,
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    read_inputs,
    tag_outputs,
)
from rehearsal.values import (
    Json,
    flag,
    json_list,
    merged,
    one_or_many,
    parse_document,
    record,
    records,
    text,
    texts,
)

POD_IDENTITY_PRINCIPAL = "pods.eks.amazonaws.com"  # the same in every partition
_POD_IDENTITY_ACTIONS = ("sts:AssumeRole", "sts:TagSession")


class PodIdentityAssociationHandler:
    """Lets the pods of one service account use a role.

    moto has no such associations: the call is judged by botocore's model of it and by EKS's own rules, and
    kept in the cloud's table.
    """

    type = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    secret_outputs: frozenset[str] = frozenset()

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """CreatePodIdentityAssociation."""
        names = {
            "clusterName": "clusterName",
            "namespace": "namespace",
            "serviceAccount": "serviceAccount",
            "roleArn": "roleArn",
            "targetRoleArn": "targetRoleArn",
            "disableSessionTags": "disableSessionTags",
            "tags": "tags",
        }
        given = read_inputs(self.type, cloud, inputs, names)
        # The SDK fills the token in by itself.
        parameters = {**api_parameters(given, names), "clientRequestToken": fresh_id()}
        cloud.validate("eks", "CreatePodIdentityAssociation", parameters)
        empty = [key for key in ("namespace", "serviceAccount") if not given[key]]
        if empty:
            message = f"{' and '.join(empty)} must not be empty"
            raise cloud.refuse("eks", "CreatePodIdentityAssociation", "InvalidParameterException", message)
        cluster, role_arn = text(given, "clusterName"), text(given, "roleArn")
        with cloud.lock:
            _require_cluster(cloud, cluster)
            _require_trust(cloud, role_arn)
            association = self._associate(cloud, given)
        return Created(
            association.association_id,
            merged(
                given,
                tag_outputs(given),
                {
                    "associationArn": association.association_arn,
                    "associationId": association.association_id,
                    "disableSessionTags": association.disable_session_tags,
                    "externalId": association.external_id,
                    "region": cloud.region,
                },
            ),
        )

    def _associate(self, cloud: Cloud, given: Mapping[str, Json]) -> PodIdentityAssociation:
        cluster, namespace = text(given, "clusterName"), text(given, "namespace")
        account = text(given, "serviceAccount")
        for other in cloud.associations.values():
            if (other.cluster_name, other.namespace, other.service_account) == (cluster, namespace, account):
                message = f"Association already exists: {other.association_id}"
                raise cloud.refuse("eks", "CreatePodIdentityAssociation", "ResourceInUseException", message)
        identity = f"a-{fresh_id().replace('-', '')[:17]}"
        target = text(given, "targetRoleArn") or None
        association = PodIdentityAssociation(
            association_id=identity,
            association_arn=cloud.arn("eks", f"podidentityassociation/{cluster}/{identity}"),
            cluster_name=cluster,
            namespace=namespace,
            service_account=account,
            role_arn=text(given, "roleArn"),
            disable_session_tags=flag(given, "disableSessionTags"),
            target_role_arn=target,
            # Needed only by the trust policy of a role in another account. Source: EKS API reference.
            external_id=f"{cloud.region}/{cloud.account_id}/{cluster}/{identity}" if target else "",
            tags=record(given, "tags"),
        )
        cloud.associations[identity] = association
        return association


class GetCluster:
    """The facts of one cluster."""

    token = "aws:eks/getCluster:getCluster"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """DescribeCluster."""
        given = read_inputs(self.token, cloud, args, ("name",))
        parameters = api_parameters(given, {"name": "name"})
        cluster = record(cloud.call("eks", "DescribeCluster", parameters), "cluster")
        network = record(cluster, "kubernetesNetworkConfig")
        vpc = record(cluster, "resourcesVpcConfig")
        issuer = text(record(record(cluster, "identity"), "oidc"), "issuer")
        logs = [
            entry for entry in records(record(cluster, "logging"), "clusterLogging") if flag(entry, "enabled")
        ]
        return {
            "id": text(cluster, "name"),
            "name": text(cluster, "name"),
            "arn": text(cluster, "arn"),
            "accessConfigs": [
                {"authenticationMode": "API_AND_CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": True}
            ],
            "certificateAuthorities": [{"data": text(record(cluster, "certificateAuthority"), "data")}],
            "clusterId": "",  # only clusters on Outposts have one
            "computeConfigs": [],
            "controlPlaneScalingConfigs": [],
            "createdAt": text(cluster, "createdAt"),
            "deletionProtection": False,
            "enabledClusterLogTypes": [kind for entry in logs for kind in texts(entry, "types")],
            "endpoint": text(cluster, "endpoint"),
            "identities": [{"oidcs": [{"issuer": issuer}]}],
            "kubeApiServerConfigs": [],
            "kubeControllerManagerConfigs": [],
            "kubeSchedulerConfigs": [],
            "kubernetesNetworkConfigs": [
                {
                    "elasticLoadBalancings": [],
                    "ipFamily": text(network, "ipFamily", "ipv4"),
                    "serviceIpv4Cidr": text(network, "serviceIpv4Cidr"),
                    "serviceIpv6Cidr": text(network, "serviceIpv6Cidr"),
                }
            ],
            "outpostConfigs": [],
            "platformVersion": text(cluster, "platformVersion"),
            "region": cloud.region,
            "remoteNetworkConfigs": [],
            "roleArn": text(cluster, "roleArn"),
            "status": text(cluster, "status"),
            "storageConfigs": [],
            "tags": record(cluster, "tags"),
            "upgradePolicies": [{"supportType": "EXTENDED"}],
            "version": text(cluster, "version"),
            "vpcConfig": {
                "clusterSecurityGroupId": text(vpc, "clusterSecurityGroupId"),
                "controlPlaneEgressMode": "",
                "endpointPrivateAccess": flag(vpc, "endpointPrivateAccess"),
                "endpointPublicAccess": flag(vpc, "endpointPublicAccess"),
                "publicAccessCidrs": json_list(texts(vpc, "publicAccessCidrs")),
                "securityGroupIds": json_list(texts(vpc, "securityGroupIds")),
                "subnetIds": json_list(texts(vpc, "subnetIds")),
                "vpcId": text(vpc, "vpcId"),
            },
            "zonalShiftConfigs": [],
        }


class GetClusters:
    """The names of the region's clusters."""

    token = "aws:eks/getClusters:getClusters"  # noqa: S105

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """ListClusters."""
        read_inputs(self.token, cloud, args, ())
        names = texts(cloud.call("eks", "ListClusters", {}), "clusters")
        return {"id": cloud.region, "names": json_list(sorted(names)), "region": cloud.region}


def _require_cluster(cloud: Cloud, name: str) -> None:
    try:
        cloud.call("eks", "DescribeCluster", {"name": name})
    except AwsError as error:
        raise cloud.refuse("eks", "CreatePodIdentityAssociation", error.code, error.message) from error


def _require_trust(cloud: Cloud, role_arn: str) -> None:
    """EKS looks at the role's trust policy when the association is made, and again at each use."""
    operation = "CreatePodIdentityAssociation"
    role_form = rf"arn:{cloud.partition}:iam::\d{{12}}:role/(?:.+/)?([^/]+)"
    match = re.fullmatch(role_form, role_arn)
    if not match:
        raise cloud.refuse("eks", operation, "InvalidParameterException", f"Invalid role ARN: {role_arn}")
    if f"::{cloud.account_id}:" not in role_arn:
        message = "Cross-account pass role is not allowed."
        raise cloud.refuse("eks", operation, "InvalidParameterException", message)
    try:
        role = record(cloud.call("iam", "GetRole", {"RoleName": match[1]}), "Role")
    except AwsError as error:
        # The provider retries this one, since IAM is eventually consistent.
        message = "Role provided in the request does not exist."
        raise cloud.refuse("eks", operation, "InvalidParameterException", message) from error
    document = role.get("AssumeRolePolicyDocument")
    trust = document if isinstance(document, dict) else parse_document(str(document)) or {}
    if not all(_allows(trust, action) for action in _POD_IDENTITY_ACTIONS):
        message = "Trust policy of the role provided is invalid"
        raise cloud.refuse("eks", operation, "InvalidParameterException", message)


def _allows(trust: Mapping[str, Json], action: str) -> bool:
    """Whether some statement lets EKS Pod Identity take an action; conditions are judged only at use."""
    for statement in one_or_many(trust.get("Statement")):
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        services = one_or_many(principal.get("Service")) if isinstance(principal, dict) else [principal]
        actions = {str(item).lower() for item in one_or_many(statement.get("Action"))}
        if {POD_IDENTITY_PRINCIPAL, "*"} & {str(item) for item in services} and actions & {
            action.lower(),
            "sts:*",
            "*",
        }:
            return True
    return False


RESOURCES: tuple[ResourceHandler, ...] = (PodIdentityAssociationHandler(),)
FUNCTIONS: tuple[FunctionHandler, ...] = (GetCluster(), GetClusters())
TAGGABLE = frozenset({PodIdentityAssociationHandler.type})
