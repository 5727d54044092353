"""Every command of the READMEs, verbatim and in order, in a shell: does it show what the text says?

`terraform_based_readme.md` is the README of the Terraform-based chart, whose `helm` commands still work.
A command either runs and is looked at, or is in a table with the reason why it can't run here: a new one
fails until it is in one of the two.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import yaml

import tools
from common.json_values import Json, dig, record, records, text, texts
from controlplane import Api, ControlPlane
from emulator.aws.cloud import Cloud
from emulator.client import Emulation
from engine.project import load_stack
from maestro_stack.settings import parse
from rehearsal.kubelet import Kubelet
from tests.cluster.objects import CLUSTER, OURS, REGION, Tool, wait_until
from tests.cluster.readme import Shell, blocks, commands
from tests.cluster.server import CHART, ENDPOINT, RELEASE, ROOT, Identity, Server

CHART_README = CHART.joinpath("README.md").read_text(encoding="utf-8")
PAGES = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/operating.md"))
"""What a person who builds and runs a region reads."""
TERRAFORM_README = Path(__file__).with_name("terraform_based_readme.md").read_text(encoding="utf-8")

WEST = "us-west-2"
"""The region of both READMEs' values files."""
NEW_ENDPOINT = "new456-ats.iot.us-east-1.amazonaws.com"
BOOTSTRAP = "/api/v1/namespaces/kube-system/configmaps"
NO_CLUSTER_NAME = (
    "Unable to determine cluster name. ConfigMap kube-system/bootstrap-output not found "
    "and clusterName not provided in values"
)
FAILED_MOUNT = (
    'MountVolume.SetUp failed for volume "secrets-store" : rpc error: code = Unknown desc = '
    "failed to mount secrets store objects"
)


@dataclass
class Scene:
    """The person's folder and shell, and the world around."""

    folder: Path
    shell: Shell
    api: Api
    helm: Tool
    server: Server
    pulumi: Callable[..., str]
    pods_before: set[str] = field(default_factory=set[str])
    """Their UIDs, for a step that compares them."""

    @property
    def identity(self) -> Identity:
        return self.server.identity

    def set_endpoint(self, endpoint: str) -> None:
        """What `pulumi stack output` and `terraform output` print from now on."""
        outputs = {"cluster_name": CLUSTER, "maestro_iot_mqtt_endpoint": endpoint}
        self.folder.joinpath("outputs.json").write_text(json.dumps(outputs))
        stack = "urn:pulumi:us-east-1::maestro-stack::pulumi:pulumi:Stack::maestro-stack-us-east-1"
        root = {"urn": stack, "custom": False, "type": "pulumi:pulumi:Stack", "outputs": outputs}
        manifest = {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}
        state = {"version": 3, "deployment": {"manifest": manifest, "resources": [root]}}
        self.folder.joinpath("state.json").write_text(json.dumps(state))
        self.pulumi("stack", "import", "--file", "state.json")

    def make_bootstrap(self) -> None:
        metadata: dict[str, Json] = {"name": "bootstrap-output"}
        self.api.call("POST", BOOTSTRAP, {"metadata": metadata, "data": {"cluster_name": CLUSTER}})

    def remove_bootstrap(self) -> None:
        self.api.raw("DELETE", f"{BOOTSTRAP}/bootstrap-output")

    def uninstall(self) -> None:
        """Uninstall, so that a README can install several times."""
        if self.api.exists(f"/api/v1/namespaces/{OURS}"):
            self.helm("uninstall", RELEASE, "-n", OURS, "--ignore-not-found")
            wait_until(lambda: not self.server.pods(), "the pods to go")

    def installed(self, kind: str, name: str = "maestro") -> dict[str, Json]:
        """An object of the release, as the API server has it."""
        versions = {
            "configmaps": "v1",
            "deployments": "apps/v1",
            "secretproviderclasses": "secrets-store.csi.x-k8s.io/v1",
        }
        return self.server.object(versions[kind], kind, name)

    def manifest(self) -> list[object]:
        """What Helm says that it installed."""
        return documents(self.helm("get", "manifest", RELEASE, "-n", OURS))


def documents(manifest: str) -> list[object]:
    """The objects of a manifest, in order."""
    return list(yaml.safe_load_all(manifest))


