"""Where the cluster's name comes from: the value, the ConfigMap, or an error that says what is missing."""

import re
from collections.abc import Callable, Mapping

import pytest

from common.json_values import Json
from controlplane import Api
from tests.cluster.objects import Tool
from tests.cluster.server import CHART, ENDPOINT, RELEASE

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
MISSING = (
    r"execution error at \(maestro-server-eso/templates/secretproviderclass\.yaml:\d+:\d+\): "
    r"Unable to determine cluster name\. ConfigMap kube-system/bootstrap-output not found "
    r"and clusterName not provided in values\n"
)
INSTALL = ("install", RELEASE, str(CHART))
AS_INSTALLER = ("--kube-as-user=installer",)

pytestmark = pytest.mark.usefixtures("clean_cluster")

Command = Callable[..., str]


@pytest.fixture
def command(helm: Tool, namespace: str) -> Command:
    """Helm on the chart, with an endpoint, in a namespace for the test alone."""

    def run(*arguments: str, check: bool = True) -> str:
        return helm(*arguments, "-n", namespace, f"--set=broker.endpoint={ENDPOINT}", check=check)

    return run


@pytest.fixture
def installed(helm: Tool, namespace: str) -> Callable[[], str]:
    """The cluster's name in the release's secrets; fails without a release."""

    def read() -> str:
        return name_in(helm("get", "manifest", RELEASE, "-n", namespace))

    return read


def name_in(manifest: str) -> str:
    certificate, database = re.findall(
        r'objectName: "(.*)/maestro/(?:server-mqtt-cert|db-credentials)"', manifest
    )
    assert certificate == database
    return certificate


def make(api: Api, content: Mapping[str, Json]) -> None:
    metadata: dict[str, Json] = {"name": "bootstrap-output"}
    api.call("POST", CONFIG_MAPS, {"metadata": metadata, **content})


def test_the_config_map_names_the_cluster(api: Api, command: Command, installed: Callable[[], str]) -> None:
    make(api, {"data": {"cluster_name": "regional-abc", "cluster_type": "regional"}})
    command(*INSTALL)
    assert installed() == "regional-abc"


def test_a_given_name_wins_over_the_config_map(
    api: Api, command: Command, installed: Callable[[], str]
) -> None:
    make(api, {"data": {"cluster_name": "regional-abc"}})
    command(*INSTALL, "--set=clusterName=regional-xyz")
    assert installed() == "regional-xyz"


def test_an_upgrade_looks_again(api: Api, command: Command, installed: Callable[[], str]) -> None:
    command(*INSTALL, "--set=clusterName=regional-xyz")
    make(api, {"data": {"cluster_name": "regional-abc"}})
    command("upgrade", RELEASE, str(CHART), "--reuse-values")
    assert installed() == "regional-xyz"
    command("upgrade", RELEASE, str(CHART))
    assert installed() == "regional-abc"
    api.raw("DELETE", f"{CONFIG_MAPS}/bootstrap-output")
    assert re.fullmatch(
        f"Error: UPGRADE FAILED: {MISSING}", command("upgrade", RELEASE, str(CHART), check=False)
    )
    assert installed() == "regional-abc"


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        {"data": {}},
        {"data": {"cluster_type": "regional"}},
        {"data": {"cluster_name": ""}},
        {"data": {"cluster_name": " \n"}},
        {"binaryData": {"cluster_name": "cmVnaW9uYWwteHl6"}},
    ],
    ids=["absent", "bare", "no keys", "other key", "empty", "blank", "binary"],
)
def test_without_a_name_in_it_nothing_is_installed(
    api: Api, helm: Tool, namespace: str, command: Command, content: Mapping[str, Json] | None
) -> None:
    if content is not None:
        make(api, content)
    told = command(*INSTALL, check=False)
    assert re.fullmatch(f"Error: INSTALLATION FAILED: {MISSING}", told)
    assert helm("list", "--all", "-q", "-n", namespace) == ""


def test_only_what_asks_the_cluster_finds_it(api: Api, command: Command) -> None:
    make(api, {"data": {"cluster_name": "regional-abc"}})
    assert name_in(command(*INSTALL, "--dry-run=server")) == "regional-abc"
    assert re.fullmatch(
        f"Error: INSTALLATION FAILED: {MISSING}", command(*INSTALL, "--dry-run=client", check=False)
    )
    rendered = command("template", RELEASE, str(CHART), check=False)
    assert re.match(f"Error: {MISSING}", rendered)
    assert (
        name_in(command("template", RELEASE, str(CHART), "--set=clusterName=regional-xyz")) == "regional-xyz"
    )


def test_whoever_may_not_read_it_is_told_so_and_needs_the_value(
    api: Api, namespace: str, command: Command, installed: Callable[[], str]
) -> None:
    """An administrator of the release's namespace alone."""
    make(api, {"data": {"cluster_name": "regional-abc"}})
    group = "rbac.authorization.k8s.io"
    binding: dict[str, Json] = {
        "metadata": {"name": "installer"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "installer"}],
    }
    api.call("POST", f"/apis/{group}/v1/namespaces/{namespace}/rolebindings", binding)
    told = command(*INSTALL, *AS_INSTALLER, check=False)
    assert told.startswith("Error: INSTALLATION FAILED: ")
    assert (
        'error calling lookup: configmaps "bootstrap-output" is forbidden: User "installer" cannot get '
        'resource "configmaps" in API group "" in the namespace "kube-system"'
    ) in told
    command(*INSTALL, *AS_INSTALLER, "--set=clusterName=regional-xyz")
    assert installed() == "regional-xyz"


def test_without_an_endpoint_the_error_is_the_readmes(helm: Tool, namespace: str) -> None:
    told = helm(*INSTALL, "-n", namespace, "--set=clusterName=regional-xyz", check=False)
    assert told == (
        "Error: INSTALLATION FAILED: execution error at (maestro-server-eso/templates/configmap.yaml:1:4): "
        "broker.endpoint is required\n"
    )
