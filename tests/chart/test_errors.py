"""What people read when something is missing or malformed: message and position, as Helm prints them."""

import pytest
from helm_python import HelmRenderError

from tests.chart.rendering import Render, Values, values_at

CLUSTER_NAME_ERROR = (
    "Unable to determine cluster name. ConfigMap kube-system/bootstrap-output not found and clusterName not"
    " provided in values"
)
ENDPOINT_ERROR = (
    "execution error at (maestro-server-eso/templates/configmap.yaml:1:4): broker.endpoint is required"
)


def error_of(render: Render, values: Values, *, only: bool = False) -> str:
    with pytest.raises(HelmRenderError) as caught:
        render(values, only=only)
    return str(caught.value).strip()


@pytest.mark.parametrize(
    "values",
    [
        {"clusterName": "regional-xyz"},
        {"clusterName": "regional-xyz", "broker": {}},
        {"clusterName": "regional-xyz", "broker": {"endpoint": ""}},
        {"clusterName": "regional-xyz", "broker": {"endpoint": None}},
        {"clusterName": "regional-xyz", "aws": {"region": "il-central-1"}},
    ],
)
def test_a_missing_endpoint_is_reported_at_its_very_position(render: Render, values: Values) -> None:
    assert error_of(render, values, only=True) == ENDPOINT_ERROR


@pytest.mark.parametrize("broker", [{}, {"endpoint": "abc-ats.iot.us-east-1.amazonaws.com"}])
@pytest.mark.parametrize("cluster_name", [{}, {"clusterName": ""}, {"clusterName": None}])
def test_a_missing_cluster_name_comes_before_a_missing_endpoint(
    render: Render, broker: Values, cluster_name: Values
) -> None:
    error = error_of(render, {"broker": broker, **cluster_name}, only=True)
    assert error.startswith("execution error at (maestro-server-eso/templates/secretproviderclass.yaml:")
    assert error.endswith(f"): {CLUSTER_NAME_ERROR}")


@pytest.mark.parametrize(
    "endpoint",
    [
        "mqtts://abc-ats.iot.us-east-1.amazonaws.com",
        "https://abc-ats.iot.us-east-1.amazonaws.com",
        "abc-ats.iot.us-east-1.amazonaws.com/mqtt",
        "abc-ats.iot.us-east-1 .amazonaws.com",
        " abc-ats.iot.us-east-1.amazonaws.com",
        "abc-ats.iot.us-east-1.amazonaws.com\n",
        "abc-ats.iot.us-east-1.amazonaws.com:",
        "abc-ats.iot.us-east-1.amazonaws.com:mqtt",
        "abc-ats.iot.us-east-1.amazonaws.com:0",
        "abc-ats.iot.us-east-1.amazonaws.com:65536",
        "abc-ats..amazonaws.com",
        " ",
    ],
)
def test_an_endpoint_that_is_not_a_host_is_named_with_an_example(render: Render, endpoint: str) -> None:
    error = error_of(render, values_at("broker.endpoint", endpoint))
    assert error.startswith("execution error at (maestro-server-eso/templates/configmap.yaml:")
    assert "broker.endpoint" in error
    assert endpoint.strip() in error
    assert "such as abc123-ats.iot.us-east-1.amazonaws.com" in error


@pytest.mark.parametrize("region", ["il-central-1", "mx-central-1", "us-gov-west-1"])
def test_a_region_without_rds_certificates_is_named_with_the_way_to_supply_them(
    render: Render, region: str
) -> None:
    error = error_of(render, values_at("broker.endpoint", f"abc-ats.iot.{region}.amazonaws.com"))
    assert "templates/configmap-rds-ca.yaml:" in error
    assert f'"{region}"' in error
    assert f"--set-file database.caBundle={region}-bundle.pem" in error
    assert "https://docs.aws.amazon.com/AmazonRDS/" in error


def test_a_bundle_given_as_a_file_name_is_an_error_that_says_how_to_read_the_file(render: Render) -> None:
    error = error_of(render, values_at("database.caBundle", "us-east-1-bundle.pem"))
    assert "database.caBundle holds no certificate" in error
    assert "--set-file database.caBundle=" in error
