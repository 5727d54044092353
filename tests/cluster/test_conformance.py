"""One life of objects and a release, on the real provider and on the one in memory: both report the same.

Compared after each operation: whether it succeeds, what it does to which resource and for which fields
(the engine's detailedDiff), the errors, and the outputs in the state after it.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

import tools
from common.json_values import Json, json_list, record, records, text, texts
from controlplane import MERGE_PATCH, Api, ControlPlane
from emulator.client import Emulation
from emulator.executables import write_plugins
from engine.driver import Engine
from engine.events import NOTHING
from engine.programs import WritePlugins
from engine.project import load_stack, write_config
from rehearsal.environment import with_real_kubernetes
from tests.cluster.conftest import tool
from tests.cluster.objects import Tool
from tests.engine.attached import Attached
from tests.sharing import once

PROGRAM = Path(__file__).parent / "conformance"
NAMESPACE, CLUSTER = "conformance", "conformance"
RELEASE = f"{NAMESPACE}/web"
ZONE = "topology.kubernetes.io/zone"


class Side(Protocol):
    """What somebody else does to the cluster, which each of the two does in its own way."""

    def edit(self, manager: str, content: Mapping[str, Json]) -> None:
        """Merge `content` into an object, or create it."""
        ...

    def uninstall(self) -> None:
        """As `helm uninstall web`."""
        ...

    def hold(self, *releases: str) -> None:
        """From now on these releases never get ready, where nothing else prevents it."""
        ...


@dataclass
class Real:
    """On the API server."""

    api: Api
    helm: Tool

    def edit(self, manager: str, content: Mapping[str, Json]) -> None:
        metadata = record(content, "metadata")
        inside = f"/namespaces/{text(metadata, 'namespace')}" if "namespace" in metadata else ""
        kind = f"/api/v1{inside}/{text(content, 'kind').lower()}s"
        path, query = f"{kind}/{text(metadata, 'name')}", f"?fieldManager={manager}"
        if self.api.exists(path):
            self.api.call("PATCH", path + query, content, content_type=MERGE_PATCH)
        else:
            self.api.call("POST", kind + query, content)

    def uninstall(self) -> None:
        self.helm("uninstall", "web", "-n", NAMESPACE)

    def hold(self, *releases: str) -> None:
        """Their pods wait for a node that doesn't exist."""


@dataclass
class Memory:
    """In the emulator."""

    emulation: Emulation

    def _do(self, operation: str, **more: Json) -> None:
        self.emulation.kubernetes({"cluster": CLUSTER, "operation": operation, **more})

    def edit(self, manager: str, content: Mapping[str, Json]) -> None:
        self._do("edit", manager=manager, object=dict(content))

    def uninstall(self) -> None:
        state: Json = {"id": RELEASE, "outputs": {}}
        self._do("delete", type="kubernetes:helm.sh/v3:Release", state=state)

    def hold(self, *releases: str) -> None:
        self._do("unready", releases=list(releases))


