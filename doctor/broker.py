"""broker: does AWS IoT speak TLS as Maestro does, and allow the server's operations?"""

import socket
import ssl

from checks.finding import Findings
from common.json_values import Json, record, text
from doctor.case import Case, absent
from doctor.errors import AwsError
from doctor.question import Category, Question
from maestro_stack.mqtt import PORT, SHARE_GROUP, amazon_root_cas
from maestro_stack.names import certificate_name
from policies import types

DOMAIN = "iot:Data-ATS"
REACH_SECONDS = 3.0
TLS_13 = "IoTSecurityPolicy_TLS13_1_2_2022_10"
POD = "maestro-0000000000-00000"
"""Stands in for a pod's name in a client id."""
CONSUMER = "mc-east"


def _tls(case: Case, findings: Findings) -> None:
    """Maestro refuses anything below TLS 1.3, and old accounts' endpoints only speak 1.2.

    Source: AWS IoT Core developer guide, "Configuring TLS settings in domain configurations".
    """
    answer = case.aws.call("iot:DescribeDomainConfiguration", domainConfigurationName=DOMAIN)
    policy = text(record(answer, "tlsConfig"), "securityPolicy")
    findings.expect(
        "TLS13" in policy,
        f"the endpoint's security policy speaks TLS 1.3: {policy}",
        f"the endpoint's security policy, {policy or 'a legacy one'}, doesn't speak TLS 1.3, which Maestro "
        "requires",
        f"aws iot update-domain-configuration --domain-configuration-name {DOMAIN} --tls-config "
        f"securityPolicy={TLS_13}",
    )
    if host := text(answer, "domainName"):
        shake_hands(host, PORT, amazon_root_cas(), findings)


def shake_hands(host: str, port: int, authorities: str, findings: Findings) -> None:
    """Begin a connection as the server does, if the endpoint can be reached from here."""
    context = ssl.create_default_context(cadata=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        with (
            socket.create_connection((host, port), timeout=REACH_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host) as secure,
        ):
            findings.holds(f"{host}:{port} speaks {secure.version()}")
    except ssl.SSLError as refused:
        findings.fail(
            f"{host}:{port} doesn't answer as the Amazon root CAs and TLS 1.3 demand: {refused.reason}",
            f"openssl s_client -tls1_3 -connect {host}:{port} </dev/null",
        )
    except OSError:
        pass  # out of reach from here, which says nothing about the cluster


def _certificate_id(case: Case) -> str | None:
    wanted = certificate_name(case.settings.rotation.certificate)
    found = [each for each in case.known().of_type(types.CERTIFICATE) if each.name == wanted]
    return found[-1].id if found else None


def _certificate(case: Case, findings: Findings) -> None:
    id_ = _certificate_id(case)
    if id_ is None:
        return
    try:
        found = record(case.aws.call("iot:DescribeCertificate", certificateId=id_), "certificateDescription")
    except AwsError as refusal:
        absent(refusal, "ResourceNotFoundException")
        findings.fail(f"AWS IoT has no certificate {id_[:12]}…", "pulumi refresh; pulumi up")
        return
    status = text(found, "status")
    findings.expect(
        status == "ACTIVE",
        f"certificate {id_[:12]}… is ACTIVE",
        f"certificate {id_[:12]}… is {status}",
        f"aws iot update-certificate --new-status ACTIVE --certificate-id {id_}",
    )


def _attached(case: Case, findings: Findings) -> None:
    id_ = _certificate_id(case)
    if id_ is None or not case.has_built(types.POLICY_ATTACHMENT):
        return
    arn, own = case.arn("iot", f"cert/{id_}"), case.mqtt.policy_name
    try:
        policies = case.aws.records("iot:ListAttachedPolicies", "policies", target=arn)
    except AwsError as refusal:
        absent(refusal, "ResourceNotFoundException")
        return  # reported by certificate-active
    names = [text(each, "policyName") for each in policies]
    findings.expect(
        own in names,
        f"policy {own} is on it",
        f"policy {own} isn't on the certificate",
        f"aws iot attach-policy --policy-name {own} --target {arn}",
    )
    for other in (name for name in names if name != own):
        findings.fail(
            f"policy {other} is on the certificate, too: the server may do more than it should",
            f"aws iot detach-policy --policy-name {other} --target {arn}",
        )


def _may(case: Case, findings: Findings) -> None:
    """Every MQTT operation of the server, evaluated by AWS itself.

    Source: AWS IoT API reference, TestAuthorization.
    """
    id_ = _certificate_id(case)
    if id_ is None or not case.has_built(types.POLICY_ATTACHMENT):
        return
    mqtt = case.mqtt
    status = mqtt.agent_events(CONSUMER)
    client = f"{mqtt.server_client_id_prefix}{POD}"
    asked = (
        ("CONNECT", "client", client),
        ("PUBLISH", "topic", mqtt.source_events(CONSUMER)),
        ("RECEIVE", "topic", status),
        ("SUBSCRIBE", "topicfilter", mqtt.agent_events("+")),
        ("SUBSCRIBE", "topicfilter", mqtt.shared_agent_events),
    )
    infos: list[Json] = [
        {"actionType": action, "resources": [case.arn("iot", f"{kind}/{name}")]}
        for action, kind, name in asked
    ]
    try:
        results = case.aws.records(
            "iot:TestAuthorization",
            "authResults",
            principal=case.arn("iot", f"cert/{id_}"),
            clientId=client,
            authInfos=infos,
        )
    except AwsError as refusal:
        absent(refusal, "ResourceNotFoundException")
        return  # reported by certificate-active
    allowed = [
        f"{action.lower()} {name}"
        for (action, _, name), result in zip(asked, results, strict=True)
        if text(result, "authDecision") == "ALLOWED"
    ]
    forms = [mqtt.agent_events("+"), mqtt.shared_agent_events]
    subscribed = [form for form in forms if f"subscribe {form}" in allowed]
    others = [f"{action.lower()} {name}" for action, _, name in asked if action != "SUBSCRIBE"]
    refused = [each for each in others if each not in allowed] + (
        [] if subscribed else ["subscribe to status"]
    )
    findings.expect(
        not refused,
        f"AWS allows the server to connect, publish, subscribe and receive; of the two forms of "
        f"$share/{SHARE_GROUP} it allows {' and '.join(subscribed)}",
        f"AWS denies what the server does: {'; '.join(refused)}",
        "pulumi refresh; pulumi up",
    )


CATEGORY = Category(
    name="broker",
    question="Does AWS IoT speak TLS 1.3, and allow what the server does?",
    before=(tls := Question(name="broker-tls", that="that the endpoint speaks TLS 1.3", ask=_tls),),
    after=(
        tls,
        Question(name="certificate-active", that="that the certificate is ACTIVE", ask=_certificate),
        Question(name="certificate-policy", that="that the certificate has our policy alone", ask=_attached),
        Question(name="broker-allows", that="that AWS allows every MQTT operation of the server", ask=_may),
    ),
)
