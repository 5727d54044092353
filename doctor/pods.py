"""pods: is the server running, and if not, why, in the cluster's own words?"""

import re
from collections.abc import Iterator, Mapping

from checks.finding import Findings
from common.json_values import Json, flag, number, record, records, text
from doctor.api import PAGE
from doctor.case import Case
from doctor.errors import UnaskedError
from doctor.question import Category, Question
from doctor.taken import PENDING, newest_revision
from maestro_stack.names import HTTP_SERVICE
from maestro_stack.server import HTTP_PORT
from policies import types

DEPLOYMENT = "maestro"
SERVICE = "service"
"""The server's container."""
LOG_SECONDS = 900
RESTARTS_MAX = 5
_WORDS = 300
"""Characters of an event's message that are shown."""

# What the server's log says when the broker drops or refuses it, and when that is over.
# Source: open-cluster-management-io/sdk-go, pkg/cloudevents/generic/clients/baseclient.go.
_LOST = re.compile(
    r"cloudevents client is disconnected|cloudevents client reconnect failed|failed to subscribe"
    r"|failed to receive cloudevents|Unable to initialize environment"
)
_BACK = re.compile(r"cloudevents client is reconnected")

_SELECT = "pulumi config set --path 'server.values.deployment.nodeSelector[\"kubernetes.io/arch\"]' amd64"
REMEDIES = (
    (r"FailedMount|MountVolume", "kubectl logs -n kube-system -l app=secrets-store-csi-driver-provider-aws"),
    (r"ImagePull|ErrImage", "pulumi config set --path server.image.tag TAG"),
    (r"exec format error", _SELECT),
    (r"FailedScheduling|Unschedulable", "kubectl describe nodes | grep -A 8 'Allocated resources'"),
    (r"FailedCreate|violates PodSecurity|denied the request", "kubectl get events -n {namespace}"),
    (r"CrashLoop|Error|OOMKilled", "kubectl logs -n {namespace} deployment/maestro -c service --previous"),
    (r"Unhealthy", "kubectl logs -n {namespace} deployment/maestro -c service"),
)  # fmt: skip
"""By pattern of a pod's reason, the command to run. The first match counts."""


def _remedy(reason: str, namespace: str) -> str:
    found = (do for pattern, do in REMEDIES if re.search(pattern, reason))
    return next(found, "kubectl describe pods -n {namespace}").format(namespace=namespace)


def _release(case: Case, findings: Findings) -> None:
    """Whether the release is deployed, according to Helm's own record."""
    if not case.has_built(types.RELEASE):
        return
    name, namespace = case.settings.server.release_name, case.settings.server.namespace
    newest = newest_revision(case)
    if newest is None:
        findings.fail(f"release {name} is gone from namespace {namespace}", "pulumi refresh; pulumi up")
        return
    number_, status = newest
    if status in PENDING:
        return  # reported by release-name
    findings.expect(
        status == "deployed",
        f"release {name} is deployed, revision {number_}",
        f"release {name} is {status}",
        f"helm history {name} -n {namespace}; when the cause in the pods is fixed, pulumi up",
    )


def _ready(case: Case, findings: Findings) -> None:
    """Whether every replica is ready; for each that isn't, the words of its state or newest event."""
    namespace = case.settings.server.namespace
    deployment = case.api.find(f"/apis/apps/v1/namespaces/{namespace}/deployments/{DEPLOYMENT}")
    if deployment is None:
        if case.has_built(types.RELEASE):
            findings.fail(f"there is no Deployment {namespace}/{DEPLOYMENT}", "pulumi refresh; pulumi up")
        elif case.settings.server.install == "external" and case.has_built(types.POD_IDENTITY):
            findings.fail(
                f"nobody has installed the chart: there is no Deployment {namespace}/{DEPLOYMENT}",
                "install it with the values of: pulumi stack output maestro_chart_values",
            )
        return
    wanted = number(record(deployment, "spec"), "replicas", 1)
    ready = number(record(deployment, "status"), "readyReplicas")
    if ready >= wanted:
        findings.holds(f"{ready} of {wanted} pods are ready")
        return
    reasons = dict.fromkeys(_reasons(case))
    if not reasons:
        findings.fail(f"{ready} of {wanted} pods are ready", f"kubectl describe pods -n {namespace}")
    for reason in reasons:
        findings.fail(f"{ready} of {wanted} pods are ready: {reason}", _remedy(reason, namespace))


