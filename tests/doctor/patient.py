"""A stack in an emulated account and a cluster of plain objects, built or not, for the doctor to examine."""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from checks.finding import Finding, Status
from common.json_values import Json, dig, json_list, merged, record, records, text
from doctor.aws import Aws
from doctor.case import Case, Identity
from doctor.errors import UnaskedError
from doctor.examine import diagnose
from doctor.report import Diagnosis
from doctor.state import Known, State
from emulator.aws import emulator
from emulator.aws.cloud import ACCESS_KEY, SECRET_KEY, Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import Kubernetes
from emulator.mocks import run
from emulator.packages import Providers
from engine.project import Stack, load_stack, write_config
from engine.run import STACK_TYPE, Run
from engine.settings import settings_of
from rehearsal.rehearse import world_of
from tests.checkouts import ROOT
from tests.doctor.plain_cluster import Object, PlainCluster, described

CLUSTER, REGION, ACCOUNT = "regional-xyz", "us-east-1", "123456789012"
INSTANCES = ("i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2", "i-0aaaaaaaaaaaaaaa3")
AGENT, PROVIDER = "eks-pod-identity-agent", "secrets-store-csi-driver-provider-aws"
MAESTRO_API = "/api/v1/namespaces/maestro/services/maestro:8000/proxy/api/maestro/v1"
Observer = Callable[[str, Mapping[str, Any]], None]
Lie = Callable[[dict[str, Any]], None]


@dataclass
class Patient:
    """What is examined. Tests change the account through `call`, and the cluster through `cluster`."""

    cloud: Cloud
    stack: Stack
    kubernetes: Kubernetes
    cluster: PlainCluster
    state: State | UnaskedError
    session: boto3.session.Session
    calls: list[str] = field(default_factory=list[str])
    """Every AWS call of the doctor, as service:Operation."""
    arn: str = ""
    """The caller's identity; empty for that of the session's keys."""
    guard: Observer | None = None
    """Called before each AWS call; what it raises is AWS's answer."""
    lies: dict[str, Lie] = field(default_factory=dict[str, Lie])
    """By action: changes the answer, where moto's data can't be changed for one account."""

    port_forward: bool = True

    def call(self, service: str, operation: str, **parameters: Json) -> dict[str, Json]:
        """An API call behind the program's back."""
        return self.cloud.call(service, operation, parameters)

    def backend(self, service: str) -> Any:
        """moto's own data of the account, for what no call can change."""
        import importlib

        backends = importlib.import_module(f"moto.{service}.models").__dict__[f"{service}_backends"]
        return backends[self.cloud.account_id][self.cloud.region]

    def take(self, session: boto3.session.Session) -> None:
        """Ask with these credentials from now on."""
        self.session = session
        _attach(self)

    def case(self) -> Case:
        settings = settings_of(self.stack)
        aws = Aws(self.session)
        arn = self.arn or text(aws.call("sts:GetCallerIdentity"), "Arn")
        return Case(
            stack=self.stack,
            settings=settings,
            aws=aws,
            api=self.cluster,
            state=self.state,
            identity=Identity(account=ACCOUNT, partition=arn.split(":")[1], arn=arn),
            port_forward=self.port_forward,
        )

    def examine(self, phase: str | None = None) -> Diagnosis:
        return diagnose(self.case(), phase, lambda _: None)

    def fails(self, phase: str | None = None) -> dict[str, str]:
        """What fails, by question."""
        return told(self.examine(phase), Status.FAILS)

    def unverified(self, phase: str | None = None) -> dict[str, str]:
        return told(self.examine(phase), Status.UNVERIFIED)

    def program(self) -> Run:
        """The program, run once in update mode."""
        providers = Providers(self.cloud, self.kubernetes, DefaultTags.configured(None))
        return run(self.stack, providers, preview=False, listener=lambda _: None)

    def build(self) -> None:
        """Make everything that the program makes, and what the cluster makes of it."""
        built = self.program()
        assert not built.failures, built.failures
        resources = [
            Known(type=each.type, name=each.name, id=each.id, outputs=each.outputs)
            for each in built.resources
        ]
        stack = Known(type=STACK_TYPE, name="stack", id="", outputs=built.outputs)
        self.state = State(backend="s3://states", secrets_provider="cloud", resources=(stack, *resources))
        if not self.kubernetes.releases:
            return  # nobody has installed the chart yet
        manifests = [dict(each.content) for each in self.kubernetes.releases[0].manifests]
        self.cluster.objects += [
            described("Namespace", "maestro", status={"phase": "Active"}),
            described("ConfigMap", "bootstrap-output", "kube-system", data={"cluster_name": CLUSTER}),
            helm_record("deployed"),
            *(_ready(each) if each["kind"] == "Deployment" else each for each in manifests),
        ]
        deployment = next(each for each in manifests if each["kind"] == "Deployment")
        for number in (1, 2):
            name = f"maestro-6d5f7c9b4d-{number}"
            self.cluster.objects += [_pod(name, deployment), _mounted(name)]
            self.cluster.logs[name] = "I1130 20:00:00.000000 1 server.go:1] serving\n"
        self.cluster.answers[f"{MAESTRO_API}/consumers"] = {"items": [{"name": "mc-east"}]}
        bundle: Json = {
            "consumer_name": "mc-east",
            "updated_at": "2026-11-30T20:00:00Z",
            "status": {"ObservedVersion": 1},
        }
        self.cluster.answers[f"{MAESTRO_API}/resource-bundles"] = {"items": [bundle]}