@dataclass
class Stack:
    """The configuration of the program, which the life changes step by step."""

    root: Path
    keeper: str = "1"
    resources: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def put(self, name: str, type_: str, /, *, tokens: tuple[str, ...] = (), **arguments: Any) -> None:
        self.drop(name)
        made = {"name": name, "type": type_, "tokens": list(tokens), "arguments": arguments}
        self.resources.append(made)

    def drop(self, name: str) -> None:
        self.resources = [each for each in self.resources if each["name"] != name]

    def rename(self, old: str, new: str) -> None:
        self.resources = [{**each, "name": new} if each["name"] == old else each for each in self.resources]

    def of(self, name: str) -> dict[str, Any]:
        (found,) = [each for each in self.resources if each["name"] == name]
        return found["arguments"]

    def edit_chart(self, file: str, old: str, new: str) -> None:
        path = self.root / "chart" / file
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One operation of the life, and what is done before it: to the stack, and by somebody else."""

    title: str
    operation: str
    change: Callable[[Stack], object] = lambda _: None
    others: Callable[[Side], object] = lambda _: None


def begin(stack: Stack) -> None:
    labels = {"team": "a", "example.test/tier": "one"}
    stack.put("namespace", "Namespace", metadata={"name": NAMESPACE, "labels": labels})
    metadata = {"name": "ours", "namespace": NAMESPACE}
    stack.put("ours", "ConfigMap", metadata=metadata, data={"key": "1"}, tokens=("data",))
    stack.put(
        "web",
        "Release",
        name="web",
        namespace=NAMESPACE,
        chart="./chart",
        values={"colour": "green", "image": {"tag": "1"}, "nodeSelector": {ZONE: "us-east-1a"}},
        timeout=20,
        max_history=5,
        tokens=("values",),
    )


def config_map(name: str, data: Json, **metadata: Json) -> dict[str, Json]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "data": data,
    }


def label_namespace(side: Side) -> None:
    metadata: Json = {"name": NAMESPACE, "labels": {"team": "theirs"}}
    side.edit("kubectl-label", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


def force(stack: Stack, name: str) -> None:
    stack.of(name)["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}


def place(stack: Stack, zone: str, timeout: int) -> None:
    stack.of("web")["values"]["nodeSelector"] = {ZONE: zone}
    stack.of("web")["timeout"] = timeout


def patch(stack: Stack, name: str, **data: str) -> None:
    stack.put(name, "ConfigMapPatch", metadata={"name": name, "namespace": NAMESPACE}, data=data)


LIFE = (
    Moment(title="a preview of a new stack", operation="preview", change=begin),
    Moment(title="its first up", operation="up"),
    Moment(title="an up without a change", operation="up"),
    Moment(title="a refresh without a change", operation="refresh"),
    Moment(
        title="a preview of a changed label",
        operation="preview",
        change=lambda s: s.of("namespace")["metadata"]["labels"].update({"example.test/tier": "two"}),
    ),
    Moment(title="a changed label", operation="up"),
    Moment(
        title="a changed and a new key, and an annotation",
        operation="up",
        change=lambda s: (
            s.of("ours")["data"].update({"key": "2", "more": "1"}),
            s.of("ours")["metadata"].update({"annotations": {"note": "ours"}}),
        ),
    ),
    Moment(title="a key given up", operation="up", change=lambda s: s.of("ours")["data"].pop("more")),
    Moment(
        title="another name",
        operation="up",
        change=lambda s: s.of("ours")["metadata"].update({"name": "renamed"}),
    ),
    Moment(
        title="a preview of another image",
        operation="preview",
        change=lambda s: s.of("web")["values"].update({"image": {"tag": "2"}}),
    ),
    Moment(title="another image", operation="up"),
    Moment(
        title="a value given up, another timeout",
        operation="up",
        change=lambda s: (s.of("web")["values"].pop("colour"), s.of("web").update({"timeout": 25})),
    ),
    Moment(
        title="a preview with unknown values", operation="preview", change=lambda s: setattr(s, "keeper", "2")
    ),
    Moment(title="a value that was unknown", operation="up"),
    Moment(
        title="an edit of the chart",
        operation="up",
        change=lambda s: s.edit_chart("templates/web.yaml", "}}\ndata", "}}\n  labels: {a: b}\ndata"),
    ),
    Moment(
        title="an edit of the chart, with its digest",
        operation="up",
        change=lambda s: s.of("web")["values"].update({"digest": "abc"}),
    ),
    Moment(
        title="another version of the chart",
        operation="up",
        change=lambda s: s.edit_chart("Chart.yaml", "version: 0.1.0", "version: 0.1.1"),
    ),
    Moment(
        title="a preview of values that the schema refuses",
        operation="preview",
        change=lambda s: s.of("web")["values"].update({"colour": 1}),
    ),
    Moment(title="values that the schema refuses", operation="up"),
    Moment(
        title="a chart that fails",
        operation="up",
        change=lambda s: (
            s.of("web")["values"].pop("colour"),
            s.of("web")["values"].update({"refuse": True}),
        ),
    ),
    Moment(
        title="a chart that isn't there",
        operation="up",
        change=lambda s: s.of("web").update({"chart": "./none"}),
    ),
    Moment(
        title="the chart again",
        operation="preview",
        change=lambda s: s.of("web").update({"chart": "./chart"}),
    ),
    Moment(
        title="an upgrade that doesn't get ready",
        operation="up",
        change=lambda s: (s.of("web")["values"].pop("refuse"), place(s, "none", 3)),
        others=lambda o: o.hold(RELEASE),
    ),
    Moment(
        title="its repair",
        operation="up",
        change=lambda s: place(s, "us-east-1b", 20),
        others=lambda o: o.hold(),
    ),
    Moment(title="a label that somebody changed", operation="refresh", others=label_namespace),
    Moment(title="a preview after that", operation="preview"),
    Moment(title="a forced preview after that", operation="preview", change=lambda s: force(s, "namespace")),
    Moment(title="its way back", operation="up"),
    Moment(
        title="what kubectl wrote",
        operation="refresh",
        others=lambda o: o.edit("kubectl-patch", config_map("renamed", {"theirs": "1"}, labels={"a": "b"})),
    ),
    Moment(
        title="an update over it", operation="up", change=lambda s: s.of("ours")["data"].update({"key": "3"})
    ),
    Moment(
        title="a key that another manager took",
        operation="refresh",
        others=lambda o: o.edit("argocd", config_map("renamed", {"key": "theirs", "other": "2"})),
    ),
    Moment(title="an up over another manager's key", operation="up"),
    Moment(title="a forced up over it", operation="up", change=lambda s: force(s, "ours")),
    Moment(
        title="a patch of another's ConfigMap",
        operation="up",
        change=lambda s: patch(s, "theirs", ours="1"),
        others=lambda o: o.edit("bootstrap", config_map("theirs", {"theirs": "1"})),
    ),
    Moment(
        title="a patch of none, and another key in the first",
        operation="up",
        change=lambda s: (patch(s, "theirs", ours="2", more="1"), patch(s, "none", ours="1")),
    ),
    Moment(
        title="a patch of a key that is somebody's",
        operation="up",
        change=lambda s: s.of("theirs")["data"].update({"theirs": "2"}),
    ),
    Moment(
        title="patches given up",
        operation="up",
        change=lambda s: (s.drop("theirs"), s.drop("none")),
    ),
    Moment(
        title="an up of a release that is gone",
        operation="up",
        change=lambda s: s.of("web")["values"].update({"digest": "def"}),
        others=lambda o: o.uninstall(),
    ),
    Moment(title="a refresh after that", operation="refresh"),
    Moment(title="its reinstallation", operation="up"),
    Moment(
        title="a release that doesn't get ready",
        operation="up",
        change=lambda s: (
            s.rename("web", "web2"),
            s.of("web2")["values"].update({"nodeSelector": {ZONE: "none"}}),
            s.of("web2").update({"name": "web2", "timeout": 3}),
        ),
        others=lambda o: o.hold(f"{NAMESPACE}/web2"),
    ),
    Moment(
        title="another name for it",
        operation="up",
        change=lambda s: (
            s.of("web2").update({"name": "web", "timeout": 20}),
            s.of("web2")["values"].pop("nodeSelector"),
        ),
        others=lambda o: o.hold(),
    ),
    Moment(title="a destroy of a release that is gone", operation="destroy", others=lambda o: o.uninstall()),
    Moment(title="a refresh before the destroy", operation="refresh"),
    Moment(title="the destroy", operation="destroy"),
)
TITLES = [moment.title for moment in LIFE]

OF_A_WRITE = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")
"""The fields of an object's metadata that differ between runs."""