Look = Callable[[Scene, str], object]


def nothing_special(_scene: Scene, _output: str) -> None:
    """For a command that only has to succeed."""


def silent(_scene: Scene, output: str) -> None:
    assert output == ""


def shows(*parts: str) -> Look:
    def look(_scene: Scene, output: str) -> None:
        for part in parts:
            assert part in output

    return look


def prints(expected: str) -> Look:
    def look(_scene: Scene, output: str) -> None:
        assert output.removesuffix("\n") == expected

    return look


def installs(*, replicas: int = 2, endpoint: str = ENDPOINT, region: str = REGION) -> Look:
    """The release gets ready, with this endpoint and the secrets of this region and cluster."""

    def look(scene: Scene, output: str) -> None:
        assert "STATUS: deployed" in output
        scene.server.wait_for_pods(replicas)
        config = text(record(scene.installed("configmaps", "maestro-mqtt"), "data"), "config.yaml")
        assert f"brokerHost: {endpoint}:8883" in config.replace('"', "")
        parameters = record(
            record(scene.installed("secretproviderclasses", "maestro-secrets"), "spec"), "parameters"
        )
        assert text(parameters, "region") == region
        assert re.findall(r'objectName: "(.*)"', text(parameters, "objects")) == [
            f"{CLUSTER}/maestro/server-mqtt-cert",
            f"{CLUSTER}/maestro/db-credentials",
        ]

    return look


@dataclass(frozen=True)
class Step:
    """A command that runs: its beginning, and what it shows."""

    begins: str
    look: Look = nothing_special
    before: Callable[[Scene], object] = lambda _: None
    """Sets up what the README's paragraph is about."""
    status: int = 0


GET_CONFIG_MAP = "kubectl get configmap bootstrap-output -n kube-system"
GET_ENDPOINT = Step("MQTT_ENDPOINT=$(", silent)
GET_CLUSTER_NAME = Step("CLUSTER_NAME=$(", silent)
INSTALL = f"helm install {RELEASE} charts/maestro-server-eso"
UPGRADE = f"helm upgrade {RELEASE} charts/maestro-server-eso"
NODE = "no container runs here, so there is no log"
INTERNET = "needs the internet"
ADD_ON = "EKS add-ons aren't emulated; the driver is played (controlplane/README.md)"
ENGINE = "the engine's tests run it (tests/engine)"
OTHER_TIER = "the other tiers run it, or this is it"
KEY = "needs a KMS key"
REPAIRS = "tests/cluster/test_release_repairs.py runs it"
VERSIONS = "the emulated RDS has no such paths"


def plain(command: str) -> str:
    """A command on one line, without the comment at its end."""
    return re.sub(r"\s+# .*$", "", " ".join(command.replace("\\\n", " ").split()))


def play(scene: Scene, readme: str, steps: Sequence[Step], not_run: Mapping[str, str]) -> None:
    """Run a README's commands."""
    found = [commands(block) for block in blocks(readme, "bash")]
    every = [plain(command) for block in found for command in block]
    assert sorted(not_run.keys() - set(every)) == [], "no longer in the README"
    to_run = [command for command in every if command not in not_run]
    expected = [step.begins for step in steps]
    assert [c[: len(b)] for c, b in zip(to_run, expected, strict=False)] == expected[: len(to_run)]
    assert len(to_run) == len(expected), "commands that neither run nor are listed as not run"
    remaining = iter(steps)
    for block in found:
        scene.shell.run(f"cd {scene.folder}")  # each block is a fresh start, except for the variables
        for command in block:
            if plain(command) not in not_run:
                run(scene, command, next(remaining))


def run(scene: Scene, command: str, step: Step) -> None:
    if command.startswith(INSTALL):
        scene.uninstall()
    step.before(scene)
    status, output = scene.shell.run(command)
    try:
        assert status == step.status
        step.look(scene, output)
    except BaseException as error:
        error.add_note(f"$ {command}\n{output}")
        raise


# --- ours -------------------------------------------------------------------------------------------


def shows_pods(scene: Scene, output: str) -> None:
    lines = [line.split() for line in output.splitlines()[1:]]
    assert [line[1:3] for line in lines] == [["1/1", "Running"]] * 2
    assert len(scene.server.pods()) == 2


