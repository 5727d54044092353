"""mqtt: may the server do everything that it will do on the broker, and no more?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import yaml

from checks import aws_policy
from checks.csi_provider import MountError
from checks.evidence import Evidence
from checks.finding import Findings
from checks.pod import POD_NAME
from checks.region import had
from common.json_values import Json, record, text
from maestro_stack.mqtt import PORT

NAME = "mqtt"
QUESTION = "Does the broker allow what the server does, and no more?"
CONSUMER = "mc-east"
SHARED = re.compile(r"\$share/[a-z0-9-]+/(?P<filter>.+)")


@dataclass(frozen=True, kw_only=True)
class Client:
    """What the rendered configuration and flags say about the server's MQTT client."""

    broker: str
    client_id: str
    """With $(POD_NAME) unexpanded."""
    source_id: str
    source_events: str
    agent_events: str
    subscription_type: str
    files: Mapping[str, str]

    @property
    def status_filter(self) -> str:
        """The agent events' filter without its share group."""
        shared = SHARED.fullmatch(self.agent_events)
        return shared["filter"] if shared else self.agent_events


def check(evidence: Evidence, findings: Findings) -> None:
    """Evaluate the certificate's policy against every operation that the rendered release implies."""
    with findings.refusing(MountError, aws_policy.PolicyError, LookupError):
        client = client_of(evidence)
        _check_endpoint(evidence, client, findings)
        _check_identity(evidence, client, findings)
        _check_delivery(client, findings)
        documents = [
            aws_policy.parse(text, kind="iot", name=name)
            for name, text in had(evidence.region.certificate).policies.items()
        ]
        allowed = _operations(evidence, client)
        denied = _forbidden(evidence, client)
        refused = [what for what, r in allowed.items() if not aws_policy.is_allowed(documents, r).allowed]
        granted = [what for what, r in denied.items() if aws_policy.is_allowed(documents, r).allowed]
        findings.expect(
            not refused,
            f"allowed: {'; '.join(allowed)}",
            f"the IoT policy denies what the server does: {'; '.join(refused)}",
        )
        findings.expect(
            not granted,
            f"denied: {len(denied)} things that only others do",
            f"the IoT policy allows too much: {'; '.join(granted)}",
        )
        host = client.broker.rpartition(":")[0]
        findings.unverified(
            "that the account's endpoint speaks TLS 1.3, which Maestro requires",
            f"openssl s_client -tls1_3 -connect {host}:{PORT} </dev/null",
        )
        findings.unverified(
            "which of the two $share forms AWS evaluates; the policy grants both",
            'aws iot test-authorization --principal "$(pulumi stack output maestro_iot_certificate_arn)" '
            f"--auth-infos 'actionType=SUBSCRIBE,resources="
            f"{evidence.region.arn('iot', f'topicfilter/{client.agent_events}')}'",
        )


def client_of(evidence: Evidence) -> Client:
    """The server's MQTT client, from the ConfigMap that the pod mounts and the container's flags."""
    service = evidence.pod.service
    path = service.flag("message-broker-config-file") or ""
    folder, _, file = path.rpartition("/")
    volume = evidence.pod.volumes[service.mounts[folder]]
    name = text(record(volume, "configMap"), "name")
    data = record(evidence.release.one("ConfigMap", name), "data")
    config = cast(dict[str, Json], yaml.safe_load(text(data, file)))
    topics = record(config, "topics")
    return Client(
        broker=str(config["brokerHost"]),
        client_id=service.flag("client-id") or "",
        source_id=service.flag("source-id") or "",
        source_events=text(topics, "sourceEvents"),
        agent_events=text(topics, "agentEvents"),
        subscription_type=service.flag("subscription-type") or "",
        files={key: text(config, key) for key in ("caFile", "clientCertFile", "clientKeyFile")},
    )


def _check_endpoint(evidence: Evidence, client: Client, findings: Findings) -> None:
    endpoint = had(evidence.region.mqtt_endpoint)
    findings.expect(
        client.broker == f"{endpoint}:{PORT}",
        f"connects to {client.broker} with mutual TLS",
        f"connects to {client.broker}, but the account's endpoint is {endpoint}:{PORT}",
    )
    mounted = {f"/mnt/secrets-store/{file.name}" for file in evidence.files}
    absent = [f"{key} {path}" for key, path in client.files.items() if path not in mounted]
    findings.expect(
        not absent, "its CA, certificate and key are mounted", f"not mounted: {', '.join(absent)}"
    )