def live(root: Path, engine_of: Callable[[Stack], Engine], side: Side) -> dict[str, Json]:
    """By title: what is reported at each moment."""
    shutil.copytree(PROGRAM, root)
    stack, told = Stack(root), dict[str, Json]()
    engine: Engine | None = None
    for moment in LIFE:
        moment.change(stack)
        if engine is None:
            engine = engine_of(stack)
        else:
            engine.configure(configured(stack, kubeconfig_of(engine)))
        moment.others(side)
        events: list[dict[str, Json]] = []
        result = getattr(engine, moment.operation)(observer=events.append)
        told[moment.title] = {
            "succeeded": result.succeeded,
            "steps": sorted_steps(events),
            "errors": json_list(sorted(errors_in(events))),
            "state": without_token(state_of(engine)) if moment.operation != "preview" else None,
        }
    return told


def configured(stack: Stack, kubeconfig: str) -> Any:
    file = stack.root / "Pulumi.life.yaml"
    config = {"kubeconfig": kubeconfig, "keeper": stack.keeper, "resources": stack.resources}
    write_config(file, {f"conformance:{key}": value for key, value in config.items()})
    return load_stack(stack.root, name="life", file=file)


def kubeconfig_of(engine: Engine) -> str:
    return str(engine.stack.config["conformance:kubeconfig"])


