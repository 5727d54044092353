"""examples/management-cluster on the real engine, against the real state of a region's stack."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from checks.aws_policy import PodIdentity, Request, is_allowed, parse, pod_may_assume, session_context
from common.json_values import Json, record, records, text
from emulator.aws.cloud import Cloud
from emulator.client import Emulation
from emulator.executables import ACCOUNT
from engine import go_yaml
from engine.project import Stack, load_stack, write_config
from maestro_stack.mqtt import Agent, Mqtt
from management_cluster.agent import CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT
from rehearse import build_world, engine, faults, settings_of
from tests.checkouts import ROOT
from tests.engine.attached import Attached
from tests.engine.conftest import Region, config

EXAMPLE = ROOT / "examples" / "management-cluster"
PROJECT = "maestro-management-clusters"
PLACES = {"mc": ("us-east-1", 1), "mc-east": ("eu-central-1", 1), "mc-e": ("us-east-1", 2)}
"""Region and account of each cluster; 0 is the region's account. One's name begins the others'."""
_accounts = itertools.count(210_000_000_000)
OF_AN_AGENT = {
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:iam/role:Role",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iot/certificate:Certificate",
    "aws:iot/policy:Policy",
    "aws:iot/policyAttachment:PolicyAttachment",
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:core/v1:Namespace",
    "maestro:agent:Agent",
    "pulumi:providers:kubernetes",
}
SHARED = {
    f"pulumi:pulumi:Stack {PROJECT}-test": "create",
    "pulumi:providers:aws region": "create",
    "pulumi:providers:pulumi default": "create",
}
"""What the stack makes once."""


def change(operation: str, *names: str) -> dict[str, str]:
    """This operation on everything that these agents have, and on nothing else."""
    own = {f"{type_} {name}": operation for name in names for type_ in OF_AN_AGENT}
    return own | {f"pulumi:providers:aws cluster-{name}": operation for name in names}


class Agents:
    """The example's stack beside a region's, which isn't up yet."""

    def __init__(self, region: Region, folder: Path, attached: Attached) -> None:
        self.region, self.folder = region, folder
        self.accounts = [region.account, *(str(next(_accounts)) for _ in range(2))]
        everywhere = self.stack(*PLACES)
        build_world(region.emulation, settings_of(everywhere), own=region.account)
        environment = {
            **region.emulation.environment("us-east-1"),
            ACCOUNT: region.account,
            "KUBECONFIG": "/dev/null",
            **attached.variables,
        }
        self.engine = engine(self.stack(), folder / "state", beside=region.engine, environment=environment)
        attached.heed(self.engine.variables)

    def stack(self, *names: str) -> Stack:
        clusters: dict[str, object] = {
            name: {"region": region, "roleArn": f"arn:aws:iam::{self.accounts[account]}:role/deployer"}
            for name in names
            for region, account in [PLACES[name]]
        }
        return self.configured({"region": {"stack": "organization/maestro-stack/test"}, "clusters": clusters})

    def configured(self, own: Mapping[str, object]) -> Stack:
        self.folder.mkdir(exist_ok=True)
        file = self.folder / "Pulumi.test.yaml"
        write_config(file, {f"{PROJECT}:{key}": value for key, value in own.items()})
        return load_stack(EXAMPLE, name="test", file=file)

    def moved_to(self, *names: str) -> dict[str, str]:
        """Have these clusters, and no others; returns what was planned, and done."""
        self.engine.configure(self.stack(*names))
        planned = self.engine.preview()
        done = self.engine.up()
        assert planned.succeeded, planned.text
        assert done.succeeded, done.text
        assert done.changes == planned.changes
        return planned.changes

    def state_of(self, *names: str) -> dict[str, tuple[str, str]]:
        """By the URNs of these agents' resources: the id, and when it was last modified."""
        resources = records(record(self.engine.export(), "deployment"), "resources")
        return {
            text(r, "urn"): (text(r, "id"), text(r, "modified"))
            for r in resources
            if text(r, "urn").rpartition("::")[2].removeprefix("cluster-") in names
        }

    def cloud(self, name: str) -> Cloud:
        """The account and region of a cluster."""
        region, account = PLACES[name]
        return self.region.emulation.cloud(region, self.accounts[account])