def takes_the_bundle(scene: Scene, output: str) -> None:
    assert "STATUS: deployed" in output
    supplied = scene.folder.joinpath("il-central-1-bundle.pem").read_text(encoding="utf-8")
    assert text(record(scene.installed("configmaps", "maestro-rds-ca"), "data"), "ca.pem") == supplied
    scene.server.wait_for_pods()


def is_what_was_installed(scene: Scene, output: str) -> None:
    assert documents(output) == scene.manifest()


def is_what_argocd_reads(scene: Scene, output: str) -> None:
    """The file, and both Applications' values, rendered as ArgoCD does: without the cluster."""
    assert output == ""
    file = scene.folder / "argocd/regional-cluster/maestro-server-values.yaml"
    values: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert values == {"clusterName": CLUSTER, "broker": {"endpoint": ENDPOINT}}
    inline, by_file = (
        cast("dict[str, Json]", yaml.safe_load(block))
        for block in blocks(CHART_README, "yaml")
        if "valueFiles" in block or "kind: Application\n" in block
    )
    (path,) = texts(record(record(record(by_file, "spec"), "source"), "helm"), "valueFiles")
    chart = scene.folder / "charts" / "maestro-server-eso"
    assert os.path.normpath(chart / path) == str(file)
    scene.folder.joinpath("inline.yaml").write_text(
        text(cast("dict[str, Json]", dig(inline, "spec.source.helm")), "values")
    )
    for given in (file, scene.folder / "inline.yaml"):
        rendered = scene.helm("template", RELEASE, str(CHART), "-n", OURS, "-f", str(given))
        secrets = next(each for each in documents(rendered) if "SecretProviderClass" in str(each))
        assert f"{CLUSTER}/maestro/db-credentials" in str(secrets)


def without_the_config_map(scene: Scene) -> None:
    """As the section begins: with its error, word for word."""
    scene.uninstall()
    scene.remove_bootstrap()
    fails_as_printed(scene, f"{INSTALL} -n maestro --set broker.endpoint={ENDPOINT}")


def without_the_endpoint(scene: Scene) -> None:
    scene.uninstall()
    scene.make_bootstrap()
    fails_as_printed(scene, f"{INSTALL} -n maestro")


def fails_as_printed(scene: Scene, command: str) -> None:
    status, output = scene.shell.run(command)
    assert status == 1
    # Where the ConfigMap is looked for, the README prints no line and column.
    said = re.sub(r"(secretproviderclass\.yaml):\d+:\d+", r"\1:X:X", output)
    assert f"\n```\n{said}```\n" in CHART_README


def without_the_association(scene: Scene) -> None:
    scene.identity.dissociate()
    scene.uninstall()
    scene.shell.run(f"{INSTALL} -n maestro --set broker.endpoint={ENDPOINT}")
    scene.server.wait_for_failed_mounts()


def has_no_association(_scene: Scene, output: str) -> None:
    assert json.loads(output) == {"associations": []}


def says_why_pods_wait(scene: Scene, output: str) -> None:
    """So does the command that the installation's notes name."""
    assert output.count(FAILED_MOUNT) >= 2
    assert FAILED_MOUNT in CHART_README
    notes = scene.helm("get", "notes", RELEASE, "-n", OURS)
    (command,) = (line for line in notes.splitlines() if "kubectl describe" in line)
    assert FAILED_MOUNT in scene.shell.run(command)[1]


def heals_by_itself(scene: Scene, _output: str) -> None:
    """The section's last sentence."""
    waiting = scene.server.uids()
    scene.identity.associate()
    scene.server.wait_for_pods()
    assert scene.server.uids() == waiting


def lists_both_secrets(_scene: Scene, output: str) -> None:
    names = [f"{CLUSTER}/maestro/{name}" for name in ("db-credentials", "server-mqtt-cert")]
    assert sorted(json.loads(output)) == names