def told(diagnosis: Diagnosis, status: Status) -> dict[str, str]:
    found: list[Finding] = diagnosis.findings(status)
    return {str(each.name): each.text for each in found}


@contextmanager
def patient(folder: Path, **settings: object) -> Generator[Patient]:
    """A healthy region in which nothing is built; `settings` are the project's own."""
    stack = stack_of(folder, **settings)
    parsed = settings_of(stack)
    world = world_of(parsed)
    # What a fault puts into the environment is taken out again.
    with patch.dict(os.environ), in_process_cloud(REGION, world) as cloud:
        kubernetes = Kubernetes(root=stack.root, version="1.33", config_maps={})
        made = Patient(
            cloud=cloud,
            stack=stack,
            kubernetes=kubernetes,
            cluster=PlainCluster(healthy_objects()),
            state=State(backend="s3://states", secrets_provider=""),
            session=boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION),
        )
        _make_keys(made)
        _attach(made)
        add_interfaces(made, cluster_group(made))
        yield made


def as_in_the_playground(made: Patient) -> None:
    """Take away what `make playground` lacks: EC2, a CNI, kubelets with logs, and a backend for the state."""
    assert isinstance(made.state, State)
    made.state = replace(made.state, backend="file://~")
    made.port_forward = False
    made.cluster.remove("DaemonSet", "aws-node")
    made.cluster.refusal = lambda path: (
        UnaskedError(f"GET {path}: 500: Get a kubelet") if path.endswith("/log") else None
    )
    for each in made.cluster.of_kind("Node"):
        del record(each, "spec")["providerID"]


def _make_keys(made: Patient) -> None:
    """The account's own key for RDS, which AWS creates with the first database and moto doesn't."""
    snapshots = records(made.call("rds", "DescribeDBSnapshots"), "DBSnapshots")
    for key in {text(each, "KmsKeyId").rpartition("/")[2] for each in snapshots}:
        with patch("moto.kms.models.generate_key_id", return_value=key):
            made.call("kms", "CreateKey")


def stack_of(folder: Path, **settings: object) -> Stack:
    own = {"clusterName": CLUSTER, "profile": "dev", **settings}
    config = {"aws:region": REGION, **{f"maestro-stack:{key}": value for key, value in own.items()}}
    file = folder / "Pulumi.test.yaml"
    write_config(file, config)
    return load_stack(ROOT, file=file)


def _attach(made: Patient) -> None:
    """Let the emulated account answer the session's calls, and record them."""

    def before(params: dict[str, Any], **_: object) -> None:
        params["headers"]["x-moto-account-id"] = made.cloud.account_id

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        action = f"{model.service_model.service_name}:{model.name}"
        made.calls.append(action)
        if made.guard:
            made.guard(action, params)

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        with made.cloud.lock:
            answered = emulator.answer(request)
        assert answered is not None, f"{request.url} was about to leave this machine"
        return answered

    def lie(parsed: dict[str, Any], model: Any, **_: object) -> None:
        action = f"{model.service_model.service_name}:{model.name}"
        if action in made.lies:
            made.lies[action](parsed)

    events = made.session.events
    events.register("after-call", lie)
    events.register("before-parameter-build", note)
    events.register("before-call", before)
    events.register("before-send", cast("Any", answer))


def cluster_group(made: Patient) -> str:
    found = record(made.call("eks", "DescribeCluster", name=CLUSTER), "cluster")
    return text(record(found, "resourcesVpcConfig"), "clusterSecurityGroupId")