@pytest.fixture
def agents(emulation: Emulation, tmp_path: Path) -> Iterator[Agents]:
    with ExitStack() as running:
        first, second = (running.enter_context(Attached()) for _ in range(2))
        region = Region(emulation, tmp_path / "region", str(next(_accounts)), config(), attached=first)
        yield Agents(region, tmp_path / "agents", second)


def test_management_clusters_come_and_go_and_touch_nothing_of_each_other(agents: Agents) -> None:
    agents.engine.configure(agents.stack("mc", "mc-east"))
    both_new = agents.engine.preview()
    assert both_new.succeeded, both_new.text
    assert "organization/maestro-stack/test has no outputs yet" in "\n".join(both_new.diagnostics)

    agents.region.up()
    jsonschema.validate(
        agents.region.engine.outputs(), json.loads((ROOT / "docs/outputs.schema.json").read_text())
    )
    assert agents.moved_to("mc", "mc-east") == SHARED | change("create", "mc", "mc-east")
    assert both_new.changes == SHARED | change("create", "mc", "mc-east")

    two = agents.state_of("mc", "mc-east")
    assert len(two) == 2 * (len(OF_AN_AGENT) + 1)
    assert agents.moved_to("mc", "mc-east", "mc-e") == change("create", "mc-e")
    assert agents.state_of("mc", "mc-east") == two
    for name in PLACES:
        works(agents, name)
    others_are_safe(agents, "mc", "mc-east", "mc-e")
    secret = text(secret_of(agents, "mc-e"), "privateKey").splitlines()[1:-1]
    assert not [
        line for line in secret if line in json.dumps([agents.engine.export(), agents.engine.outputs()])
    ]

    left = agents.state_of("mc-east", "mc-e")
    assert agents.moved_to("mc-east", "mc-e") == change("delete", "mc")
    assert agents.state_of("mc-east", "mc-e") == left
    assert agents.engine.preview().changes == {}
    assert agents.region.preview().changes == {}
    for name in ("mc-east", "mc-e"):
        works(agents, name)

    destroyed = agents.engine.destroy()
    assert destroyed.succeeded, destroyed.text
    assert records(agents.cloud("mc").call("secretsmanager", "ListSecrets", {}), "SecretList") == []
    policies = records(agents.region.call("iot", "ListPolicies"), "policies")
    assert [text(policy, "policyName") for policy in policies] == ["maestro-server"]


def secret_of(agents: Agents, name: str) -> dict[str, str]:
    wanted: dict[str, Json] = {"SecretId": f"{name}/maestro/agent-mqtt-cert"}
    answer = agents.cloud(name).call("secretsmanager", "GetSecretValue", wanted)
    return json.loads(text(answer, "SecretString"))