def is_installed_from_the_file(scene: Scene, output: str) -> None:
    installs(replicas=3, endpoint="xxxxx-ats.iot.us-west-2.amazonaws.com", region=WEST)(scene, output)
    assert "WARNING" not in output
    requests = [
        record(record(container, "resources"), "requests")
        for container in records(
            cast("dict[str, Json]", dig(scene.installed("deployments"), "spec.template.spec")), "containers"
        )
    ]
    assert requests == [{"cpu": "500m", "memory": "1Gi"}]


def remember_pods(scene: Scene) -> None:
    scene.pods_before = scene.server.uids()


def restarts_pods(scene: Scene, _output: str) -> None:
    scene.server.wait_for_pods(3)
    assert scene.server.uids().isdisjoint(scene.pods_before)


def is_uninstalled(scene: Scene, output: str) -> None:
    assert output == f'release "{RELEASE}" uninstalled\n'
    wait_until(lambda: not scene.server.pods(), "the pods to go")
    assert scene.api.exists(f"/api/v1/namespaces/{OURS}")
    assert scene.helm("list", "-n", OURS, "-q") == ""


CHART_STEPS = (
    Step(GET_CONFIG_MAP, shows("bootstrap-output")),
    Step(f"{GET_CONFIG_MAP} -o jsonpath=", prints(CLUSTER)),
    Step("pulumi stack output maestro_iot_mqtt_endpoint", prints(ENDPOINT)),
    Step("kubectl get csidriver", shows("pods.eks.amazonaws.com")),
    Step("kubectl get daemonset -A", shows("secrets-store-csi-driver-provider-aws")),
    GET_ENDPOINT,
    Step(INSTALL, installs()),
    Step(INSTALL, is_installed_from_the_file),
    Step(INSTALL, takes_the_bundle),
    Step("kubectl get pods -n maestro", shows_pods, lambda scene: scene.server.wait_for_pods()),
    GET_ENDPOINT,
    Step(INSTALL, installs()),
    Step("kubectl get pods -n maestro", shows_pods),
    Step(f"helm template {RELEASE}", is_what_was_installed),
    Step("cat > argocd/", is_what_argocd_reads),
    Step(GET_CONFIG_MAP, shows('configmaps "bootstrap-output" not found'), without_the_config_map, status=1),
    GET_CLUSTER_NAME,
    Step(INSTALL, installs(endpoint="xxxxx-ats.iot.us-east-1.amazonaws.com")),
    Step("MQTT_ENDPOINT=$(", silent, without_the_endpoint),
    Step(INSTALL, installs()),
    Step("CLUSTER_NAME=$(", silent, without_the_association),
    Step("aws secretsmanager describe-secret", shows(f'"Name": "{CLUSTER}/maestro/server-mqtt-cert"')),
    Step("aws secretsmanager describe-secret", shows(f'"Name": "{CLUSTER}/maestro/db-credentials"')),
    Step(
        "kubectl get secretproviderclass maestro-secrets",
        shows(
            f"{CLUSTER}/maestro/server-mqtt-cert", f"{CLUSTER}/maestro/db-credentials", f"region: {REGION}"
        ),
    ),
    Step("aws eks list-pod-identity-associations", has_no_association),
    Step("kubectl describe pod", says_why_pods_wait),
    Step("kubectl get secretproviderclasspodstatus", shows("No resources found")),
    Step("kubectl get daemonset -A", heals_by_itself),
    Step("aws secretsmanager list-secrets", lists_both_secrets),
    Step("MQTT_ENDPOINT=$(", silent, lambda scene: scene.set_endpoint(NEW_ENDPOINT)),
    Step(UPGRADE, installs(endpoint=NEW_ENDPOINT)),
    Step(UPGRADE, is_installed_from_the_file),
    Step("kubectl rollout restart", restarts_pods, remember_pods),
    Step("helm uninstall", is_uninstalled),
)
CHART_NOT_RUN = {
    "pulumi up": ENGINE,
    'openssl s_client -tls1_3 -connect "$(pulumi stack output maestro_iot_mqtt_endpoint):8883" '
    "</dev/null": INTERNET,
    'aws eks create-addon --cluster-name "$(pulumi stack output cluster_name)" '
    "--addon-name aws-secrets-store-csi-driver-provider": ADD_ON,
    "helm repo add aws-secrets-manager https://aws.github.io/secrets-store-csi-driver-provider-aws": INTERNET,
    "helm install secrets-provider-aws aws-secrets-manager/secrets-store-csi-driver-provider-aws "
    "--namespace kube-system": INTERNET,
    'aws eks create-addon --cluster-name "$(pulumi stack output cluster_name)" '
    "--addon-name eks-pod-identity-agent": ADD_ON,
    "kubectl logs -n maestro deployment/maestro -c service": NODE,
    "kubectl logs -n maestro -l component=maestro-server -c migration": NODE,
    "kubectl logs -n maestro deployment/maestro -c service --previous": NODE,
}