def add_interfaces(made: Patient, group: str) -> None:
    """One interface per node, with this security group. The instances themselves aren't needed."""
    found = record(made.call("eks", "DescribeCluster", name=CLUSTER), "cluster")
    subnet = cast("list[str]", record(found, "resourcesVpcConfig")["subnetIds"])[0]
    for instance in INSTANCES:
        answer = made.call("ec2", "CreateNetworkInterface", SubnetId=subnet, Groups=json_list([group]))
        id_ = text(record(answer, "NetworkInterface"), "NetworkInterfaceId")
        made.backend("ec2").enis[id_].instance = SimpleNamespace(id=instance, security_groups=[])


# --- the cluster ---------------------------------------------------------------------------------


def healthy_objects() -> list[Object]:
    """A cluster of three nodes with all that a server needs."""
    daemons = {
        AGENT: "amazon/eks-pod-identity-agent:v0.1.30",
        PROVIDER: f"public.ecr.aws/aws-secrets-manager/{PROVIDER}:3.1.1",
    }
    tokens: Json = [{"audience": "sts.amazonaws.com"}, {"audience": "pods.eks.amazonaws.com"}]
    return [
        *(
            node(f"node-{letter}", instance, letter)
            for letter, instance in zip("abc", INSTANCES, strict=True)
        ),
        *(daemon_set(name, image) for name, image in daemons.items()),
        daemon_set("aws-node", "amazon-k8s-cni:v1.20", args=["--enable-network-policy=true"]),
        described("CSIDriver", "secrets-store.csi.k8s.io", spec={"tokenRequests": tokens}),
        described("Namespace", "kube-system", status={"phase": "Active"}),
    ]


def node(name: str, instance: str, zone: str, *, arch: str = "amd64", cpu: str = "2") -> Object:
    labels: Json = {"topology.kubernetes.io/zone": f"{REGION}{zone}", "kubernetes.io/arch": arch}
    allocatable: Json = {"cpu": cpu, "memory": "4Gi", "pods": "29"}
    return described(
        "Node",
        name,
        metadata={"labels": labels},
        spec={"providerID": f"aws:///{REGION}{zone}/{instance}"},
        status={"allocatable": allocatable},
    )


def daemon_set(name: str, image: str, *, ready: int = 3, args: list[str] | None = None) -> Object:
    container: Json = {"name": name, "image": image, "args": json_list(args or [])}
    return described(
        "DaemonSet",
        name,
        "kube-system",
        spec={"template": {"spec": {"containers": [container]}}},
        status={"desiredNumberScheduled": 3, "numberReady": ready},
    )


def helm_record(status: str, revision: int = 1) -> Object:
    labels: Json = {"owner": "helm", "name": "maestro-server", "status": status, "version": str(revision)}
    return described(
        "Secret", f"sh.helm.release.v1.maestro-server.v{revision}", "maestro", metadata={"labels": labels}
    )


def _ready(deployment: Object) -> Object:
    return merged(deployment, {"status": {"readyReplicas": dig(deployment, "spec.replicas")}})


def _pod(name: str, deployment: Object) -> Object:
    template = record(record(deployment, "spec"), "template")
    states: Json = [{"name": "service", "ready": True, "restartCount": 0, "state": {"running": {}}}]
    return described(
        "Pod",
        name,
        "maestro",
        metadata={key: record(template, "metadata")[key] for key in ("labels", "annotations")},
        spec={"nodeName": "node-a", **record(template, "spec")},
        status={
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": states,
        },
    )


def _mounted(pod: str) -> Object:
    return described(
        "SecretProviderClassPodStatus", f"{pod}-maestro", "maestro", status={"mounted": True, "podName": pod}
    )


def pods(made: Patient) -> list[Object]:
    return [
        each
        for each in made.cluster.of_kind("Pod")
        if text(record(each, "metadata"), "namespace") == "maestro"
    ]


def unready(made: Patient, reason: str, message: str) -> None:
    """Make the server's pods wait, and say why."""
    deployment = made.cluster.of_kind("Deployment")[0]
    deployment["status"] = {"readyReplicas": 0}
    for each in pods(made):
        waiting: Json = {"waiting": {"reason": reason, "message": message}}
        each["status"] = {
            "phase": "Pending",
            "containerStatuses": [{"name": "service", "restartCount": 0, "state": waiting}],
        }


def warn(made: Patient, pod: str, reason: str, message: str) -> None:
    """Add a warning event about a pod."""
    made.cluster.objects.append(
        described(
            "Event",
            f"{pod}.{len(made.cluster.objects)}",
            "maestro",
            type="Warning",
            reason=reason,
            message=message,
            involvedObject={"name": pod},
            lastTimestamp="2026-11-30T20:00:00Z",
        )
    )
