"""Renders the chart with Helm's own engine and hands out its objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import yaml
from helm_python import Chart

Object: TypeAlias = dict[str, Any]  # a Kubernetes object, or a part of one
Values: TypeAlias = dict[str, Any]

CHART = Path(__file__).resolve().parents[2] / "charts" / "maestro-server-eso"
MINIMAL: Values = {
    "clusterName": "regional-xyz",
    "broker": {"endpoint": "abc123-ats.iot.us-west-2.amazonaws.com"},
}


def load(text: str) -> Any:
    """The YAML document, parsed by libyaml where it is installed: ten times as fast."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (both are safe)


def values_at(path: str, value: object) -> Values:
    """Values with one dotted path set, as `--set path=value` makes them."""
    key, _, rest = path.partition(".")
    return {key: values_at(rest, value) if rest else value}


def merged(*layers: Mapping[str, Any]) -> Values:
    """Values merged as Helm merges them: later ones win, objects key by key."""
    result: Values = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged(result[key], cast("Values", value)) if both else value
    return result


@dataclass(frozen=True)
class Release:
    """What one `helm install` would create."""

    objects: list[Object]
    notes: str

    def one(self, kind: str, name: str) -> Object:
        """The object of that kind and name."""
        found = [o for o in self.objects if o["kind"] == kind and o["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
        return found[0]

    @property
    def deployment(self) -> Object:
        return self.one("Deployment", "maestro")

    @property
    def pod_template(self) -> Object:
        return cast("Object", self.deployment["spec"]["template"])

    @property
    def containers(self) -> dict[str, Object]:
        """All containers of the pod by name, the init container included."""
        pod = self.pod_template["spec"]
        return {c["name"]: c for c in [*pod["initContainers"], *pod["containers"]]}

    def flags(self, container: str) -> dict[str, str]:
        """The container's flags: {"db-sslmode": "verify-full", "alsologtostderr": ""}."""
        flags: dict[str, str] = {}
        for argument in cast("list[str]", self.containers[container]["args"]):
            name, _, value = argument.partition("=")
            assert name.startswith("-"), argument
            assert name not in flags, f"{name} twice"
            flags[name.lstrip("-")] = value
        return flags

    @property
    def mqtt_config(self) -> Object:
        return load(self.one("ConfigMap", "maestro-mqtt")["data"]["config.yaml"])

    @property
    def rds_ca(self) -> str:
        """PEM text that the database's certificate is verified against."""
        return cast("str", self.one("ConfigMap", "maestro-rds-ca")["data"]["ca.pem"])

    @property
    def secret_parameters(self) -> dict[str, str]:
        return self.one("SecretProviderClass", "maestro-secrets")["spec"]["parameters"]

    @property
    def mounted_secrets(self) -> list[Object]:
        return load(self.secret_parameters["objects"])

    @property
    def network_policy(self) -> Object:
        return self.one("NetworkPolicy", "maestro")["spec"]


class Render(Protocol):
    """Renders the chart; `only` replaces the minimal values instead of adding to them."""

    def __call__(self, *layers: Values, only: bool = False) -> Release: ...


def release_of(chart: Chart, values: Values) -> Release:
    """The chart rendered as release maestro-server in namespace maestro."""
    templates = chart.render(values, name="maestro-server", namespace="maestro")
    documents = [load(text) for path, text in templates.items() if path.endswith(".yaml") and text.strip()]
    notes = next(text for path, text in templates.items() if path.endswith("NOTES.txt"))
    return Release(objects=documents, notes=notes)
