"""The server's pods: flags, MQTT names, probes, security, spreading, and when they roll."""

import re

import pytest

from tests.chart.rendering import Object, Render, Values, merged, values_at

SECRETS = "/mnt/secrets-store"
REPOSITORY = "quay.io/redhat-user-workloads/maestro-rhtap-tenant/maestro/maestro"
COMMIT = "ab480c6578bcbcbceeeb2c964c7bef6aed119c18"
DATABASE_FLAGS = {
    "db-host-file": f"{SECRETS}/db.host",
    "db-port-file": f"{SECRETS}/db.port",
    "db-user-file": f"{SECRETS}/db.user",
    "db-password-file": f"{SECRETS}/db.password",
    "db-name-file": f"{SECRETS}/db.name",
    "db-sslmode": "verify-full",
    "db-rootcert": "/etc/maestro-rds-ca/ca.pem",
}
LOG_FLAGS = {"alsologtostderr": "", "v": "2"}
SERVER_FLAGS = {
    "db-max-open-connections": "20",
    "enable-db-debug": "false",
    "message-broker-type": "mqtt",
    "message-broker-config-file": "/etc/maestro/config.yaml",
    "source-id": "maestro",
    "client-id": "maestro-server-$(POD_NAME)",
    "subscription-type": "shared",
    "server-hostname": "",
    "http-server-bindport": "8000",
    "grpc-server-bindport": "8090",
    "metrics-server-bindport": "8080",
    "health-check-server-bindport": "8083",
    "enable-https": "false",
    "enable-metrics-https": "false",
    "enable-health-check-https": "false",
    "enable-grpc-server": "true",
    "http-read-timeout": "5s",
    "http-write-timeout": "30s",
    "label-metrics-inclusion-duration": "168h",
}
SELECTOR = {
    "app.kubernetes.io/name": "maestro",
    "app.kubernetes.io/instance": "maestro-server",
    "component": "maestro-server",
}
# sdk-go's grammar of topics, with the source that the subscription must name literally
TOPIC = re.compile(
    r"(\$share/[a-z0-9-]+/)?sources/(?P<source>[a-z0-9-]+)/consumers/\+/(sourceevents|agentevents)"
)


def test_the_migration_takes_database_and_log_flags_only(render: Render) -> None:
    assert render().containers["migration"]["command"] == ["/usr/local/bin/maestro", "migration"]
    assert render().flags("migration") == DATABASE_FLAGS | LOG_FLAGS


def test_the_server_runs_with_these_flags(render: Render) -> None:
    assert render().containers["service"]["command"] == ["/usr/local/bin/maestro", "server"]
    assert render().flags("service") == DATABASE_FLAGS | SERVER_FLAGS | LOG_FLAGS