def _check_identity(evidence: Evidence, client: Client, findings: Findings) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    certificate = x509.load_pem_x509_certificate(evidence.file("certificate").encode())
    key = load_pem_private_key(evidence.file("privateKey").encode(), password=None)
    findings.expect(
        certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form),
        "certificate and key belong together",
        "the private key isn't the certificate's",
    )
    known = had(evidence.region.certificate)
    findings.expect(
        known.status == "ACTIVE" and known.pem.strip() == evidence.file("certificate").strip(),
        f"AWS IoT knows it as {known.id[:12]}…, ACTIVE",
        f"the mounted certificate is not {known.id[:12]}…, or that is {known.status}, not ACTIVE",
    )
    source = evidence.pod.service.env.get("POD_NAME")
    named = source == {"fieldRef": {"fieldPath": "metadata.name"}}
    findings.expect(
        "$(POD_NAME)" in client.client_id and named,
        f"client ids differ between pods: {client.client_id}",
        f"client id {client.client_id} is the same in every pod: they would evict each other",
    )


def _check_delivery(client: Client, findings: Findings) -> None:
    findings.expect(
        client.subscription_type == "shared" and SHARED.fullmatch(client.agent_events) is not None,
        f"one delivery per status message: {client.agent_events}",
        f"subscription type {client.subscription_type} on {client.agent_events}: every replica would handle "
        "every status message",
    )
    findings.expect(
        client.status_filter.split("/")[1] == client.source_id == client.source_events.split("/")[1],
        f"topics are those of source {client.source_id}",
        f"topics {client.source_events} and {client.agent_events} aren't those of source {client.source_id}",
    )


def _request(evidence: Evidence, action: str, kind: str, name: str) -> aws_policy.Request:
    return aws_policy.Request(action=f"iot:{action}", resource=evidence.region.arn("iot", f"{kind}/{name}"))


def _operations(evidence: Evidence, client: Client) -> dict[str, aws_policy.Request]:
    """Every MQTT operation of the rendered server."""
    own_id = client.client_id.replace("$(POD_NAME)", POD_NAME)
    work = client.source_events.replace("+", CONSUMER, 1)
    status = client.status_filter.replace("+", CONSUMER)
    return {
        f"connect as {own_id}": _request(evidence, "Connect", "client", own_id),
        f"publish to {work}": _request(evidence, "Publish", "topic", work),
        f"subscribe to {client.agent_events}": _request(
            evidence, "Subscribe", "topicfilter", client.agent_events
        ),
        f"subscribe to {client.status_filter}": _request(
            evidence, "Subscribe", "topicfilter", client.status_filter
        ),
        f"receive from {status}": _request(evidence, "Receive", "topic", status),
        f"receive from {client.agent_events.replace('+', CONSUMER)}": _request(
            evidence, "Receive", "topic", client.agent_events.replace("+", CONSUMER)
        ),
    }


def _forbidden(evidence: Evidence, client: Client) -> dict[str, aws_policy.Request]:
    """What only an agent, or another source, may do."""
    status = client.status_filter.replace("+", CONSUMER)
    work = client.source_events.replace("+", CONSUMER, 1)
    other = f"sources/{client.source_id}-2/consumers/{CONSUMER}"
    wanted = [
        ("Connect", "client", f"{client.source_id}-agent-{CONSUMER}-client"),
        ("Connect", "client", client.source_id),
        ("Connect", "client", f"{CONSUMER}-client"),
        ("Publish", "topic", status),
        ("Publish", "topic", f"{other}/sourceevents"),
        ("Publish", "topic", "$aws/things/x/shadow/update"),
        ("Receive", "topic", work),
        ("Receive", "topic", f"{other}/agentevents"),
        ("Subscribe", "topicfilter", "#"),
        ("Subscribe", "topicfilter", client.source_events),
        ("Subscribe", "topicfilter", f"sources/{client.source_id}/#"),
        ("Subscribe", "topicfilter", "sources/+/consumers/+/agentevents"),
        ("RetainPublish", "topic", work),
    ]
    return {f"{action} {name}": _request(evidence, action, kind, name) for action, kind, name in wanted}
