"""A Maestro server's release in a namespace, and what it needs in AWS: secrets, a role, an association."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.json_values import Json, record, records, text
from controlplane import Api
from emulator.aws.cloud import Cloud
from tests.cluster.objects import CLUSTER, Tool, condition, wait_until

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "maestro-server-eso"
ENDPOINT = "abc123-ats.iot.us-east-1.amazonaws.com"
RELEASE = "maestro-server"
CERTIFICATE: Mapping[str, Json] = dict.fromkeys(("certificate", "privateKey", "caCert"), "PEM")
DATABASE: Mapping[str, Json] = {
    "username": "maestro",
    "password": "sesame-open-now",
    "host": "db.example.test",
    "port": "5432",
    "database": "maestro",
}


@dataclass(frozen=True)
class Identity:
    """What the pods of a namespace have in AWS, made through its API as the Pulumi program makes it."""

    cloud: Cloud
    namespace: str
    prefix: str
    """Cluster name in the secrets' names."""
    regions: Sequence[str] = field(kw_only=True)
    """Where the secrets are."""

    @property
    def certificate(self) -> str:
        return f"{self.prefix}/maestro/server-mqtt-cert"

    @property
    def database(self) -> str:
        return f"{self.prefix}/maestro/db-credentials"

    def make(self) -> None:
        for region in self.regions:
            for name, content in ((self.certificate, CERTIFICATE), (self.database, DATABASE)):
                self.cloud.in_region(region).call(
                    "secretsmanager", "CreateSecret", {"Name": name, "SecretString": json.dumps(content)}
                )
        trust = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}}
        document = _policy(trust | {"Action": ["sts:AssumeRole", "sts:TagSession"]})
        self.cloud.call("iam", "CreateRole", self._role | {"AssumeRolePolicyDocument": document})
        self.allow()
        self.associate()

    def remove(self) -> None:
        """Remove whatever of it is left."""
        for region in self.regions:
            cloud = self.cloud.in_region(region)
            for name in (self.certificate, self.database):
                key: dict[str, Json] = {"SecretId": name, "ForceDeleteWithoutRecovery": True}
                cloud.call("secretsmanager", "DeleteSecret", key)
        for found in self._associations():
            self._delete(found)
        if self.cloud.call("iam", "ListRolePolicies", self._role)["PolicyNames"]:
            self.forbid()
        self.cloud.call("iam", "DeleteRole", self._role)

    @property
    def _role(self) -> dict[str, Json]:
        return {"RoleName": f"maestro-{self.namespace}"}

    def allow(self) -> None:
        statement = {
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "Resource": [
                f"arn:aws:secretsmanager:*:{self.cloud.account_id}:secret:{name}-??????"
                for name in (self.certificate, self.database)
            ],
        }
        document: dict[str, Json] = {"PolicyName": "secrets", "PolicyDocument": _policy(statement)}
        self.cloud.call("iam", "PutRolePolicy", self._role | document)

    def forbid(self) -> None:
        self.cloud.call("iam", "DeleteRolePolicy", self._role | {"PolicyName": "secrets"})

    def associate(self) -> None:
        self.cloud.call(
            "eks",
            "CreatePodIdentityAssociation",
            {
                "clusterName": CLUSTER,
                "namespace": self.namespace,
                "serviceAccount": "maestro",
                "roleArn": self.cloud.arn("iam", f"role/{self._role['RoleName']}"),
            },
        )

    def dissociate(self) -> None:
        (found,) = self._associations()
        self._delete(found)

    def _associations(self) -> list[dict[str, Json]]:
        wanted: dict[str, Json] = {"clusterName": CLUSTER, "namespace": self.namespace}
        return records(self.cloud.call("eks", "ListPodIdentityAssociations", wanted), "associations")

    def _delete(self, association: Mapping[str, Json]) -> None:
        key: dict[str, Json] = {"clusterName": CLUSTER, "associationId": association["associationId"]}
        self.cloud.call("eks", "DeletePodIdentityAssociation", key)

    def write_database(self, content: Mapping[str, Json]) -> None:
        """A new version of the database's secret."""
        parameters: dict[str, Json] = {"SecretId": self.database, "SecretString": json.dumps(dict(content))}
        self.cloud.call("secretsmanager", "PutSecretValue", parameters)


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True, kw_only=True)
class Server:
    """The release in a namespace of the cluster."""

    api: Api
    helm: Tool
    identity: Identity

    @property
    def namespace(self) -> str:
        return self.identity.namespace

    def install(self, *flags: str, chart: Path = CHART, check: bool = True) -> str:
        """`helm install` with the minimal values."""
        return self._helm("install", flags, chart, check=check)

    def start(self, *flags: str, replicas: int = 2, chart: Path = CHART) -> None:
        """`install`, and wait for all pods. Sooner than `--wait`, which looks every two seconds."""
        self.install(*flags, chart=chart)
        self.wait_for_pods(replicas)

    def upgrade(self, *flags: str, chart: Path = CHART, check: bool = True) -> str:
        """`helm upgrade` with the minimal values."""
        return self._helm("upgrade", flags, chart, check=check)

    def _helm(self, command: str, flags: Sequence[str], chart: Path, *, check: bool) -> str:
        least = (f"--set=clusterName={self.identity.prefix}", f"--set=broker.endpoint={ENDPOINT}")
        return self.helm(command, RELEASE, str(chart), "-n", self.namespace, *least, *flags, check=check)

    def object(self, version: str, plural: str, name: str = "") -> dict[str, Json]:
        """An object of the namespace, or the list of all of its kind."""
        root = "apis" if "/" in version else "api"
        path = f"/{root}/{version}/namespaces/{self.namespace}/{plural}/{name}"
        return self.api.call("GET", path.rstrip("/"))

    def pods(self) -> list[dict[str, Json]]:
        """The pods that aren't being deleted."""
        listed = records(self.object("v1", "pods"), "items")
        return [pod for pod in listed if "deletionTimestamp" not in record(pod, "metadata")]

    def uids(self) -> set[str]:
        """The pods' uids."""
        return {text(record(pod, "metadata"), "uid") for pod in self.pods()}

    def revision(self) -> int:
        """The release's newest revision."""
        secrets = records(self.object("v1", "secrets"), "items")
        labels = [record(record(secret, "metadata"), "labels") for secret in secrets]
        return max(int(text(label, "version")) for label in labels if text(label, "owner") == "helm")

    def wait_for_pods(self, replicas: int = 2) -> None:
        """Wait until the rollout is over and all its pods are ready."""

        def done() -> bool:
            deployment = self.object("apps/v1", "deployments", "maestro")
            status = record(deployment, "status")
            current = status.get("observedGeneration") == record(deployment, "metadata")["generation"]
            counts = [status.get(key) for key in ("replicas", "updatedReplicas", "readyReplicas")]
            return current and counts == [replicas] * 3 and len(self.pods()) == replicas

        wait_until(done, f"{replicas} ready pods of one revision")

    def wait_for_failed_mounts(self) -> set[str]:
        """Wait for a FailedMount event of every pod; the texts, without what differs between pods."""

        def told() -> dict[str, str]:
            events = records(self.object("v1", "events"), "items")
            found = [event for event in events if text(event, "reason") == "FailedMount"]
            return {text(record(event, "involvedObject"), "name"): text(event, "message") for event in found}

        def names() -> set[str]:
            return {text(record(pod, "metadata"), "name") for pod in self.pods()}

        wait_until(lambda: names() and names() <= told().keys(), "every pod to tell why it waits")
        assert not any(condition(pod, "Ready") == "True" for pod in self.pods())
        messages = told()
        return {messages[name].replace(name, "POD") for name in names()}
