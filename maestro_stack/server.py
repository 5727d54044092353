"""The Maestro server on the cluster: its namespace, and the Helm release of our chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

from maestro_stack.bootstrap import TAKE_BACK
from maestro_stack.chart import CHART_PATH, chart_digest, merge
from maestro_stack.cluster import Cluster
from maestro_stack.names import GRPC_SERVICE, HTTP_SERVICE
from maestro_stack.schema import ServerSettings

HTTP_PORT = 8000
GRPC_PORT = 8090
REVISIONS_KEPT = 10
# Kubernetes documentation, "Pod Security Admission": enforced, audited, and warned about to whoever applies.
POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    """What the release is made of."""

    cluster: Cluster
    settings: ServerSettings
    provider: kubernetes.Provider
    endpoint: str
    """MQTT host, without port."""
    source_id: str
    connection_pool: int
    """Database connections that one server may hold open."""
    ca_bundle: str | None
    """CA certificates of the database (PEM); None if the chart's own are used."""
    secret_version_ids: Mapping[str, pulumi.Input[str]]
    """By secret. They go into pod annotations, so that a new credential restarts the pods."""
    depends_on: Sequence[pulumi.Resource]
    """What must exist before a pod does."""


def chart_values(args: ServerArgs) -> dict[str, object]:
    """The chart's values: the user's, and over them what the program wires (`constraints.WIRED_VALUES`)."""
    settings, image = args.settings, args.settings.image
    annotations = {f"secret-version/{secret}": id_ for secret, id_ in args.secret_version_ids.items()}
    wired = {
        "clusterName": args.cluster.name,  # `lookup` finds nothing in previews and dry runs
        "broker": {"endpoint": args.endpoint, "sourceId": args.source_id},
        "aws": {
            "region": args.cluster.region,
            "podIdentity": {"enabled": True},
            # The AWS provider never falls back from IPv4 to IPv6.
            "preferredAddressType": args.cluster.ip_family,
        },
        "database": {"caBundle": args.ca_bundle or "", "maxOpenConnections": args.connection_pool},
        "deployment": {
            "replicas": settings.replicas,
            "zoneCount": settings.zone_count,
            "requests": {"cpu": settings.requests.cpu, "memory": settings.requests.memory},
            "podAnnotations": annotations,
        },
        "image": {"repository": image.repository, "tag": image.tag, "digest": image.digest or ""},
    }
    # Both may set pod annotations only: the settings refuse any other overlap.
    return merge(settings.values, wired)


class Server(pulumi.ComponentResource):
    """Namespace and Helm release; or the chart's values, if somebody else installs it.

    The release waits until all pods are ready. Source: Pulumi Registry, `kubernetes.helm.sh/v3.Release`.
    """

    namespace: pulumi.Output[str]
    release_name: pulumi.Output[str | None]
    """None, like everything about the release, if somebody else installs the chart."""
    release_revision: pulumi.Output[int | None]
    release_status: pulumi.Output[str | None]
    chart_version: pulumi.Output[str | None]
    external_values: pulumi.Output[dict[str, object] | None]
    """The values with which somebody else installs the chart."""
    http_address: pulumi.Output[str]
    """URL of the REST API inside the cluster."""
    grpc_address: pulumi.Output[str]
    """`host:port` of the CloudEvents gRPC service inside the cluster."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("maestro:kubernetes:Server", name, opts=opts)
        known = pulumi.Output.from_input
        if args.settings.install == "external":
            self.namespace = known(args.settings.namespace)
            self.release_name = self.release_status = self.chart_version = known(None)
            self.release_revision = known(None)
            self.external_values = known(chart_values(args))
        else:
            self.namespace = self._namespace(args).metadata.name
            release = self._release(args)
            self.release_name = known(args.settings.release_name)
            self.release_revision = release.status.revision
            self.release_status = release.status.status
            self.chart_version = release.status.version
            self.external_values = known(None)
        self.http_address = pulumi.Output.format(
            "http://{0}.{1}.svc:{2}", HTTP_SERVICE, self.namespace, HTTP_PORT
        )
        self.grpc_address = pulumi.Output.format("{0}.{1}.svc:{2}", GRPC_SERVICE, self.namespace, GRPC_PORT)
        self.register_outputs({"namespace": self.namespace, "releaseStatus": self.release_status})

    def _release(self, args: ServerArgs) -> kubernetes.helm.v3.Release:
        return kubernetes.helm.v3.Release(
            f"release-{args.cluster.name}",
            name=args.settings.release_name,
            namespace=self.namespace,
            create_namespace=False,
            # Relative to Pulumi.yaml, so that plans are equal on every machine.
            chart=f"./{CHART_PATH}",
            values={**chart_values(args), "chartDigest": chart_digest(Path(CHART_PATH))},
            timeout=args.settings.timeout_seconds,
            # Not `atomic`: that would uninstall a failed first install, and the pods' messages with it.
            cleanup_on_fail=True,
            max_history=REVISIONS_KEPT,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.provider,
                # A pod gets its credentials when it is admitted, and its volume is mounted when it starts:
                # what both need must exist by then. Pulumi can't see that.
                depends_on=list(args.depends_on),
                # The chart's objects have fixed names: the old release must go before the new one comes.
                delete_before_replace=True,
            ),
        )

    def _namespace(self, args: ServerArgs) -> kubernetes.core.v1.Namespace:
        """Ours, or one that is only read. Both have the same URN, so that either can become the other."""
        settings, logical = args.settings, f"namespace-{args.cluster.name}"
        options = pulumi.ResourceOptions(parent=self, provider=args.provider)
        if settings.namespace_mode == "external":
            return kubernetes.core.v1.Namespace.get(logical, settings.namespace, opts=options)
        return kubernetes.core.v1.Namespace(
            logical,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=settings.namespace,
                labels={**settings.namespace_labels, **POD_SECURITY},
                annotations={**settings.namespace_annotations, **TAKE_BACK},
            ),
            opts=options,
        )
