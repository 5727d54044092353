"""Pods become ready only when their secrets would really mount, and recover when what is wrong is mended."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.json_values import Json, record, records, text
from controlplane import Api, ApiProxy, ControlPlane, Fault
from emulator.aws.cloud import Clients, Cloud
from rehearsal.kubelet import Kubelet, MountedPod
from tests.cluster.objects import (
    ACCOUNT,
    CLUSTER,
    REGION,
    Tool,
    is_ready,
    pod,
    wait_until,
)

ROOT = Path(__file__).parents[2]
CLASSES = "/apis/secrets-store.csi.x-k8s.io/v1/namespaces"
PASSWORD = "sesame-open-now"  # noqa: S105


@dataclass
class Region:
    """A namespace whose service account "maestro" may read one secret, and what that takes in AWS."""

    api: Api
    cloud: Cloud
    namespace: str

    @property
    def secret(self) -> str:
        return f"{self.namespace}/maestro/db-credentials"

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def make_secret(self, **content: str) -> str:
        """Returns the version id."""
        value = json.dumps({"password": PASSWORD, "port": "5432"} | content)
        return text(
            self.cloud.call("secretsmanager", "CreateSecret", {"Name": self.secret, "SecretString": value}),
            "VersionId",
        )

    def write_secret(self, content: Json) -> str:
        answer = self.cloud.call(
            "secretsmanager",
            "PutSecretValue",
            {"SecretId": self.secret, "SecretString": json.dumps(content)},
        )
        return text(answer, "VersionId")

    def make_role(self) -> None:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "pods.eks.amazonaws.com"},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
        parameters: dict[str, Json] = {
            "RoleName": self.namespace,
            "AssumeRolePolicyDocument": json.dumps(trust),
        }
        self.cloud.call("iam", "CreateRole", parameters)

    def allow(self) -> None:
        statement = {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": self.cloud.arn("secretsmanager", f"secret:{self.secret}-??????"),
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        parameters: dict[str, Json] = {"RoleName": self.namespace, "PolicyName": "secrets"}
        self.cloud.call("iam", "PutRolePolicy", parameters | {"PolicyDocument": document})

    def forbid(self) -> None:
        self.cloud.call("iam", "DeleteRolePolicy", {"RoleName": self.namespace, "PolicyName": "secrets"})

    def associate(self) -> None:
        self.cloud.call(
            "eks",
            "CreatePodIdentityAssociation",
            {
                "clusterName": CLUSTER,
                "namespace": self.namespace,
                "serviceAccount": "maestro",
                "roleArn": self.cloud.arn("iam", f"role/{self.namespace}"),
                "clientRequestToken": uuid.uuid4().hex,
            },
        )

    def dissociate(self) -> None:
        cluster: dict[str, Json] = {"clusterName": CLUSTER}
        wanted = cluster | {"namespace": self.namespace}
        found = records(self.cloud.call("eks", "ListPodIdentityAssociations", wanted), "associations")
        key = cluster | {"associationId": found[0]["associationId"]}
        self.cloud.call("eks", "DeletePodIdentityAssociation", key)

    def make_class(self, path: str = "password") -> None:
        objects = (
            f"- objectName: {self.secret}\n  objectType: secretsmanager\n"
            f"  jmesPath:\n    - {{path: {path}, objectAlias: db.password}}\n"
        )
        parameters: dict[str, Json] = {"region": REGION, "usePodIdentity": "true", "objects": objects}
        self.api.apply(
            f"{CLASSES}/{self.namespace}/secretproviderclasses/maestro-secrets",
            {
                "apiVersion": "secrets-store.csi.x-k8s.io/v1",
                "kind": "SecretProviderClass",
                "metadata": {"name": "maestro-secrets"},
                "spec": {"provider": "aws", "parameters": parameters},
            },
        )

    def make_pod(self, name: str = "server", spec: Mapping[str, Json] | None = None) -> None:
        attributes: dict[str, Json] = {"secretProviderClass": "maestro-secrets"}
        csi: dict[str, Json] = {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": True,
            "volumeAttributes": attributes,
        }
        volumes: list[Json] = [{"name": "secrets-store", "csi": csi}]
        account: dict[str, Json] = {"serviceAccountName": "maestro", "volumes": volumes}
        made = pod(name, account | dict(spec or {}))
        self.api.call("POST", self.pods, made)

    def pod(self, name: str = "server") -> dict[str, Json]:
        return self.api.call("GET", f"{self.pods}/{name}")

    def events(self, name: str = "server") -> list[dict[str, Json]]:
        """FailedMount events of a pod, the oldest first."""
        listed = self.api.call("GET", f"/api/v1/namespaces/{self.namespace}/events")
        found = [
            event
            for event in records(listed, "items")
            if text(event, "reason") == "FailedMount"
            and text(record(event, "involvedObject"), "name") == name
        ]
        return sorted(found, key=lambda event: text(record(event, "metadata"), "name"))

    def wait_until_ready(self, name: str = "server") -> None:
        wait_until(lambda: is_ready(self.api, self.namespace, name), f"pod {name} to be ready")

    def wait_for_event(self, name: str = "server") -> str:
        """The text of the first FailedMount."""
        wait_until(lambda: self.events(name), f"an event of pod {name}")
        assert not is_ready(self.api, self.namespace, name)
        return text(self.events(name)[0], "message")


def new_kubelet(api: Api, clients: Clients) -> Kubelet:
    return Kubelet(api, clients, cluster_name=CLUSTER, region=REGION, account_id=ACCOUNT)


@pytest.fixture
def bare(api: Api, cloud: Cloud, namespace: str) -> Region:
    """Role and service account alone."""
    region = Region(api, cloud, namespace)
    account: dict[str, Json] = {"metadata": {"name": "maestro"}}
    api.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    region.make_role()
    return region


@pytest.fixture
def region(bare: Region) -> Region:
    """Everything that a pod needs."""
    bare.make_secret()
    bare.make_class()
    bare.allow()
    bare.associate()
    return bare


def mounted(kubelet: Kubelet, region: Region, name: str = "server") -> MountedPod:
    return next(each for each in kubelet.mounted if (each.namespace, each.name) == (region.namespace, name))


def test_a_pod_whose_secrets_mount_becomes_ready_and_says_what_it_mounted(
    kubelet: Kubelet, region: Region
) -> None:
    version = region.write_secret({"password": PASSWORD, "port": "5432"})
    region.make_pod()
    region.wait_until_ready()
    annotations = record(record(region.pod(), "metadata"), "annotations")
    assert json.loads(text(annotations, "rehearsal/secret-versions")) == {region.secret: version}
    known = mounted(kubelet, region)
    assert known.versions == {region.secret: version}
    assert known.files["db.password"] == hashlib.sha256(PASSWORD.encode()).hexdigest()
    assert known.gone_at is None
    assert region.events() == []


def test_the_driver_records_the_mount_and_the_record_goes_with_the_pod(
    kubelet: Kubelet, region: Region
) -> None:
    region.make_pod()
    region.wait_until_ready()
    statuses = f"{CLASSES}/{region.namespace}/secretproviderclasspodstatuses"
    (status,) = records(region.api.call("GET", statuses), "items")
    assert text(record(status, "metadata"), "name") == f"server-{region.namespace}-maestro-secrets"
    assert records(record(status, "status"), "objects") == [
        {"id": region.secret, "version": mounted(kubelet, region).versions[region.secret]}
    ]
    region.api.raw("DELETE", f"{region.pods}/server?gracePeriodSeconds=0")
    wait_until(lambda: not records(region.api.call("GET", statuses), "items"), "the record to go")
    wait_until(lambda: mounted(kubelet, region).gone_at, "the kubelet to see it")


def test_the_client_id_is_the_one_that_the_container_would_get(kubelet: Kubelet, region: Region) -> None:
    container = records(record(pod("unused"), "spec"), "containers")[0]
    field: dict[str, Json] = {"fieldRef": {"fieldPath": "metadata.name"}}
    container["args"] = ["--source-id=maestro", "--client-id=maestro-server-$(POD_NAME)-$(NOT_SET)"]
    container["env"] = [{"name": "POD_NAME", "valueFrom": field}]
    region.make_pod("server-1", {"containers": [container]})
    region.wait_until_ready("server-1")
    assert mounted(kubelet, region, "server-1").client_id == "maestro-server-server-1-$(NOT_SET)"


def no_association(region: Region) -> None:
    region.dissociate()


def no_rights(region: Region) -> None:
    region.forbid()


def no_secret(region: Region) -> None:
    parameters: dict[str, Json] = {"SecretId": region.secret, "ForceDeleteWithoutRecovery": True}
    region.cloud.call("secretsmanager", "DeleteSecret", parameters)


def no_such_key(region: Region) -> None:
    region.write_secret({"port": "5432"})


def number_for_a_string(region: Region) -> None:
    region.write_secret({"password": 5432})


def right_secret(region: Region) -> None:
    region.write_secret({"password": PASSWORD})


def no_class(region: Region) -> None:
    region.api.raw("DELETE", f"{CLASSES}/{region.namespace}/secretproviderclasses/maestro-secrets")


NO_CLASS = (
    'MountVolume.SetUp failed for volume "secrets-store" : rpc error: code = Unknown desc = '
    "failed to get secretproviderclass {namespace}/maestro-secrets, error: "
    'SecretProviderClass.secrets-store.csi.x-k8s.io "maestro-secrets" not found'
)
FAILED = (
    'MountVolume.SetUp failed for volume "secrets-store" : rpc error: code = Unknown desc = '
    "failed to mount secrets store objects for pod {namespace}/server, "
    "err: rpc error: code = Unknown desc = "
)


@pytest.mark.parametrize(
    ("spoil", "mend", "message"),
    [
        (
            no_association,
            Region.associate,
            FAILED + "us-east-1: failed to get pod identity credentials: no association of service account "
            "{namespace}/maestro on cluster regional-xyz",
        ),
        (no_rights, Region.allow, FAILED + "Failed to fetch secret from all regions: {secret}"),
        (
            no_secret,
            Region.make_secret,
            FAILED + "us-east-1: Failed fetching secret {secret}: ResourceNotFoundException: "
            "Secrets Manager can't find the specified secret.",
        ),
        (
            no_such_key,
            right_secret,
            FAILED + "Failed to fetch secret from all regions: {secret}",
        ),
        (
            number_for_a_string,
            right_secret,
            FAILED + "Failed to fetch secret from all regions: {secret}",
        ),
        (
            no_class,
            Region.make_class,
            NO_CLASS,
        ),
    ],
    ids=["association", "rights", "secret", "key", "number", "class"],
)
def test_a_pod_whose_secrets_do_not_mount_waits_and_heals(
    kubelet: Kubelet,
    region: Region,
    spoil: Callable[[Region], None],
    mend: Callable[[Region], object],
    message: str,
) -> None:
    spoil(region)
    region.make_pod()
    told = region.wait_for_event()
    assert told == message.format(namespace=region.namespace, secret=region.secret)
    mend(region)
    region.wait_until_ready()
    kubelet.check()


@pytest.mark.usefixtures("kubelet")
def test_a_waiting_pod_looks_as_kubelet_leaves_it(bare: Region, kubectl: Tool) -> None:
    container = records(record(pod("unused"), "spec"), "containers")[0]
    bare.make_pod()
    bare.make_pod("with-init", {"initContainers": [container | {"name": "migration"}]})
    for name in ("server", "with-init"):
        bare.wait_for_event(name)
    assert text(record(bare.pod(), "status"), "phase") == "Pending"
    shown = [line.split()[:3] for line in kubectl("get", "pods", "-n", bare.namespace).splitlines()[1:]]
    assert shown == [["server", "0/1", "ContainerCreating"], ["with-init", "0/1", "Init:0/1"]]
    described = kubectl("describe", "pod", "server", "-n", bare.namespace)
    assert "Warning  FailedMount" in described
    assert "kubelet" in described


@pytest.mark.usefixtures("kubelet")
def test_the_same_failure_is_one_event_that_counts(bare: Region) -> None:
    bare.make_pod()
    wait_until(lambda: any(event.get("count") == 3 for event in bare.events()), "the third trial")
    (event,) = bare.events()
    assert record(event, "source") == {"component": "kubelet", "host": record(bare.pod(), "spec")["nodeName"]}
    bare.make_class()
    wait_until(lambda: len(bare.events()) == 2, "another failure's event")


@pytest.mark.usefixtures("kubelet")
def test_a_pod_without_such_a_volume_is_ready_at_once(api: Api, namespace: str) -> None:
    api.call("POST", f"/api/v1/namespaces/{namespace}/pods", pod("plain"))
    wait_until(lambda: is_ready(api, namespace, "plain"), "the pod")


def test_no_secret_content_is_in_the_cluster(kubelet: Kubelet, region: Region) -> None:
    no_such_key(region)
    region.make_pod("stuck")
    region.wait_for_event("stuck")
    region.write_secret({"password": PASSWORD})
    region.wait_until_ready("stuck")
    for path in (region.pods, f"/api/v1/namespaces/{region.namespace}/events"):
        assert PASSWORD.encode() not in region.api.raw("GET", path)
    assert PASSWORD not in repr(kubelet.mounted)


def test_a_stuck_pod_can_be_deleted_and_others_go_on(kubelet: Kubelet, region: Region) -> None:
    no_association(region)
    region.make_pod()
    region.wait_for_event()
    region.api.raw("DELETE", f"{region.pods}/server")
    wait_until(lambda: not region.api.exists(f"{region.pods}/server"), "the stuck pod to go")
    region.associate()
    region.make_pod()  # of the same name
    region.wait_until_ready()
    kubelet.check()


def test_an_unreachable_aws_is_a_failed_mount_that_heals(region: Region, clients: Clients) -> None:
    nobody = Clients("http://127.0.0.1:9")
    region.make_pod()
    with new_kubelet(region.api, nobody):
        assert "Could not connect to the endpoint" in region.wait_for_event()
    with new_kubelet(region.api, clients):
        region.wait_until_ready()


def test_a_new_kubelet_knows_what_an_earlier_one_mounted(
    region: Region, clients: Clients, control_plane: ControlPlane
) -> None:
    region.make_pod()
    with new_kubelet(control_plane.api(), clients) as first:
        region.wait_until_ready()
        before = mounted(first, region)
    with new_kubelet(control_plane.api(), clients) as second:
        wait_until(lambda: second.mounted, "the pods to be seen")
        after = mounted(second, region)
    assert (after.uid, after.versions) == (before.uid, before.versions)


def test_it_goes_on_after_its_watch_was_cut(
    region: Region, clients: Clients, control_plane: ControlPlane
) -> None:
    with ApiProxy.start(control_plane) as proxy, new_kubelet(proxy.api(), clients) as kubelet:
        region.make_pod("before")
        region.wait_until_ready("before")
        proxy.cut()
        region.make_pod("after")
        region.wait_until_ready("after")

        def names() -> set[str]:
            return {each.name for each in kubelet.mounted if each.namespace == region.namespace}

        # The cut may have hit the kubelet's report that the first one is mounted: it reports that again.
        wait_until(lambda: names() == {"before", "after"}, "both pods to be mounted")
        watches = [call for call in proxy.calls() if call.verb == "watch"]
        assert len(watches) >= 2
        # It resumes, and lists only once.
        assert [call.path for call in proxy.calls() if call.verb == "list"] == ["/api/v1/pods"]


def test_a_refusal_of_the_api_server_that_passes_is_waited_out(
    region: Region, clients: Clients, control_plane: ControlPlane
) -> None:
    with ApiProxy.start(control_plane) as proxy:
        faults = [
            Fault(verb="list", path="/pods$", effect="unavailable"),
            Fault(verb="watch", path="/pods$", effect="throttle"),
            Fault(verb="get", path="/secretproviderclasses/", effect="unavailable"),
            Fault(verb="patch", path=f"{region.namespace}/pods/", effect="gone", times=2),
        ]
        proxy.inject(faults)
        region.make_pod()
        with new_kubelet(proxy.api(), clients):
            region.wait_until_ready()
            assert proxy.fired() == tuple(faults)


def test_a_refusal_that_stays_is_reported_as_a_crash(clients: Clients, control_plane: ControlPlane) -> None:
    kubelet = new_kubelet(control_plane.anonymous(), clients).start()
    wait_until(lambda: not kubelet.is_running, "the breakdown")
    with pytest.raises(RuntimeError, match="crashed") as broken:
        kubelet.stop()
    assert "403 Forbidden" in str(broken.value.__cause__)