def works(agents: Agents, name: str) -> None:
    """What an agent needs exists, and fits together."""
    cloud, region = agents.cloud(name), agents.region
    agent = Mqtt("maestro").agent(name)
    # The secret holds a key pair that the broker knows, and that carries the agent's policy.
    secret = secret_of(agents, name)
    assert set(secret) == {"certificate", "privateKey", "caCert"}  # as the server's, which the chart mounts
    certificate = x509.load_pem_x509_certificate(secret["certificate"].encode())
    key = load_pem_private_key(secret["privateKey"].encode(), None)
    assert certificate.public_key() == key.public_key()
    targets = region.call("iot", "ListTargetsForPolicy", policyName=agent.policy_name)["targets"]
    assert isinstance(targets, list)
    (target,) = targets
    known = region.call("iot", "DescribeCertificate", certificateId=str(target).rpartition("/")[2])
    described = record(known, "certificateDescription")
    assert described["status"] == "ACTIVE"
    assert text(described, "certificatePem").strip() == secret["certificate"].strip()
    # The pod may read that secret by its role, and nothing else.
    (association,) = records(
        cloud.call("eks", "ListPodIdentityAssociations", {"clusterName": name}), "associations"
    )
    assert (association["namespace"], association["serviceAccount"]) == (NAMESPACE, SERVICE_ACCOUNT)
    role = f"maestro-agent-{name}-{cloud.region}"
    pod = PodIdentity(
        account_id=cloud.account_id,
        cluster_arn=cloud.arn("eks", f"cluster/{name}"),
        cluster_name=name,
        namespace=NAMESPACE,
        service_account=SERVICE_ACCOUNT,
        pod_name="maestro-agent-0",
        pod_uid="00000000-0000-4000-8000-000000000000",
    )
    found = record(cloud.call("iam", "GetRole", {"RoleName": role}), "Role")
    assert pod_may_assume(parse(json.dumps(found["AssumeRolePolicyDocument"]), kind="trust"), pod).allowed
    granted = cloud.call("iam", "GetRolePolicy", {"RoleName": role, "PolicyName": "read-agent-secret"})
    policy = parse(json.dumps(granted["PolicyDocument"]), kind="identity")
    readable: list[str] = []
    for each in records(cloud.call("secretsmanager", "ListSecrets", {}), "SecretList"):
        read = Request(
            action="secretsmanager:GetSecretValue", resource=text(each, "ARN"), context=session_context(pod)
        )
        if is_allowed([policy], read).allowed:
            readable.append(text(each, "Name"))
    assert readable == [f"{name}/maestro/agent-mqtt-cert"]
    # The agent is told what its policy lets it do.
    asked: dict[str, Json] = {"cluster": cloud.arn("eks", f"cluster/{name}"), "operation": "objects"}
    objects = records(region.emulation.kubernetes(asked), "objects")
    (config_map,) = [o for o in objects if o["kind"] == "ConfigMap"]
    assert record(config_map, "metadata")["name"] == CONFIG_MAP
    data = record(config_map, "data")
    assert data["consumer-name"] == name
    assert f"{data['cloudevents-client-id']}-client" == agent.client_id
    file: Any = go_yaml.load(text(data, "config.yaml"))
    assert file["brokerHost"] == f"{region.engine.outputs()['maestro_iot_mqtt_endpoint']}:8883"
    assert file["topics"] == {"sourceEvents": agent.source_events, "agentEvents": agent.agent_events}
    assert {file[key].rpartition("/")[2] for key in ("caFile", "clientCertFile", "clientKeyFile")} == {
        "ca.crt",
        "certificate",
        "privateKey",
    }


def others_are_safe(agents: Agents, *names: str) -> None:
    """By the account's policies no agent can be another one or the server, or hear them."""
    everybody: list[Agent] = [Mqtt("maestro").agent(name) for name in names]
    assert faults(everybody, agents.region.cloud()) == []


def test_everything_missing_is_reported_at_once_and_nothing_is_made(agents: Agents) -> None:
    clusters = {"mc-gone": {"region": "us-east-1"}, "mc": {"region": "us-west-2"}}
    own = {"region": {"stack": "organization/maestro-stack/test"}, "clusters": clusters}
    agents.engine.configure(agents.configured(own))
    refused = agents.engine.preview()
    assert not refused.succeeded
    said = "\n".join(refused.diagnostics)
    assert 'clusters.mc-gone: EKS cluster "mc-gone" in us-east-1 can\'t be read' in said
    assert 'clusters.mc: EKS cluster "mc" in us-west-2 can\'t be read' in said
    assert "Traceback" not in refused.text
    planned = {step.type for step in refused.steps if step.operation == "create"}
    assert planned <= {"pulumi:pulumi:Stack", "pulumi:providers:aws", "pulumi:providers:pulumi"}


def test_the_rehearsal_says_what_would_be_built_and_that_it_would_work(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE / "rehearse.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "create aws:iot/policy:Policy mc-west" in done.stdout
    assert "✓ 2 agents: each may do its work, and not another's or the server's" in done.stdout
    assert list(tmp_path.iterdir()) == []