def test_the_charts_readme(scene: Scene) -> None:
    """The values file is the one that the README prints."""
    (values,) = (block for block in blocks(CHART_README, "yaml") if "the one required value" in block)
    scene.folder.joinpath("custom-values.yaml").write_text(values, encoding="utf-8")
    bundle = (CHART / "files" / "rds-ca" / "us-east-1.pem").read_text(encoding="utf-8")
    scene.folder.joinpath("il-central-1-bundle.pem").write_text(bundle, encoding="utf-8")
    play(scene, CHART_README, CHART_STEPS, CHART_NOT_RUN)


def configures(key: str, value: object) -> Look:
    """The stack file holds the key."""

    def look(scene: Scene, _output: str) -> None:
        assert load_stack(scene.folder, name="us-east-1").own_config[key] == value

    return look


def outputs_all(_scene: Scene, output: str) -> None:
    assert json.loads(output) == {"cluster_name": CLUSTER, "maestro_iot_mqtt_endpoint": ENDPOINT}


STEPS = (
    Step("pulumi config set aws:region us-east-1", configures("aws:region", REGION)),
    Step("pulumi config set clusterName", configures("maestro-stack:clusterName", CLUSTER)),
    Step("pulumi config set profile", configures("maestro-stack:profile", "dev")),
    Step("pulumi config set --path rotation.certificate"),
    Step(
        "pulumi config set --path rotation.database",
        configures("maestro-stack:rotation", {"certificate": "2026-12", "database": "2026-12"}),
    ),
    Step("pulumi config set --path rotation.certificate"),
    Step(
        "pulumi config set --path rotation.keepCertificate",
        configures(
            "maestro-stack:rotation",
            {"certificate": "2026-12", "database": "2026-12", "keepCertificate": "2026-11"},
        ),
    ),
    Step(
        "pulumi config rm --path rotation.keepCertificate",
        configures("maestro-stack:rotation", {"certificate": "2026-12", "database": "2026-12"}),
    ),
    Step(
        "pulumi config set --path database.deletionProtection",
        configures("maestro-stack:database", {"deletionProtection": False}),
        lambda scene: scene.shell.run("pulumi config set profile production"),  # whose guards are lifted
    ),
    Step("pulumi config set --path 'acknowledge[0].key'"),
    Step(
        "pulumi config set --path 'acknowledge[0].reason'",
        configures(
            "maestro-stack:acknowledge",
            [{"key": "database.deletionProtection", "reason": "the region closes"}],
        ),
    ),
)
_VERSIONS = "aws rds describe-db-engine-versions --engine postgres --engine-version"
NOT_RUN = {
    "make rehearse": OTHER_TIER,
    "make test": OTHER_TIER,
    "git clone https://YOUR-HOST/YOUR-ORG/maestro-stack && cd maestro-stack": INTERNET,
    "pulumi login s3://STATE-BUCKET": INTERNET,
    "pulumi install": INTERNET,
    'pulumi stack init us-east-1 --secrets-provider="awskms://alias/ALIAS?region=us-east-1"': KEY,
    ".venv/bin/python -m pip install -r requirements-doctor.txt": INTERNET,
    ".venv/bin/python -m doctor --stack us-east-1": OTHER_TIER,
    "pulumi up": ENGINE,
    "kubectl get events -n maestro --field-selector type=Warning --sort-by .lastTimestamp": REPAIRS,
    "helm rollback maestro-server -n maestro": REPAIRS,
    "pulumi refresh --yes --skip-preview": REPAIRS,
    f"{_VERSIONS} RUNNING --query 'DBEngineVersions[].ValidUpgradeTarget[].EngineVersion'": VERSIONS,
    f"{_VERSIONS} 17 --default-only --query 'DBEngineVersions[].EngineVersion'": VERSIONS,
    "pulumi state unprotect --all": ENGINE,
    "pulumi destroy": ENGINE,
}


