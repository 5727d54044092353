"""A cluster of plain API objects: what an API server would answer about them."""

from collections.abc import Callable
from urllib.parse import unquote

from common.json_values import Json, dig, record, records, text
from doctor.errors import UnaskedError

PLACES = {
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "CSIDriver": ("/apis/storage.k8s.io/v1", "csidrivers"),
    "ValidatingWebhookConfiguration": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
    ),
    "ValidatingAdmissionPolicyBinding": (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicybindings",
    ),
    "SecretProviderClassPodStatus": (
        "/apis/secrets-store.csi.x-k8s.io/v1",
        "secretproviderclasspodstatuses",
    ),
    "SecurityGroupPolicy": ("/apis/vpcresources.k8s.aws/v1beta1", "securitygrouppolicies"),
}
Object = dict[str, Json]


def described(kind: str, name: str, namespace: str = "", **content: Json) -> Object:
    """An object with its metadata."""
    place: Object = {"namespace": namespace} if namespace else {}
    metadata = {"name": name, **place, **record(content, "metadata")}
    return {"kind": kind, **content, "metadata": metadata}


class PlainCluster:
    """Answers as `doctor.api.Api` does. `refusal` makes it refuse each path for which it returns an error."""

    def __init__(self, objects: list[Object]) -> None:
        self.objects = objects
        self.logs: dict[str, str] = {}
        """Log text by pod."""
        self.answers: dict[str, Object] = {"/version": {"gitVersion": "v1.33.1-eks-1"}}
        self.refusal: Callable[[str], UnaskedError | None] = lambda _: None
        self.asked: list[str] = []

    def find(self, path: str) -> Object | None:
        self._ask(path)
        if path in self.answers:
            return self.answers[path]
        return next((each for each in self.objects if _path(each) == path), None)

    def items(self, path: str, **query: str) -> list[Object]:
        self._ask(path)
        if path in self.answers:
            return records(self.answers[path], "items")
        return [each for each in self.objects if path in _collections(each) and _selected(each, query)]

    def text(self, path: str, **query: str) -> str:
        del query
        self._ask(path)
        return self.logs.get(path.split("/")[-2], "")

    def _ask(self, path: str) -> None:
        self.asked.append(path)
        if refused := self.refusal(path):
            raise refused

    def of_kind(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def remove(self, kind: str, name: str = "") -> None:
        self.objects = [
            each
            for each in self.objects
            if each["kind"] != kind or (name and dig(each, "metadata.name") != name)
        ]


def _collections(thing: Object) -> set[str]:
    group, plural = PLACES.get(text(thing, "kind"), ("", ""))
    namespace = text(record(thing, "metadata"), "namespace")
    own = {f"{group}/namespaces/{namespace}/{plural}"} if namespace else set[str]()
    return {f"{group}/{plural}", *own}


def _path(thing: Object) -> str:
    collection = max(_collections(thing), key=len)
    return unquote(f"{collection}/{dig(thing, 'metadata.name')}")


def _selected(thing: Object, query: dict[str, str]) -> bool:
    labels = record(record(thing, "metadata"), "labels")
    wanted = dict(each.split("=") for each in query.get("labelSelector", "").split(",") if each)
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(
        (str(dig(thing, key) or "") == value) != negated
        for key, negated, value in map(_term, filter(None, query.get("fieldSelector", "").split(",")))
    )


def _term(selector: str) -> tuple[str, bool, str]:
    key, _, value = selector.partition("=")
    return key.removesuffix("!"), key.endswith("!"), value
