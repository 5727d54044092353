"""The stack under examination, and what several questions need to know about it."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from common.json_values import Json, dig, record, records, text, texts
from doctor.api import Api
from doctor.aws import Aws
from doctor.errors import AwsError, UnaskedError
from doctor.network import subnets_of, suitable
from doctor.state import Known, State
from engine.project import Stack
from maestro_stack.aws_configuration import partition_of
from maestro_stack.mqtt import Mqtt
from maestro_stack.names import Names
from maestro_stack.settings import Settings
from policies import types

NAMESPACE = "kubernetes:core/v1:Namespace"
_SECRETS = ("server-mqtt-cert", "db-credentials")
_OF_CLUSTER: Mapping[str, tuple[str, ...]] = {
    NAMESPACE: ("namespace",),
    types.CONFIG_MAP: ("bootstrap-output",),
    types.POD_IDENTITY: ("association",),
    types.RELEASE: ("release",),
    types.ROLE: ("role",),
    types.ROLE_POLICY: ("policy",),
    types.SECRET: _SECRETS,
    types.SECRET_VERSION: _SECRETS,
}
"""By type, the logical names, without the cluster's, of what belongs to a cluster."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The caller's identity."""

    account: str
    partition: str
    arn: str

    @property
    def principal(self) -> str:
        """The ARN that IAM and EKS use for a session: its role's, without the path."""
        parts = self.arn.split(":", 5)
        if parts[2] != "sts" or not parts[5].startswith("assumed-role/"):
            return self.arn
        return f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything that a question may use."""

    stack: Stack
    settings: Settings
    aws: Aws
    api: Api
    state: State | UnaskedError
    """Or why it can't be read."""
    identity: Identity
    port_forward: bool
    """Whether to reach the server through the API server's proxy, which needs more than read access."""

    @property
    def names(self) -> Names:
        """The physical names that the program gives."""
        return self.settings.names

    @property
    def mqtt(self) -> Mqtt:
        """The MQTT names."""
        return Mqtt(self.settings.mqtt.source_id)

    @property
    def partition(self) -> str:
        """The region's partition, from its name."""
        return partition_of(self.settings.region)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account; IAM's have no region."""
        region = "" if service == "iam" else self.settings.region
        return f"arn:{self.partition}:{service}:{region}:{self.identity.account}:{resource}"

    def known(self) -> State:
        """The state. Raises UnaskedError if it can't be read."""
        if isinstance(self.state, UnaskedError):
            raise self.state
        return self.state

    # --- the cluster and its network, according to EKS and EC2 ----------------------------------------

    def cluster(self) -> dict[str, Json]:
        """The cluster. Raises AwsError if there is none, and as `Aws.call`."""
        return record(self.aws.call("eks:DescribeCluster", name=self.settings.cluster_name), "cluster")

    def vpc_id(self) -> str:
        """The configured VPC, or the cluster's. Raises as `cluster`."""
        return self.settings.network.vpc_id or text(record(self.cluster(), "resourcesVpcConfig"), "vpcId")

    def cluster_security_group(self) -> str:
        """Its id. Raises as `cluster`."""
        return text(record(self.cluster(), "resourcesVpcConfig"), "clusterSecurityGroupId")

    def admitted_groups(self) -> frozenset[str]:
        """Security groups that the database admits. Raises as `cluster`."""
        return frozenset((self.cluster_security_group(), *self.settings.network.client_security_group_ids))

    def subnets(self) -> list[dict[str, Json]]:
        """The database's subnets: those configured, or those the program chooses. Raises as `cluster`."""
        if given := self.settings.network.subnet_ids:
            return subnets_of(self.aws, given)
        network = record(self.cluster(), "resourcesVpcConfig")
        return suitable(self.aws, text(network, "vpcId"), texts(network, "subnetIds"))

    # --- what runs on it -----------------------------------------------------------------------------

    def nodes(self) -> list[dict[str, Json]]:
        """All nodes. Raises as Api."""
        return self.api.items("/api/v1/nodes")

    def daemon_sets(self) -> list[dict[str, Json]]:
        """The DaemonSets of all namespaces. Raises as Api."""
        return self.api.items("/apis/apps/v1/daemonsets")

    def server_pods(self) -> list[dict[str, Json]]:
        """The server's pods, in its namespace. Raises as Api."""
        return self.api.items(
            f"/api/v1/namespaces/{self.settings.server.namespace}/pods",
            labelSelector="component=maestro-server",
        )

    @functools.cached_property
    def namespace_path(self) -> str:
        """The API server's path of the server's namespace."""
        return f"/api/v1/namespaces/{self.settings.server.namespace}"

    def has_built(self, *types: str) -> bool:
        """Whether the state has all of these types; what isn't built is reported once, by state-complete.

        Raises UnaskedError.
        """
        return all(self.built(type_) for type_ in types)

    def built(self, type_: str) -> tuple[Known, ...]:
        """The state's resources of a type, without those of another cluster. Raises UnaskedError."""
        own = {f"{name}-{self.settings.cluster_name}" for name in _OF_CLUSTER.get(type_, ())}
        return tuple(each for each in self.known().of_type(type_) if not own or each.name in own)

    def left_behind(self) -> tuple[Known, ...]:
        """What the state still has that belongs to another cluster. Raises UnaskedError."""
        return tuple(
            each
            for type_ in _OF_CLUSTER
            for each in self.known().of_type(type_)
            if each not in self.built(type_)
        )

    def is_ours(self, type_: str, physical: str) -> bool:
        """Whether the stack's state has a resource of this type and id. Raises UnaskedError."""
        return any(each.id == physical for each in self.built(type_))


def absent(refusal: AwsError, *codes: str) -> None:
    """Return if AWS says that the thing doesn't exist, by one of `codes`; raise any other refusal."""
    if refusal.code not in codes:
        raise refusal


def containers(pod: dict[str, Json]) -> Iterable[dict[str, Json]]:
    """The containers of a pod, or of an object with a pod template."""
    spec = dig(pod, "spec.template.spec") or pod.get("spec")
    return records(spec, "containers") if isinstance(spec, dict) else ()
