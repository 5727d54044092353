"""The SecretProviderClass: which keys of which secret become which file, where, and as whom."""

import pytest

from tests.chart.rendering import Render, values_at

REGIONS = [
    ("abc-ats.iot.us-east-1.amazonaws.com", "us-east-1"),
    ("abc-ats.iot.us-west-2.amazonaws.com", "us-west-2"),
    ("abc-ats.iot.us-west-2.amazonaws.com:8883", "us-west-2"),
    ("abc.iot.eu-central-1.amazonaws.com", "eu-central-1"),
    ("ABC-ATS.IOT.AP-NORTHEAST-1.AMAZONAWS.COM", "ap-northeast-1"),
    ("abc.ats.iot.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
    ("abc.ats.iot.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ("mqtt.example.com", "us-east-1"),
    ("mqtt.example.com:1883", "us-east-1"),
    ("abc.iot.eu-central-1.amazonaws.com.example.com", "us-east-1"),
]
BUNDLE = values_at("database.caBundle", "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n")


def test_the_eight_files_come_from_these_keys_of_the_two_secrets(render: Render) -> None:
    assert render().mounted_secrets == [
        {
            "objectName": "regional-xyz/maestro/server-mqtt-cert",
            "objectType": "secretsmanager",
            "jmesPath": [
                {"path": "certificate", "objectAlias": "certificate"},
                {"path": "privateKey", "objectAlias": "privateKey"},
                {"path": "caCert", "objectAlias": "ca.crt"},
            ],
        },
        {
            "objectName": "regional-xyz/maestro/db-credentials",
            "objectType": "secretsmanager",
            "jmesPath": [
                {"path": "username", "objectAlias": "db.user"},
                {"path": "password", "objectAlias": "db.password"},
                {"path": "host", "objectAlias": "db.host"},
                {"path": "port", "objectAlias": "db.port"},
                {"path": "database", "objectAlias": "db.name"},
            ],
        },
    ]


def test_it_is_an_object_of_the_aws_provider_with_string_parameters_only(render: Render) -> None:
    obj = render().one("SecretProviderClass", "maestro-secrets")
    assert obj["apiVersion"] == "secrets-store.csi.x-k8s.io/v1"
    assert set(obj) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(obj["spec"]) == {"provider", "parameters"}
    assert obj["spec"]["provider"] == "aws"
    parameters = obj["spec"]["parameters"]
    assert set(parameters) == {"usePodIdentity", "region", "preferredAddressType", "objects"}
    assert all(isinstance(value, str) for value in parameters.values())


@pytest.mark.parametrize(("enabled", "parameter"), [(True, "true"), (False, "false")])
def test_pod_identity_is_used_when_enabled(render: Render, *, enabled: bool, parameter: str) -> None:
    release = render(values_at("aws.podIdentity.enabled", enabled))
    assert release.secret_parameters["usePodIdentity"] == parameter


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_the_agents_address_family_is_passed_on(render: Render, family: str) -> None:
    release = render(values_at("aws.preferredAddressType", family))
    assert release.secret_parameters["preferredAddressType"] == family


@pytest.mark.parametrize("name", ["regional-xyz", "y", "A_b-" * 25, "0"])
def test_the_cluster_name_is_the_prefix_of_both_secrets(render: Render, name: str) -> None:
    secrets = render({"clusterName": name}).mounted_secrets
    assert [s["objectName"] for s in secrets] == [
        f"{name}/maestro/server-mqtt-cert",
        f"{name}/maestro/db-credentials",
    ]


@pytest.mark.parametrize(("endpoint", "region"), REGIONS)
def test_the_region_is_the_one_that_the_endpoint_names(render: Render, endpoint: str, region: str) -> None:
    release = render(values_at("broker.endpoint", endpoint), BUNDLE)
    assert release.secret_parameters["region"] == region


@pytest.mark.parametrize("endpoint", [endpoint for endpoint, _ in REGIONS])
def test_an_explicit_region_wins(render: Render, endpoint: str) -> None:
    release = render(values_at("broker.endpoint", endpoint), values_at("aws.region", "eu-west-1"))
    assert release.secret_parameters["region"] == "eu-west-1"


def test_the_notes_warn_when_region_and_endpoint_differ(render: Render) -> None:
    notes = render(values_at("aws.region", "eu-west-1")).notes
    assert "WARNING" in notes
    assert "eu-west-1" in notes
    assert "us-west-2" in notes


def test_the_notes_warn_when_no_region_is_known(render: Render) -> None:
    endpoint = values_at("broker.endpoint", "mqtt.example.com")
    assert "set aws.region" in render(endpoint).notes
    assert "WARNING" not in render(endpoint, values_at("aws.region", "eu-west-1")).notes


def test_the_notes_warn_of_nothing_when_they_agree(render: Render) -> None:
    assert "WARNING" not in render().notes
    assert "WARNING" not in render(values_at("aws.region", "us-west-2")).notes


def test_the_notes_tell_of_the_first_migration_only_when_replicas_can_race(render: Render) -> None:
    assert "migrations_pkey" in render().notes
    assert "migrations_pkey" not in render(values_at("deployment.replicas", 1)).notes


def test_the_pods_mount_them_through_the_driver_read_only_and_whole(render: Render) -> None:
    release = render()
    volumes = {v["name"]: v for v in release.pod_template["spec"]["volumes"]}
    assert volumes["secrets-store"]["csi"] == {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": True,
        "volumeAttributes": {"secretProviderClass": "maestro-secrets"},
    }
    for container in release.containers.values():
        mounts = {m["name"]: m for m in container["volumeMounts"]}
        assert mounts["secrets-store"]["mountPath"] == "/mnt/secrets-store"
        assert all(m["readOnly"] and "subPath" not in m for m in mounts.values())
        assert set(mounts) <= set(volumes)