def test_the_migration_runs_before_the_server_in_the_same_pod(render: Render) -> None:
    pod = render().pod_template["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["migration"]
    assert [c["name"] for c in pod["containers"]] == ["service"]


def test_the_files_of_the_flags_are_mounted(render: Render) -> None:
    release = render()
    aliases = [j["objectAlias"] for s in release.mounted_secrets for j in s["jmesPath"]]
    config_maps = {
        v["name"]: release.one("ConfigMap", v["configMap"]["name"])
        for v in release.pod_template["spec"]["volumes"]
        if "configMap" in v
    }
    for name, container in release.containers.items():
        files = {f"{SECRETS}/{alias}" for alias in aliases}
        for mount in container["volumeMounts"]:
            if mount["name"] in config_maps:
                files |= {f"{mount['mountPath']}/{key}" for key in config_maps[mount["name"]]["data"]}
        paths = {value for value in release.flags(name).values() if value.startswith("/")}
        assert paths <= files
        if name == "service":
            assert {value for key, value in release.mqtt_config.items() if key.endswith("File")} <= files


def test_each_pod_has_a_client_id_of_its_own(render: Render) -> None:
    release = render(values_at("broker.sourceId", "east"))
    service = release.containers["service"]
    assert release.flags("service")["client-id"] == "east-server-$(POD_NAME)"
    by_name = {e["name"]: e for e in service["env"]}
    assert by_name["POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_the_server_runs_in_its_production_environment(render: Render) -> None:
    assert {"name": "MAESTRO_ENV", "value": "production"} in render().containers["service"]["env"]


def test_no_service_variables_leak_into_the_servers_environment(render: Render) -> None:
    assert render().pod_template["spec"]["enableServiceLinks"] is False


def test_the_mqtt_configuration_is_complete(render: Render) -> None:
    assert render().mqtt_config == {
        "brokerHost": "abc123-ats.iot.us-west-2.amazonaws.com:8883",
        "caFile": f"{SECRETS}/ca.crt",
        "clientCertFile": f"{SECRETS}/certificate",
        "clientKeyFile": f"{SECRETS}/privateKey",
        "topics": {
            "sourceEvents": "sources/maestro/consumers/+/sourceevents",
            "agentEvents": "$share/statussubscribers/sources/maestro/consumers/+/agentevents",
        },
    }


def test_a_shared_subscription_goes_with_a_share_group_so_each_status_is_handled_once(render: Render) -> None:
    release = render()
    assert release.flags("service")["subscription-type"] == "shared"
    assert release.mqtt_config["topics"]["agentEvents"].startswith("$share/statussubscribers/")
    assert not release.mqtt_config["topics"]["sourceEvents"].startswith("$share")


@pytest.mark.parametrize("source_id", ["maestro", "0", "a-b", "x" * 40])
def test_topics_and_flags_name_the_same_source(render: Render, source_id: str) -> None:
    release = render(values_at("broker.sourceId", source_id))
    assert release.flags("service")["source-id"] == source_id
    for topic in release.mqtt_config["topics"].values():
        match = TOPIC.fullmatch(topic)
        assert match
        assert match["source"] == source_id


@pytest.mark.parametrize(
    ("endpoint", "broker_host"),
    [
        ("abc-ats.iot.us-west-2.amazonaws.com", "abc-ats.iot.us-west-2.amazonaws.com:8883"),
        ("abc-ats.iot.us-west-2.amazonaws.com:8883", "abc-ats.iot.us-west-2.amazonaws.com:8883"),
        ("abc-ats.iot.us-west-2.amazonaws.com:443", "abc-ats.iot.us-west-2.amazonaws.com:443"),
        ("Mqtt.Example.com:65535", "mqtt.example.com:65535"),
        ("localhost", "localhost:8883"),
    ],
)
def test_the_broker_gets_exactly_one_port(render: Render, endpoint: str, broker_host: str) -> None:
    release = render(values_at("broker.endpoint", endpoint))
    assert release.mqtt_config["brokerHost"] == broker_host
    mqtt_rule = release.network_policy["egress"][-1]
    assert mqtt_rule["ports"] == [{"port": int(broker_host.split(":")[1]), "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("service", "port"),
    [("maestro", ("http", 8000)), ("maestro-grpc", ("grpc", 8090)), ("maestro-metrics", ("metrics", 8080))],
)
def test_each_service_leads_to_the_port_that_serves_it(
    render: Render, service: str, port: tuple[str, int]
) -> None:
    release = render()
    name, number = port
    spec = release.one("Service", service)["spec"]
    assert [(p["name"], p["port"], p["targetPort"]) for p in spec["ports"]] == [(name, number, name)]
    assert spec["selector"].items() <= release.pod_template["metadata"]["labels"].items()
    container_ports = {p["name"]: p["containerPort"] for p in release.containers["service"]["ports"]}
    assert container_ports[name] == number
    assert release.flags("service")[f"{name}-server-bindport"] == str(number)


def test_the_container_declares_the_ports_that_the_flags_bind(render: Render) -> None:
    release = render()
    ports = {p["name"]: p["containerPort"] for p in release.containers["service"]["ports"]}
    assert ports == {"http": 8000, "grpc": 8090, "metrics": 8080, "health": 8083}
    assert release.flags("service")["health-check-server-bindport"] == str(ports["health"])


def test_an_outage_of_the_database_makes_pods_unready_but_restarts_none(render: Render) -> None:
    service = render().containers["service"]
    assert service["livenessProbe"]["tcpSocket"] == {"port": "health"}
    assert service["readinessProbe"]["httpGet"] == {"path": "/healthcheck", "port": "health"}


def test_a_slow_first_connection_has_more_time_than_its_own_timeout_of_a_minute(render: Render) -> None:
    probe = render().containers["service"]["startupProbe"]
    assert probe["tcpSocket"] == {"port": "health"}
    assert probe["periodSeconds"] * probe["failureThreshold"] > 60


def test_an_update_starts_a_pod_before_it_stops_one(render: Render) -> None:
    assert render().deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


def test_a_drain_takes_one_pod_at_a_time(render: Render) -> None:
    spec = render().one("PodDisruptionBudget", "maestro")["spec"]
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec
    assert spec["selector"]["matchLabels"] == SELECTOR


@pytest.mark.parametrize(
    ("zone_count", "keys"),
    [
        (1, ["kubernetes.io/hostname"]),
        (2, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]),
        (3, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]),
    ],
)
def test_pods_spread_over_hosts_and_over_zones_where_there_are_several(
    render: Render, zone_count: int, keys: list[str]
) -> None:
    pod = render(values_at("deployment.zoneCount", zone_count)).pod_template["spec"]
    constraints: list[Object] = pod["topologySpreadConstraints"]
    assert [c["topologyKey"] for c in constraints] == keys
    for constraint in constraints:
        assert constraint["maxSkew"] == 1
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["labelSelector"]["matchLabels"] == SELECTOR
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]


