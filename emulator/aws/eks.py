"""Amazon EKS: Pod Identity associations, and look-ups of clusters."""

from collections.abc import Mapping

from common.json_values import Json, flag, json_list, merged, record, records, text, texts
from emulator.aws.cloud import Cloud, fresh_id
from emulator.aws.errors import AwsError
from emulator.aws.handler import (
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    read_inputs,
    reread,
    unless_gone,
)
from emulator.aws.retry import retrying
from emulator.aws.tags import TagChanges, tag_changes, tags_of
from emulator.lifecycle import State, difference, table

_GONE = "ResourceNotFoundException"


class PodIdentityAssociationHandler(ResourceHandler):
    """Lets the pods of one service account use a role."""

    type = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    table = table(
        "internal/service/eks/pod_identity_association.go",
        updates=("disableSessionTags", "roleArn", "tags", "targetRoleArn"),
        replaces=("clusterName", "namespace", "serviceAccount"),
        defaults={"disableSessionTags": False},
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreatePodIdentityAssociation.

        Repeated while a new role isn't visible to EKS yet, and while the association that this one replaces
        is still being deleted.
        """
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        # The SDK would fill in the token; it is the same in each attempt.
        parameters: dict[str, Json] = {**given, "clientRequestToken": fresh_id()}
        made = retrying(
            cloud,
            lambda: cloud.call("eks", "CreatePodIdentityAssociation", parameters),
            while_=lambda error: _is_of_unknown_role(error) or error.code == "ResourceInUseException",
        )
        association = record(made, "association")
        return State(text(association, "associationId"), merged(given, self._outputs(cloud, association)))

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribePodIdentityAssociation. An import's id is `cluster,association`."""
        cluster, identity = self._key(state)
        parameters: dict[str, Json] = {"clusterName": cluster, "associationId": identity}
        found = unless_gone(lambda: cloud.call("eks", "DescribePodIdentityAssociation", parameters), _GONE)
        if found is None:
            return None
        return State(identity, merged(state.outputs, self._outputs(cloud, record(found, "association"))))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """UpdatePodIdentityAssociation if more than the tags changed; then the tags."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        changed = difference(self.table, state.outputs, given, self.is_same).updates
        if set(changed) - {"tags"}:
            cluster, identity = self._key(state)
            parameters: dict[str, Json] = {
                "clusterName": cluster,
                "associationId": identity,
                "clientRequestToken": fresh_id(),
                "roleArn": given.get("roleArn"),
                "disableSessionTags": flag(given, "disableSessionTags"),
                # Empty removes the target role.
                **({"targetRoleArn": text(given, "targetRoleArn")} if "targetRoleArn" in changed else {}),
            }
            retrying(
                cloud,
                lambda: cloud.call("eks", "UpdatePodIdentityAssociation", parameters),
                while_=_is_of_unknown_role,
            )
        if "tags" in changed:
            self._change_tags(cloud, text(state.outputs, "associationArn"), tag_changes(state.outputs, given))
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeletePodIdentityAssociation."""
        cluster, identity = self._key(state)
        parameters: dict[str, Json] = {"clusterName": cluster, "associationId": identity}
        unless_gone(lambda: cloud.call("eks", "DeletePodIdentityAssociation", parameters), _GONE)

    def _key(self, state: State) -> tuple[str, str]:
        """Cluster and association id."""
        cluster, comma, identity = state.id.partition(",")
        return (cluster, identity) if comma else (text(state.outputs, "clusterName"), state.id)

    def _outputs(self, cloud: Cloud, association: Mapping[str, Json]) -> dict[str, Json]:
        return {
            "associationArn": text(association, "associationArn"),
            "associationId": text(association, "associationId"),
            "clusterName": text(association, "clusterName"),
            "disableSessionTags": flag(association, "disableSessionTags"),
            "externalId": text(association, "externalId"),
            "namespace": text(association, "namespace"),
            "region": cloud.region,
            "roleArn": text(association, "roleArn"),
            "serviceAccount": text(association, "serviceAccount"),
            "targetRoleArn": text(association, "targetRoleArn"),
            **tags_of(record(association, "tags")),
        }

    def _change_tags(self, cloud: Cloud, arn: str, changes: TagChanges) -> None:
        if changes.removed:
            cloud.call("eks", "UntagResource", {"resourceArn": arn, "tagKeys": changes.removed})
        if changes.added:
            cloud.call("eks", "TagResource", {"resourceArn": arn, "tags": changes.added})


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
            "certificateAuthorities": [
                {"data": text(record(cluster, key), "data")}
                for key in ("certificateAuthority",)
                if cluster.get(key) is not None
            ],
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
                for _ in range("kubernetesNetworkConfig" in cluster)
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
            }
            if vpc
            else None,
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


def _is_of_unknown_role(error: AwsError) -> bool:
    unknown = "Role provided in the request does not exist"
    return error.code == "InvalidParameterException" and unknown in error.message


RESOURCES: tuple[ResourceHandler, ...] = (PodIdentityAssociationHandler(),)
FUNCTIONS: tuple[FunctionHandler, ...] = (GetCluster(), GetClusters())
TAGGABLE = frozenset({PodIdentityAssociationHandler.type})
