"""The program holds in every partition, with each profile, and with the longest and oddest legal names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.aws import TAGGABLE_TYPES
from tests.rehearsal.conftest import Outcome, Rehearse, sound

SUFFIX = {"cn-north-1": "amazonaws.com.cn"}
PARTITION = {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}
SHIPPED = ("us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1")
SUPPLIED = ("us-gov-west-1", "cn-north-1")


@pytest.fixture(scope="module")
def ca_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA of our own: what it signs can't be verified here, and the tests assert just that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Supplied Root")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("ca") / "bundle.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("profile", ["dev", "production"])
@pytest.mark.parametrize("region", [*SHIPPED, *SUPPLIED])
def test_every_partition_and_profile_holds(
    rehearse: Rehearse, region: str, profile: str, ca_bundle: Path
) -> None:
    extra = {"database": {"caBundleFile": str(ca_bundle)}} if region in SUPPLIED else {}
    outcome = rehearse(sound(region, profile=profile, **extra))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    assert [check["name"] for check in outcome.report["checks"]] == [
        "coverage", "mount", "identity", "mqtt", "database", "order", "placement", "rules", "secrecy",
    ]  # fmt: skip
    assert outcome.check("database")["status"] == ("unverified" if region in SUPPLIED else "holds")
    outputs = outcome.report["outputs"]
    suffix = SUFFIX.get(region, "amazonaws.com")
    in_china = suffix.endswith(".cn")  # whose host names have another order and other separators
    iot, rds = (".ats", f"rds.{region}") if in_china else ("-ats", f"{region}.rds")
    assert outputs["maestro_iot_mqtt_endpoint"].endswith(f"{iot}.iot.{region}.{suffix}")
    assert outputs["maestro_database_address"].endswith(f".{rds}.{suffix}")
    arns = {name: value for name, value in outputs.items() if name.endswith("_arn")}
    assert len(arns) == 5
    assert {value.split(":")[1] for value in arns.values()} == {PARTITION.get(region, "aws")}


def test_a_name_of_100_characters_with_capitals_and_underscores_holds(rehearse: Rehearse) -> None:
    name = ("Regional_XYZ__" * 8)[:100]
    outcome = rehearse(sound(clusterName=name))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    assert outcome.report["outputs"]["cluster_name"] == name
    assert len(outcome.report["outputs"]["maestro_role_name"]) <= 64


@pytest.mark.parametrize("name", ["0", "sg-cluster", "A_b", "double--dash-"])
def test_odd_but_legal_cluster_names_hold(rehearse: Rehearse, name: str) -> None:
    outcome = rehearse(sound(clusterName=name))
    assert outcome.status == 0, outcome.stdout + outcome.stderr


def test_an_ipv6_cluster_calls_the_pod_identity_agent_by_ipv6(rehearse: Rehearse) -> None:
    cluster = {"name": "regional-xyz", "region": "us-east-1", "ipFamily": "ipv6"}
    outcome = rehearse(world={"clusters": [cluster]})
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    spc = _manifest(outcome, "SecretProviderClass")
    assert spc["spec"]["parameters"]["preferredAddressType"] == "ipv6"


def test_production_is_protected_and_dev_can_be_rebuilt(rehearse: Rehearse) -> None:
    def state(profile: str) -> tuple[set[str], bool, bool, set[int]]:
        outcome = rehearse(sound(profile=profile))
        resources = outcome.report["resources"]
        instance = next(r for r in resources if r["type"] == "aws:rds/instance:Instance")["inputs"]
        protected = {r["type"].rpartition(":")[2] for r in resources if r["protect"]}
        windows = {r["inputs"]["recoveryWindowInDays"] for r in resources if r["type"].endswith(":Secret")}
        return protected, instance["deletionProtection"], instance["skipFinalSnapshot"], windows

    assert state("production") == ({"Instance", "Secret", "SecurityGroup"}, True, False, {30})
    assert state("dev") == (set(), False, True, {0})


def test_every_taggable_resource_carries_our_tags_and_the_stacks(rehearse: Rehearse) -> None:
    outcome = rehearse(sound(name="kept", tags={"team": "platform"}))
    taggable = [r for r in outcome.report["resources"] if r["type"] in TAGGABLE_TYPES]
    assert len(taggable) >= 8
    ours = {"team": "platform", "maestro:name": "kept", "maestro:stack": "test", "managed-by": "pulumi"}
    for resource in taggable:
        of_cluster = {"maestro:cluster": "regional-xyz"} if "regional-xyz" in resource["name"] else {}
        tags = {key: value for key, value in resource["inputs"]["tags"].items() if key != "Name"}
        assert tags == ours | of_cluster, resource["urn"]


def test_what_belongs_to_the_cluster_has_it_in_its_logical_name(rehearse: Rehearse) -> None:
    one, other = (
        {r["urn"] for r in rehearse(sound(name="kept", clusterName=cluster)).report["resources"]}
        for cluster in ("old", "new")
    )
    ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    moved = sorted(urn.split("$")[-1].replace("-new", "") for urn in other - one if ingress not in urn)
    assert moved == sorted(
        [
            "kubernetes:helm.sh/v3:Release::release",
            "kubernetes:core/v1:Namespace::namespace",
            "kubernetes:core/v1:ConfigMap::bootstrap-output",
            "pulumi:providers:kubernetes::kubernetes",
            "aws:eks/podIdentityAssociation:PodIdentityAssociation::association",
            "aws:iam/role:Role::role",
            "aws:iam/rolePolicy:RolePolicy::policy",
            *(
                f"aws:secretsmanager/{type_}::{secret}"
                for type_ in ("secret:Secret", "secretVersion:SecretVersion")
                for secret in ("server-mqtt-cert", "db-credentials")
            ),
        ]
    )


def test_a_stack_that_keeps_its_name_is_rehearsed_in_the_network_of_the_cluster_of_that_name(
    rehearse: Rehearse,
) -> None:
    def network(**keys: object) -> tuple[object, object, object]:
        resources = rehearse(sound(**keys)).report["resources"]
        inputs = {r["type"].rpartition(":")[2]: r["inputs"] for r in resources}
        admitted = inputs["SecurityGroupIngressRule"]["referencedSecurityGroupId"]
        return inputs["SecurityGroup"]["vpcId"], inputs["SubnetGroup"]["subnetIds"], admitted

    (vpc, subnets, admitted), moved = network(clusterName="old"), network(clusterName="new", name="old")
    assert moved[:2] == (vpc, subnets)
    assert moved[2] != admitted
    assert network(clusterName="new")[0] != vpc


def test_an_existing_config_map_is_adopted_when_it_names_the_cluster(rehearse: Rehearse) -> None:
    world = {
        "clusters": [{"name": "regional-xyz", "region": "us-east-1"}],
        "configMaps": {"kube-system/bootstrap-output": {"cluster_name": "regional-xyz", "other": "kept"}},
    }
    outcome = rehearse(sound(bootstrapConfigMap="adopt"), world=world)
    assert outcome.status == 0, outcome.stdout + outcome.stderr


def test_adopting_is_rehearsed_without_a_world_file(rehearse: Rehearse) -> None:
    outcome = rehearse(sound(bootstrapConfigMap="adopt"))
    assert outcome.status == 0, outcome.stdout + outcome.stderr


def test_a_config_map_left_to_something_else_is_not_touched(rehearse: Rehearse) -> None:
    outcome = rehearse(sound(bootstrapConfigMap="external"))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    assert not [r for r in outcome.report["resources"] if "ConfigMap" in r["type"]]


def test_settings_reach_the_resources(rehearse: Rehearse) -> None:
    everybody: list[Any] = [{"namespaceSelector": {}}]
    storage = {"allocatedStorageGiB": 400, "maxAllocatedStorageGiB": 400, "iops": 16000}
    server = {
        "replicas": 3,
        "namespace": "control",
        "releaseName": "east",
        "requests": {"memory": "2Gi"},
        "values": {"networkPolicy": {"metrics": {"from": everybody}}},
    }
    outcome = rehearse(
        sound(
            database={**storage, "instanceClass": "db.t4g.small", "engineVersion": 18},
            mqtt={"sourceId": "maestro-east"},
            network={"clientSecurityGroupIds": ["sg-0123456789abcdef0"]},
            server=server,
            rotation={"certificate": "2026-11", "database": 1},
        )
    )
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    outputs = outcome.report["outputs"]
    assert outputs["maestro_mqtt_source_events_topic"] == "sources/maestro-east/consumers/+/sourceevents"
    assert outputs["maestro_iot_policy_name"] == "maestro-east-server"
    assert outputs["maestro_http_address"] == "http://maestro.control.svc:8000"
    deployment = _manifest(outcome, "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert deployment["spec"]["replicas"] == 3
    assert container["resources"]["limits"]["memory"] == "4Gi"
    instance = next(r for r in outcome.report["resources"] if r["type"].endswith(":Instance"))["inputs"]
    assert (instance["engineVersion"], instance["iops"]) == ("18", 16000)
    assert "maxAllocatedStorage" not in instance
    rules = [r for r in outcome.report["resources"] if r["type"].endswith(":SecurityGroupIngressRule")]
    assert len(rules) == 2


@pytest.mark.parametrize("mode", ["kubeconfig", "ambient"])
def test_the_cluster_is_reached_in_the_configured_way(rehearse: Rehearse, mode: str) -> None:
    keys: dict[str, object] = {"mode": mode, "context": "regional"}
    if mode == "kubeconfig":
        keys["kubeconfig"] = {"secure": "AAABANvR"}
    outcome = rehearse(sound(kubernetes=keys))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    provider = next(r for r in outcome.report["resources"] if r["type"] == "pulumi:providers:kubernetes")
    assert provider["inputs"].get("kubeconfig") == ("[secret]" if mode == "kubeconfig" else None)


def test_given_subnets_and_vpc_are_used(rehearse: Rehearse) -> None:
    subnets = ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]
    outcome = rehearse(sound(network={"vpcId": "vpc-0123456789abcdef0", "subnetIds": subnets}))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    group = next(r for r in outcome.report["resources"] if r["type"].endswith(":SubnetGroup"))
    assert group["inputs"]["subnetIds"] == sorted(subnets)


def _manifest(outcome: Outcome, kind: str) -> dict[str, Any]:
    return next(m["content"] for m in outcome.report["manifests"] if m["kind"] == kind)


def test_two_rehearsals_of_a_stack_find_the_same_surroundings(rehearse: Rehearse) -> None:
    def network(config: dict[str, object]) -> list[object]:
        kept = ("vpcId", "subnetIds", "referencedSecurityGroupId")
        resources = sorted(rehearse(config).report["resources"], key=lambda each: each["urn"])
        return [each["inputs"][key] for each in resources for key in kept if key in each["inputs"]]

    first = network(sound())
    assert len(first) == 3
    assert network(sound()) == first
    assert network(sound() | {"maestro-stack:clusterName": "regional-abc"}) != first


def _named(outcome: Outcome, type_: str) -> list[str]:
    return sorted(r["name"] for r in outcome.report["resources"] if r["type"].endswith(type_))


@pytest.mark.parametrize("profile", ["dev", "production"])
def test_somebody_else_can_install_the_chart_with_the_values_of_an_output(
    rehearse: Rehearse, profile: str
) -> None:
    values: dict[str, Any] = {"networkPolicy": {"metrics": {"from": [{"podSelector": {}}]}}}
    server: dict[str, Any] = {"install": "external", "namespace": "control", "values": values}
    outcome = rehearse(sound(profile=profile, server=server))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    assert _named(outcome, ":Release") == _named(outcome, ":Namespace") == []
    installed = outcome.report["outputs"]["maestro_chart_values"]
    assert installed["clusterName"] == "regional-xyz"
    assert installed["networkPolicy"] == values["networkPolicy"]
    assert "chartDigest" not in installed
    assert outcome.report["outputs"]["maestro_http_address"] == "http://maestro.control.svc:8000"
    pods = _manifest(outcome, "Deployment")["spec"]["template"]["metadata"]
    annotations = installed["deployment"]["podAnnotations"]
    assert pods["annotations"].items() >= annotations.items()
    assert all(annotations.values())


def test_a_kept_certificate_stays_beside_the_one_in_use(rehearse: Rehearse) -> None:
    kept = rehearse(sound(rotation={"certificate": "2", "keepCertificate": ""}))
    assert kept.status == 0, kept.stdout + kept.stderr
    assert _named(kept, ":Certificate") == ["certificate", "certificate-2"]
    assert _named(kept, ":PolicyAttachment") == ["policy-attachment", "policy-attachment-2"]
    assert kept.check("mqtt")["status"] != "fails"