def test_the_selector_is_on_the_pods_and_depends_on_the_release_name_only(render: Render) -> None:
    default, other = render(), render(values_at("broker.sourceId", "other"), values_at("image.tag", "other"))
    for release in (default, other):
        assert release.deployment["spec"]["selector"]["matchLabels"] == SELECTOR
        assert release.pod_template["metadata"]["labels"] == SELECTOR


def test_both_containers_satisfy_the_restricted_pod_security_standard(render: Render) -> None:
    release = render()
    pod = release.pod_template["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["runAsGroup"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert {next(iter(set(v) - {"name"})) for v in pod["volumes"]} == {"csi", "configMap"}
    assert set(release.containers) == {"migration", "service"}
    for container in release.containers.values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        }


def test_the_pods_hold_no_kubernetes_token(render: Render) -> None:
    release = render()
    assert release.pod_template["spec"]["serviceAccountName"] == "maestro"
    assert release.pod_template["spec"]["automountServiceAccountToken"] is False
    assert release.one("ServiceAccount", "maestro")["automountServiceAccountToken"] is False


def test_the_service_account_carries_the_given_annotations(render: Render) -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/maestro"}
    annotated = render(values_at("serviceAccount.annotations", role)).one("ServiceAccount", "maestro")
    assert annotated["metadata"]["annotations"] == role
    assert "annotations" not in render().one("ServiceAccount", "maestro")["metadata"]


def test_both_containers_have_memory_bounded_and_processor_time_reserved(render: Render) -> None:
    for container in render().containers.values():
        assert container["resources"] == {
            "requests": {"cpu": "200m", "memory": "512Mi"},
            "limits": {"memory": "1024Mi"},
        }


@pytest.mark.parametrize(("cpu", "rendered"), [("500m", "500m"), (2, "2"), (0.5, "0.5"), ("1.5", "1.5")])
def test_processor_time_may_be_text_or_a_number(render: Render, cpu: object, rendered: str) -> None:
    release = render(values_at("deployment.requests.cpu", cpu))
    assert release.containers["service"]["resources"]["requests"]["cpu"] == rendered


def test_the_pools_of_a_rolling_update_fit_the_smallest_instance(render: Render) -> None:
    release = render(values_at("deployment.replicas", 3))
    pods = release.deployment["spec"]["replicas"] + 1  # maxSurge
    listeners, reserved = 3, 15  # a pod's own connections besides the pool; RDS's and the migration's
    max_connections = 2**30 // 9531392  # RDS's default for 1 GiB, as on db.t4g.micro
    pool = int(release.flags("service")["db-max-open-connections"])
    assert pods * (pool + listeners) + reserved <= max_connections


def test_the_default_image_is_the_pinned_commit(render: Render) -> None:
    assert {c["image"] for c in render().containers.values()} == {f"{REPOSITORY}:{COMMIT}"}


def test_a_digest_wins_over_the_tag(render: Render) -> None:
    digest = f"sha256:{'a1' * 32}"
    image: Values = {"repository": "registry.example.com:5000/maestro", "tag": "ignored", "digest": digest}
    containers = render({"image": image}).containers.values()
    assert {c["image"] for c in containers} == {f"registry.example.com:5000/maestro@{digest}"}