def _reasons(case: Case) -> Iterator[str]:
    events = sorted(
        case.api.items(f"{case.namespace_path}/events", fieldSelector="type=Warning"),
        key=lambda each: text(each, "lastTimestamp") or text(each, "eventTime"),
    )
    pods = case.server_pods()
    for pod in pods:
        if not _is_ready(pod):
            name = text(record(pod, "metadata"), "name")
            reason = _state(pod) or _newest(events, name) or text(record(pod, "status"), "phase")
            yield reason.replace(name, "POD")  # so that a problem of all pods is reported once
    if not pods:  # none was admitted, and the event is about the ReplicaSet
        yield from filter(None, [_newest(events, f"{DEPLOYMENT}-")])


def _is_ready(pod: Mapping[str, Json]) -> bool:
    return any(
        text(each, "type") == "Ready" and text(each, "status") == "True"
        for each in records(record(pod, "status"), "conditions")
    )


def _state(pod: Mapping[str, Json]) -> str:
    """Why a container is waiting; empty if each only waits for others."""
    status = record(pod, "status")
    for each in (*records(status, "initContainerStatuses"), *records(status, "containerStatuses")):
        state = record(each, "state")
        waiting, ended = record(state, "waiting"), record(record(each, "lastState"), "terminated")
        reason = text(waiting, "reason")
        if reason and reason not in ("PodInitializing", "ContainerCreating"):
            last = f"; it ended with {number(ended, 'exitCode')}, {text(ended, 'reason')}" if ended else ""
            return f"{text(each, 'name')}: {reason}: {_short(text(waiting, 'message'))}{last}"
    return ""


def _newest(events: list[dict[str, Json]], name: str) -> str:
    about = [each for each in events if text(record(each, "involvedObject"), "name").startswith(name)]
    return f"{text(about[-1], 'reason')}: {_short(text(about[-1], 'message'))}" if about else ""


def _short(message: str) -> str:
    """One line, without terminal escapes."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return line if len(line) <= _WORDS else f"{line[:_WORDS]}…"


def _restarts(case: Case, findings: Findings) -> None:
    """Whether pods restart too often; a first install's `migration` may restart once: see README.md."""
    pods = case.server_pods()
    if not pods:
        return
    counts = {
        f"{text(record(pod, 'metadata'), 'name')} {text(each, 'name')}": number(each, "restartCount")
        for pod in pods
        for each in records(record(pod, "status"), "containerStatuses")
    }
    many = {name: count for name, count in counts.items() if count > RESTARTS_MAX}
    findings.expect(
        not many,
        f"{sum(counts.values())} restarts of {len(pods)} pods",
        "; ".join(f"{name} restarted {count} times" for name, count in many.items()),
        f"kubectl logs -n {case.settings.server.namespace} deployment/maestro -c service --previous",
    )


def _mounted(case: Case, findings: Findings) -> None:
    """Whether every pod has mounted its secrets, according to the CSI driver."""
    namespace = case.settings.server.namespace
    statuses = case.api.items(
        f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{namespace}/secretproviderclasspodstatuses"
    )
    mounted = {
        text(record(each, "status"), "podName")
        for each in statuses
        if flag(record(each, "status"), "mounted")
    }
    pods = {text(record(pod, "metadata"), "name") for pod in case.server_pods() if _is_ready(pod)}
    if not pods:
        return
    missing = sorted(pods - mounted)
    if missing and not statuses:
        findings.unverified(
            "that the pods have mounted their secrets: the CSI driver keeps no status here",
            f"kubectl get secretproviderclasspodstatus -n {namespace}",
        )
        return
    findings.expect(
        not missing,
        f"{len(pods)} pods have mounted their secrets",
        f"the CSI driver has mounted nothing for {', '.join(missing)}",
        f"kubectl describe pods -n {namespace}",
    )


