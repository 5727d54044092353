"""The real Kubernetes provider as an `emulator.kubernetes.Cluster`, to ask both the same questions."""

import subprocess
from collections.abc import Generator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

import tools
from common.json_values import Json
from emulator.kubernetes import RELEASE, KubernetesError, PartialError
from emulator.kubernetes.tables import Described
from emulator.lifecycle import Difference, State
from engine import properties
from engine.kubernetes_provider import PROVIDER, write_provider

KEEPER = "urn:pulumi:test::test"


class _Engine(engine_pb2_grpc.EngineServicer):
    """Receives what the provider logs."""

    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802 the protocol's
        del request, context
        return empty_pb2.Empty()


class RealProvider(Described):
    """The provider behind a channel, on one cluster."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = cast(Any, provider_pb2_grpc.ResourceProviderStub(channel))

    def configure(self, kubeconfig: str) -> None:
        variables = {"kubernetes:config:kubeconfig": kubeconfig}
        self._ask("Configure", provider_pb2.ConfigureRequest(variables=variables, acceptSecrets=True))

    def checked(self, type_: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        news = properties.encode(inputs)
        answer = self._ask("Check", provider_pb2.CheckRequest(urn=_urn(type_), news=news))
        if answer.failures:
            raise KubernetesError("; ".join(failure.reason for failure in answer.failures))
        return properties.decode(answer.inputs)

    def planned(self, type_: str, state: State | None, inputs: Mapping[str, Json]) -> dict[str, Json]:
        news = properties.encode(self.checked(type_, inputs))
        if state is None:
            request: Any = provider_pb2.CreateRequest(urn=_urn(type_), properties=news, preview=True)
            return _plain(self._ask("Create", request).properties)
        olds = _kept(type_, state)
        request = provider_pb2.UpdateRequest(urn=_urn(type_), id=state.id, olds=olds, news=news, preview=True)
        return _plain(self._ask("Update", request).properties)

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        news = properties.encode(self.checked(type_, inputs))
        answer = self._ask("Create", provider_pb2.CreateRequest(urn=_urn(type_), properties=news))
        return State(answer.id, _plain(answer.properties))

    def read(self, type_: str, state: State) -> State | None:
        inputs = properties.encode(cast("dict[str, Json]", state.outputs.get("__inputs", {})))
        request = provider_pb2.ReadRequest(
            urn=_urn(type_), id=state.id, properties=_kept(type_, state), inputs=inputs
        )
        answer = self._ask("Read", request)
        return State(answer.id, _plain(answer.properties)) if answer.id else None

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        news = properties.encode(self.checked(type_, inputs))
        request = provider_pb2.UpdateRequest(
            urn=_urn(type_), id=state.id, olds=_kept(type_, state), news=news
        )
        return State(state.id, _plain(self._ask("Update", request).properties))

    def delete(self, type_: str, state: State) -> None:
        request = provider_pb2.DeleteRequest(urn=_urn(type_), id=state.id, properties=_kept(type_, state))
        self._ask("Delete", request)

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        news = properties.encode(self.checked(type_, inputs))
        request = provider_pb2.DiffRequest(urn=_urn(type_), id=state.id, olds=_kept(type_, state), news=news)
        answer = self._ask("Diff", request)
        name = provider_pb2.PropertyDiff.Kind.Name
        kinds = {path: name(each.kind).lower() for path, each in answer.detailedDiff.items()}
        return Difference(
            updates=tuple(sorted(path for path, kind in kinds.items() if "_replace" not in kind)),
            replaces=tuple(sorted(path for path, kind in kinds.items() if "_replace" in kind)),
            kinds={path: cast(Any, kind.removesuffix("_replace")) for path, kind in kinds.items()},
            listed=tuple(sorted(answer.diffs)),
        )

    def _ask(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=120)
        except grpc.RpcError as refused:
            raise _refusal(cast(grpc.Call, refused)) from None


def _refusal(refused: grpc.Call) -> KubernetesError:
    for key, value in refused.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            (detail, *_) = status_pb2.Status.FromString(cast(bytes, value)).details
            partly = provider_pb2.ErrorResourceInitFailed()
            if detail.Unpack(partly):
                return PartialError(
                    refused.details() or "",
                    state=State(partly.id, _plain(partly.properties)),
                    reasons=tuple(partly.reasons),
                )
    return KubernetesError(refused.details() or "")


def _urn(type_: str) -> str:
    return f"{KEEPER}::{type_}::it"


def _plain(message: Any) -> dict[str, Json]:
    return cast("dict[str, Json]", properties.plain(properties.decode(message)))


def _kept(type_: str, state: State) -> Any:
    """The state as the engine keeps it: a release's inputs in it are secret."""
    outputs = dict(state.outputs)
    if type_ == RELEASE and "__inputs" in outputs:
        outputs["__inputs"] = properties.secret(outputs["__inputs"])
    return properties.encode(outputs)


@contextmanager
def real_provider(root: Path, folder: Path) -> Generator[RealProvider]:
    """A running provider, not configured yet, for charts below `root`. `folder` gets what it writes."""
    binary = tools.find(PROVIDER)
    assert binary is not None
    script = write_provider(binary, folder, root) / PROVIDER
    (folder / "tmp").mkdir()
    engine = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), engine)
    address = f"127.0.0.1:{engine.add_insecure_port('127.0.0.1:0')}"
    engine.start()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "tmp")}
    with subprocess.Popen([script, address], stdout=subprocess.PIPE, env=environment) as process:
        try:
            port = cast(Any, process.stdout).readline().decode().strip()
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield RealProvider(channel)
        finally:
            process.terminate()
            process.wait(10)
            engine.stop(None)