@pytest.mark.parametrize(
    "change",
    [
        values_at("broker.endpoint", "new-ats.iot.us-west-2.amazonaws.com"),
        values_at("broker.endpoint", "abc123-ats.iot.us-west-2.amazonaws.com:443"),
        values_at("aws.region", "us-east-1"),
        values_at("database.caBundle", "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----"),
        values_at("deployment.podAnnotations", {"example.com/secret-version": "2"}),
        values_at("image.tag", "other"),
    ],
)
def test_the_pods_roll_when_what_they_read_at_start_changes(render: Render, change: Values) -> None:
    assert render(change).pod_template != render().pod_template


@pytest.mark.parametrize(
    "change",
    [
        values_at("chartDigest", "0123"),
        values_at("deployment.replicas", 5),
        values_at("networkPolicy.api.from", []),
        values_at("aws.region", "us-west-2"),
        values_at("broker.endpoint", "abc123-ats.iot.us-west-2.amazonaws.com:8883"),
    ],
)
def test_the_pods_stay_when_nothing_of_theirs_changes(render: Render, change: Values) -> None:
    assert render(change).pod_template == render().pod_template


def test_the_charts_digest_is_on_the_deployment(render: Render) -> None:
    release = render(values_at("chartDigest", "sha256:0123"))
    assert release.deployment["metadata"]["annotations"] == {"checksum/chart": "sha256:0123"}
    assert "annotations" not in render().deployment["metadata"]


def test_pod_annotations_are_added_and_cannot_hide_a_changed_configuration(render: Render) -> None:
    given = {"example.com/version": "no", "checksum/mqtt-config": "fixed", "checksum/rds-ca": "fixed"}
    annotations = render(values_at("deployment.podAnnotations", given)).pod_template["metadata"][
        "annotations"
    ]
    default = render().pod_template["metadata"]["annotations"]
    assert annotations == merged(default, {"example.com/version": "no"})


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        ("512Mi", "1024Mi"),
        ("1Gi", "2Gi"),
        ("1.5Gi", "3Gi"),
        ("1.125Gi", "2.25Gi"),
        ("500M", "1000M"),
        ("524288k", "1048576k"),
        ("12345678Ki", "24691356Ki"),  # no rounding, no exponent
    ],
)
def test_the_memory_limit_is_twice_the_request_unless_given(
    render: Render, request_: str, limit: str
) -> None:
    containers = render(values_at("deployment.requests.memory", request_)).containers
    assert containers["service"]["resources"]["limits"] == {"memory": limit}


def test_a_memory_request_above_the_limit_raises_it(render: Render) -> None:
    values = {"deployment": {"requests": {"memory": "1.5Gi"}, "limits": {"memory": "1Gi"}}}
    for container in render(values).pod_template["spec"]["containers"]:
        assert container["resources"]["limits"] == {"memory": "1.5Gi"}


def test_pods_run_on_the_architecture_of_the_image_unless_a_value_says_otherwise(render: Render) -> None:
    def selector(value: object) -> object:
        return render(values_at("deployment.nodeSelector", value)).pod_template["spec"].get("nodeSelector")

    assert selector({}) == {"kubernetes.io/arch": "amd64"}
    assert selector({"pool": "a"}) == {"kubernetes.io/arch": "amd64", "pool": "a"}
    assert selector({"kubernetes.io/arch": "arm64"}) == {"kubernetes.io/arch": "arm64"}
    assert selector({"kubernetes.io/arch": "*"}) is None
    assert selector({"kubernetes.io/arch": "*", "pool": ""}) == {"pool": ""}
    assert selector(None) is None


def test_what_the_deployment_selects_by_stays_whatever_labels_the_pods_get(render: Render) -> None:
    labels = {"team": "a", "component": "other", "app.kubernetes.io/name": "other"}
    release = render(values_at("deployment.podLabels", labels))
    found = release.pod_template["metadata"]["labels"]
    assert found["team"] == "a"
    assert found.items() >= release.deployment["spec"]["selector"]["matchLabels"].items()


def test_both_alerts_are_about_this_release(render: Render) -> None:
    rule = render({"metrics": {"rules": {"enabled": True}}}).one("PrometheusRule", "maestro")
    alerts = rule["spec"]["groups"][0]["rules"]
    assert [alert["alert"] for alert in alerts] == ["MaestroServerNotReady", "MaestroServerRestarting"]
    assert all('namespace="maestro"' in alert["expr"] for alert in alerts)