def _mqtt(case: Case, findings: Findings) -> None:
    """Whether the pods are connected: one that the broker refuses stays Ready, and only its log says so."""
    silent: list[str] = []
    pods = [pod for pod in case.server_pods() if text(record(pod, "status"), "phase") == "Running"]
    for pod in pods:
        name = text(record(pod, "metadata"), "name")
        log = case.api.text(
            f"{case.namespace_path}/pods/{name}/log",
            container=SERVICE,
            sinceSeconds=str(LOG_SECONDS),
            limitBytes=str(2**20),
        )
        lost = None
        for line in log.splitlines():
            lost = line if _LOST.search(line) else None if _BACK.search(line) else lost
        if lost:
            findings.fail(
                f"{name} isn't connected to the broker: {_short(lost)}",
                f"kubectl logs -n {case.settings.server.namespace} {name} -c service",
            )
        if not log:
            silent.append(name)
    if silent:
        findings.unverified(
            f"that {', '.join(silent)} are connected to the broker: they logged nothing in "
            f"{LOG_SECONDS // 60} minutes",
            f"kubectl logs -n {case.settings.server.namespace} deployment/maestro -c service",
        )
    elif pods and not findings.found:
        findings.holds(f"no pod lost the broker in the last {LOG_SECONDS // 60} minutes of its log")


def _api(case: Case, findings: Findings) -> None:
    """Whether the REST API lists its consumers, and what each has reported; through the API server's proxy.

    Source: Maestro, openapi/openapi.yaml: ConsumerList, ResourceBundleList.
    """
    path = f"{case.namespace_path}/services/{HTTP_SERVICE}:{HTTP_PORT}/proxy/api/maestro/v1"
    if not case.port_forward:
        findings.unverified("that its API answers", "python -m doctor after --port-forward")
        return
    logs = f"kubectl logs -n {case.settings.server.namespace} deployment/maestro -c service"
    try:
        answer = case.api.find(f"{path}/consumers")
        bundles = case.api.items(f"{path}/resource-bundles", size=str(PAGE))
    except UnaskedError as refused:
        findings.fail(f"the API doesn't answer: {refused}", logs)
        return
    if answer is None:
        if case.server_pods():  # otherwise pods-ready reports it
            findings.fail(f"the API doesn't answer: nothing is at {path}/consumers (404)", logs)
        return
    consumers = [text(each, "name") for each in records(answer, "items")]
    findings.holds(f"the API answers; consumers: {', '.join(consumers) or 'none yet'}")
    for consumer in consumers:
        theirs = [each for each in bundles if text(each, "consumer_name") == consumer]
        reported = [text(each, "updated_at") for each in theirs if record(each, "status")]
        if reported:
            findings.holds(
                f"{consumer} has reported on {len(reported)} of its {len(theirs)} resource bundles, "
                f"which last changed at {max(reported)}"
            )
        elif theirs:
            findings.unverified(
                f"that the agent of {consumer} works: it has reported on none of its {len(theirs)} "
                "resource bundles",
                f"kubectl get deployments -A | grep maestro-agent, in the cluster of {consumer}",
            )


CATEGORY = Category(
    name="pods",
    question="Does the server run, and is it connected?",
    after=(
        Question(name="release-deployed", that="that the release is deployed", ask=_release),
        Question(name="pods-ready", that="that every pod is ready", ask=_ready),
        Question(name="pods-restarts", that="that the pods don't restart", ask=_restarts),
        Question(name="pods-mounted", that="that the pods have mounted their secrets", ask=_mounted),
        Question(name="pods-connected", that="that the pods are connected to the broker", ask=_mqtt),
        Question(name="api-answers", that="that the API answers, and agents report", ask=_api),
    ),
)