def test_the_readme_and_the_page_of_operating(scene: Scene) -> None:
    """The program accepts what they configure."""
    play(scene, PAGES, STEPS, NOT_RUN)
    stack = load_stack(scene.folder, name="us-east-1")
    settings = parse(stack.config, project=stack.project, root=ROOT)
    assert (settings.cluster_name, settings.is_production) == (CLUSTER, True)


# --- the Terraform-based one -------------------------------------------------------------------------

NO_DRIVER_OF_THAT_NAME = Step("kubectl get pods -n kube-system | grep csi-secrets-store", silent, status=1)
"""Although the driver is there, as docs/from-terraform.md says about this check."""


def shows_no_pod_identity(_scene: Scene, output: str) -> None:
    assert "Annotations" in output
    assert "checksum/mqtt-config" in output
    assert "eks.amazonaws.com" not in output


def is_not_enough_for_argocd(scene: Scene, output: str) -> None:
    """Without `clusterName`, as docs/from-terraform.md says."""
    assert output == ""
    file = scene.folder / "argocd/regional-cluster/maestro-server-values.yaml"
    told = scene.helm("template", RELEASE, str(CHART), "-n", OURS, "-f", str(file), check=False)
    assert NO_CLUSTER_NAME in told
    scene.helm("template", RELEASE, str(CHART), "-n", OURS, "-f", str(file), "--set=clusterName=regional-xyz")


def is_installed_from_their_file(scene: Scene, output: str) -> None:
    """Its region isn't its endpoint's."""
    installs(replicas=3, endpoint="xxxxx.iot.us-east-1.amazonaws.com", region=WEST)(scene, output)
    assert f"WARNING: the secrets and the RDS certificates are those of {WEST} (aws.region)" in output
    deployment = scene.installed("deployments")
    assert ":v0.2.0" in str(dig(deployment, "spec.template.spec"))


AT_A_SAMPLE = installs(endpoint="xxxxx.iot.us-east-1.amazonaws.com")
TERRAFORM_STEPS = (
    Step("cd terraform/", silent),
    Step("terraform apply"),
    Step(GET_CONFIG_MAP, shows("bootstrap-output")),
    Step(f"{GET_CONFIG_MAP} -o jsonpath=", prints(CLUSTER)),
    Step("cd terraform/", silent),
    Step("terraform output -raw", prints(ENDPOINT)),
    NO_DRIVER_OF_THAT_NAME,
    GET_ENDPOINT,
    Step(INSTALL, installs()),
    Step(INSTALL, is_installed_from_their_file),
    Step("cd terraform/", silent),
    Step("terraform apply"),
    GET_ENDPOINT,
    Step("cd ../../..", silent),
    Step(INSTALL, installs()),
    Step("kubectl get pods -n maestro", shows_pods),
    Step("cat > argocd/", is_not_enough_for_argocd),
    Step(GET_CONFIG_MAP, shows("bootstrap-output")),
    Step(INSTALL, AT_A_SAMPLE, Scene.remove_bootstrap),
    GET_CLUSTER_NAME,
    Step(INSTALL, AT_A_SAMPLE),
    GET_ENDPOINT,
    Step(INSTALL, installs(), Scene.make_bootstrap),
    GET_CLUSTER_NAME,
    Step("aws secretsmanager describe-secret", shows(f'"Name": "{CLUSTER}/maestro/server-mqtt-cert"')),
    Step("aws secretsmanager describe-secret", shows(f'"Name": "{CLUSTER}/maestro/db-credentials"')),
    Step("kubectl describe pod", shows_no_pod_identity),
    NO_DRIVER_OF_THAT_NAME,
    Step("MQTT_ENDPOINT=$(", silent, lambda scene: scene.set_endpoint(NEW_ENDPOINT)),
    Step(UPGRADE, installs(endpoint=NEW_ENDPOINT)),
    Step(UPGRADE, is_installed_from_their_file),
    Step("helm uninstall", is_uninstalled),
)
RAW = "https://raw.githubusercontent.com"
DRIVER = f"kubectl apply -f {RAW}/kubernetes-sigs/secrets-store-csi-driver/main/deploy"
TERRAFORM_NOT_RUN = {
    **{
        f"{DRIVER}/{name}.yaml": INTERNET
        for name in (
            "rbac-secretproviderclass",
            "csidriver",
            "secrets-store.csi.x-k8s.io_secretproviderclasses",
            "secrets-store.csi.x-k8s.io_secretproviderclasspodstatuses",
            "secrets-store-csi-driver",
        )
    },
    f"kubectl apply -f {RAW}/aws/secrets-store-csi-driver-provider-aws/main/deployment/"
    "aws-provider-installer.yaml": INTERNET,
    "kubectl logs -n maestro deployment/maestro -c service": NODE,
    "spec: source: helm: "
    "valueFiles: - ../../argocd/regional-cluster/maestro-server-values.yaml": "it is no command",
}