def sorted_steps(events: list[dict[str, Json]]) -> Json:
    """What was done, and to what; for a refresh, what it found."""
    found: list[Json] = []
    for event in events:
        done = record(record(event, "resOutputsEvent"), "metadata")
        failed = record(record(event, "resOpFailedEvent"), "metadata")
        planned = record(record(event, "resourcePreEvent"), "metadata")
        for metadata, how in ((planned, "begun"), (done, "done"), (failed, "failed")):
            name = text(metadata, "urn").rpartition("::")[2]
            if not text(metadata, "type").startswith("kubernetes:") or text(metadata, "op") in NOTHING:
                continue
            details = record(metadata, "detailedDiff")
            kinds = {path: text(record(details, path), "diffKind") for path in sorted(details)}
            found.append(
                {
                    "step": f"{how}: {text(metadata, 'op')} {name}",
                    "kinds": cast(Json, kinds),
                    "diffs": cast(Json, sorted(texts(metadata, "diffs"))),
                    "keys": cast(Json, sorted(texts(metadata, "keys"))),
                }
            )
    return sorted(found, key=json.dumps)


def errors_in(events: list[dict[str, Json]]) -> Iterator[str]:
    for event in events:
        diagnostic = record(event, "diagnosticEvent")
        # Whether the engine says that it shuts the program down depends on timing.
        if text(diagnostic, "severity") == "error" and "shutting down" not in text(diagnostic, "message"):
            yield masked(re.sub(r"<\{%\w+%\}>", "", text(diagnostic, "message")).strip())


def state_of(engine: Engine) -> Json:
    """What the engine has recorded; an export would take as long as some operations."""
    file = engine.folder / "backend/.pulumi/stacks/conformance/life.json"
    deployment = record(record(json.loads(file.read_text()), "checkpoint"), "latest")
    return {
        text(each, "urn").rpartition("::")[2]: {
            "inputs": each.get("inputs"),
            "outputs": stripped(record(each, "outputs")),
            "initErrors": cast(Json, [masked(error) for error in texts(each, "initErrors")]),
        }
        for each in records(deployment, "resources")
        if text(each, "type").startswith("kubernetes:")
    }


def stripped(outputs: Mapping[str, Json]) -> Json:
    """The outputs without what differs from run to run."""
    kept = dict(outputs)
    if "metadata" in kept:
        kept["metadata"] = {k: v for k, v in record(kept, "metadata").items() if k not in OF_A_WRITE}
    if "__inputs" in kept and isinstance(kept["__inputs"], dict) and "ciphertext" in kept["__inputs"]:
        kept["__inputs"] = "secret"
    kept.pop("__fieldManager", None)
    return kept


def masked(said: str) -> str:
    """Without the provider's generated names for field managers."""
    return re.sub(r"pulumi-kubernetes-[0-9a-f]{8}", "MANAGER", said)


def without_token(state: Json) -> Json:
    """Without the token's value, which is random."""
    return cast(Json, json.loads(re.sub(r'"token": "[0-9a-f]{8}"', '"token": "TOKEN"', json.dumps(state))))


@dataclass(frozen=True)
class Lives:
    real: dict[str, Json]
    memory: dict[str, Json]


@pytest.fixture(scope="module")
def lives(
    emulation: Emulation, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Lives:
    return once(tmp_path_factory, "conformance", lambda folder: both(emulation, control_plane, folder))


def both(emulation: Emulation, control_plane: ControlPlane, folder: Path) -> Lives:
    pulumi = tools.find("pulumi")
    assert pulumi is not None
    kubeconfig = control_plane.admin_kubeconfig_text

    def engine(name: str, plugins: WritePlugins, **variables: str) -> Callable[[Stack], Engine]:
        return lambda stack: Engine(
            configured(stack, kubeconfig),
            folder / name / "state",
            pulumi=pulumi,
            plugins=plugins,
            environment={**emulation.environment("us-east-1"), **variables},
        )

    with closing(control_plane.api()) as api, Attached() as attached:
        helm = tool("helm", control_plane, folder)
        real = live(folder / "real/program", engine("real", with_real_kubernetes()), Real(api, helm))
        attached.heed(emulation.environment("us-east-1"))
        memory = live(
            folder / "memory/program",
            engine("memory", write_plugins, **attached.variables),
            Memory(emulation),
        )
    return Lives(real, memory)


@pytest.mark.parametrize("title", TITLES)
def test_both_report_the_same(lives: Lives, title: str) -> None:
    assert lives.memory[title] == lives.real[title]
