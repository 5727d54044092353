"""What a chart would install in clusters other than the emulated one, rendered by Helm's own engine.

A template may ask whether this is an upgrade, what `lookup` finds and which APIs the cluster has. Here, each
question is answered both ways.
"""

import json
import re
import shutil
import tempfile
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from common.json_values import Json, json_list
from emulator.kubernetes.helm import manifests_of
from emulator.kubernetes.objects import KubernetesError, Manifest

UPGRADE, FULL = "on an upgrade", "in a full cluster"
SITUATIONS: Mapping[str, tuple[bool, bool]] = {
    UPGRADE: (True, False),
    FULL: (False, True),
    f"{UPGRADE} {FULL}": (True, True),
}
"""By name: whether the release already exists, and whether the cluster is full.

In a full one, `lookup` finds an object of every kind, and every API exists.
"""
_HAS_API = re.compile(r"[$.\w]*\bAPIVersions\.Has\b")
_VERBS = ("get", "list")
_KIND = re.compile(r"\b[A-Z][A-Za-z]+\b")


def situations(
    chart: Path, values: Mapping[str, Json], *, name: str, namespace: str
) -> dict[str, tuple[Manifest, ...]]:
    """The objects by situation. If a situation can't be rendered, it has an object of kind `Failure`."""
    found: dict[str, tuple[Manifest, ...]] = {}
    with tempfile.TemporaryDirectory() as folder, _cluster(chart) as address:
        # Helm's engine can be given a cluster's objects, but not its APIs.
        full = Path(folder) / chart.name
        shutil.copytree(chart, full)
        for template in full.rglob("templates/**/*"):
            if template.is_file():
                text = template.read_bytes()
                template.write_bytes(_HAS_API.sub('ne ""', text.decode("utf-8", "surrogateescape")).encode(
                    "utf-8", "surrogateescape"
                ))  # fmt: skip
        for situation, (is_upgrade, is_full) in SITUATIONS.items():
            place = full if is_full else chart
            try:
                rendered = _rendered(place, values, name, namespace, address if is_full else "", is_upgrade)
                found[situation] = tuple(manifests_of(rendered))
            except KubernetesError as refused:
                failure: dict[str, Json] = {
                    "kind": "Failure", "metadata": {"name": situation}, "message": str(refused)
                }  # fmt: skip
                found[situation] = (Manifest(template="", content=failure),)
    return found


def custom_resource_definitions(chart: Path) -> Iterator[Manifest]:
    """What Helm installs before the templates' objects, from `crds/` in the chart and its subcharts."""
    for file in sorted(chart.rglob("crds/**/*")):
        if file.is_file():
            path = f"{chart.name}/{file.relative_to(chart)}"
            yield from manifests_of({path: file.read_text(encoding="utf-8", errors="replace")})


def _rendered(  # noqa: PLR0913, PLR0917 what Helm is told
    chart: Path,
    values: Mapping[str, Json],
    name: str,
    namespace: str,
    address: str,
    is_upgrade: bool,  # noqa: FBT001
) -> dict[str, str]:
    import helm_python as helm

    told: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "revision": 2 if is_upgrade else 1,
        "is_install": not is_upgrade,
        "is_upgrade": is_upgrade,
    }
    try:
        with helm.Chart.load(chart) as loaded:
            if not address:
                return loaded.render(dict(values), **told)
            with tempfile.NamedTemporaryFile("w", suffix=".json") as kubeconfig:
                json.dump(_kubeconfig(address), kubeconfig)
                kubeconfig.flush()
                with helm.Config(kubeconfig_path=kubeconfig.name, namespace=namespace) as config:
                    return config.render(loaded, dict(values), **told)
    except helm.HelmError as refused:
        raise KubernetesError(str(refused)) from None


def _kubeconfig(address: str) -> dict[str, Json]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "full",
        "contexts": [{"name": "full", "context": {"cluster": "full", "user": "nobody"}}],
        "clusters": [{"name": "full", "cluster": {"server": address}}],
        "users": [{"name": "nobody", "user": {}}],
    }


@contextmanager
def _cluster(chart: Path) -> Generator[str]:
    """Run an API server on loopback with one object of every kind that the chart names; yields its URL."""
    files = (file for file in chart.rglob("templates/**/*") if file.is_file())
    kinds = {kind for file in files for kind in _KIND.findall(file.read_text("utf-8", errors="replace"))}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps(_answer(self.path.partition("?")[0], sorted(kinds))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 as the base has it
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # `shutdown` waits for the end of an interval.
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _answer(path: str, kinds: list[str]) -> dict[str, Json]:
    """Source: Kubernetes, "API concepts" and "Discovery"."""
    parts = path.strip("/").split("/")
    version, rest = (parts[1], parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if not rest:
        listed: list[Json] = [
            {
                "name": f"{kind.lower()}s",
                "kind": kind,
                "namespaced": True,
                "verbs": json_list(["get", "list"]),
            }
            for kind in kinds
        ]
        return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}
    namespace = rest.pop(1) if rest[0] == "namespaces" and len(rest) > 2 else ""
    plural = rest[1] if namespace else rest[0]
    name = rest[-1] if rest[-1] != plural else ""
    kind = next((kind for kind in kinds if f"{kind.lower()}s" == plural), plural)
    there: dict[str, Json] = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name or "some", "namespace": namespace, "labels": {}, "annotations": {}},
        "data": {"cluster_name": "some"},
        "spec": {},
        "status": {},
    }
    return there if name else {"apiVersion": version, "kind": f"{kind}List", "items": [there]}