def test_the_terraform_based_readme(scene: Scene) -> None:
    """Where it forgets `-n maestro`, the environment sets it."""
    (values,) = (block for block in blocks(TERRAFORM_README, "yaml") if "# REQUIRED" in block)
    scene.folder.joinpath("custom-values.yaml").write_text(values, encoding="utf-8")
    scene.shell.run("export HELM_NAMESPACE=maestro")
    play(scene, TERRAFORM_README, TERRAFORM_STEPS, TERRAFORM_NOT_RUN)


# --- the scene --------------------------------------------------------------------------------------

TERRAFORM = """\
#!{python}
import json, sys
outputs = json.load(open("{outputs}"))
match sys.argv[1:]:
    case ["apply"]: print("Apply complete!")
    case ["output", "-raw", name]: sys.stdout.write(outputs[name])
    case other: sys.exit(f"not played: {{other}}")
"""


@pytest.fixture
def scene(
    api: Api,
    cloud: Cloud,
    control_plane: ControlPlane,
    emulation: Emulation,
    helm: Tool,
    tmp_path: Path,
    clean_cluster: None,  # noqa: ARG001 the release's names are fixed
    kubelet: Kubelet,  # noqa: ARG001 without it no pod becomes ready
) -> Iterator[Scene]:
    """A folder with the chart, the ConfigMap, and what `pulumi up` leaves in AWS and in its state."""
    folder, programs = tmp_path / "work", tmp_path / "bin"
    for made in (folder / "terraform/config/regional-cluster", folder / "argocd/regional-cluster", programs):
        made.mkdir(parents=True)
    folder.joinpath("charts").symlink_to(CHART.parent)
    folder.joinpath("Pulumi.yaml").symlink_to(ROOT / "Pulumi.yaml")
    for name in ("helm", "kubectl", "pulumi"):
        program = tools.find(name)
        assert program is not None
        programs.joinpath(name).symlink_to(program)
    programs.joinpath("aws").symlink_to(Path(sys.executable).with_name("aws"))
    terraform = programs / "terraform"
    terraform.write_text(TERRAFORM.format(python=sys.executable, outputs=folder / "outputs.json"))
    terraform.chmod(stat.S_IRWXU)
    environment = emulation.environment(REGION) | {
        "PATH": f"{programs}:{os.defpath}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(control_plane.kubeconfig),
        "PULUMI_HOME": str(tmp_path / "pulumi"),
        "PULUMI_BACKEND_URL": tmp_path.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "of a test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    identity = Identity(cloud, OURS, CLUSTER, regions=(REGION, WEST))
    server = Server(api=api, helm=helm, identity=identity)
    with Shell(folder, environment) as shell, made_in_aws(identity):

        def pulumi(*arguments: str) -> str:
            status, output = shell.run(f"cd {folder} && pulumi {' '.join(arguments)}")
            assert status == 0, output
            return output

        pulumi("stack", "init", "us-east-1")
        scene = Scene(folder, shell, api, helm, server, pulumi)
        scene.set_endpoint(ENDPOINT)
        scene.make_bootstrap()
        yield scene


@contextmanager
def made_in_aws(identity: Identity) -> Generator[None]:
    identity.make()
    try:
        yield
    finally:
        identity.remove()
