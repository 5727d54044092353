"""The emulated providers as Pulumi plugins, for the real engine.

Executables `pulumi-resource-…` run `emulator.plugin`. The engine starts one process per provider instance, so
that two regions or accounts in one program stay separate; what they provision lives in the emulated AWS
(`emulator.server`) and on the API server. Without MAESTRO_REHEARSAL_URL, which names that process, a plugin
refuses to work, so it can never be mistaken for the real one.

Source of the protocol: proto/pulumi/provider.proto of pulumi/pulumi. The SDK's own
`pulumi.provider.experimental` isn't used: it can't report a partly created resource, and lacks `Attach`.
"""

import argparse
import functools
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, TypeVar, cast

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from common.json_values import Json, dig, text
from emulator.aws.errors import AwsError, NoHandlerError, PartlyMadeError
from emulator.executables import ACCOUNT, PACKAGES, URL
from emulator.lifecycle import Difference, Kind, Provider, State
from emulator.unknown import UnknownType
from engine import properties
from engine.programs import LOG

DISTRIBUTIONS = {"aws": "pulumi-aws", "kubernetes": "pulumi-kubernetes", "random": "pulumi-random"}
"""By package, the SDK whose version the plugin reports as its own."""
THREADS = 64
"""Requests served at once; each may wait for a long time."""
SECONDS_TO_RETRY = 10.0
"""How long a handler retries where the real provider retries for minutes."""
MAX_MESSAGE_BYTES = 400 * 1024 * 1024  # as in the engine's own channels

T = TypeVar("T")


Connect = Callable[[Mapping[str, str], Mapping[str, Json]], Provider]
"""Creates the provider for an environment and a configuration."""


class ConfigurationRefusedError(Exception):
    """The provider can't work with its configuration or surroundings; the text says what to do."""


class _Log:
    """Writes one line per call: which call, on which resource, its outcome and duration. Never a value."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def line(self, what: str, outcome: str, seconds: float) -> None:
        if self._path:
            with self._lock, Path(self._path).open("a", encoding="utf-8") as file:
                file.write(f"{time.time():.3f} {what} {outcome} {seconds:.3f}s\n")


def _logged(method: Callable[..., T]) -> Callable[..., T]:
    @functools.wraps(method)
    def call(self: "ProviderServicer", request: object, context: grpc.ServicerContext) -> T:
        begun, outcome = time.monotonic(), "failed"
        try:
            answer = method(self, request, context)
            outcome = "done"
            return answer
        finally:
            what = f"{method.__name__} {getattr(request, 'urn', '') or getattr(request, 'tok', '')}"
            self.log.line(what, outcome, time.monotonic() - begun)

    return call


class ProviderServicer(provider_pb2_grpc.ResourceProviderServicer):
    """The provider protocol for one package, with the backend that `environment` names."""

    def __init__(self, package: str, environment: Mapping[str, str]) -> None:
        self.log = _Log(environment.get(LOG))
        self._package = package
        self._environment = environment
        self._provider: Provider | None = None
        self._refusal = "the provider isn't configured"

    # --- the plugin itself ------------------------------------------------------------------------

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=version(DISTRIBUTIONS[self._package]))

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    # --- its configuration ------------------------------------------------------------------------

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Only a different cluster replaces a provider, and with it all its resources.

        Source: pulumi-kubernetes, provider/pkg/provider/provider.go, DiffConfig.
        """
        olds, news = _plain(request.old_inputs or request.olds), _plain(request.news)
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        replaces = [key for key in changed if key == "clusterIdentifier" and olds.get(key) and news.get(key)]
        return provider_pb2.DiffResponse(
            changes=_changes(bool(changed)), diffs=changed, replaces=replaces, deleteBeforeReplace=False
        )

    @_logged
    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        try:
            connect = CONNECT[self._package]
            self._provider = connect(self._environment, _plain(request.args))
        except _unusable() as refused:
            # A preview of a stack whose cluster doesn't exist yet gets this far: refuse on first use.
            self._refusal = str(refused)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    # --- resources --------------------------------------------------------------------------------

    @_logged
    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse inputs that nothing would pass on."""
        from emulator.kubernetes import InputError

        type_ = _type(request.urn)
        provider = self._provider_of(request.urn, context)
        if isinstance(provider, UnknownType):
            return provider_pb2.CheckResponse(inputs=request.news)
        sent = properties.decode(request.news)
        known = self._serve(context, lambda: provider.known_inputs(type_))
        unknown = sorted(key for key, value in sent.items() if value is not None and key not in known)
        failures = [
            provider_pb2.CheckFailure(property=key, reason=f"{type_} has no emulated input {key}")
            for key in unknown
        ]
        inputs = sent
        try:
            inputs = self._serve(context, lambda: provider.checked(type_, sent))
        except InputError as refused:
            failures.append(provider_pb2.CheckFailure(property=refused.key, reason=str(refused)))
        return provider_pb2.CheckResponse(inputs=properties.encode(inputs), failures=failures)

    @_logged
    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        type_, provider = _type(request.urn), self._provider_of(request.urn, context)
        state = State(request.id, _plain(request.olds))
        inputs = _plain(request.news)
        found = self._serve(context, lambda: provider.difference(type_, state, inputs))
        ignored = tuple(request.ignoreChanges)
        updates = [key for key in found.updates if not _is_below(key, ignored)]
        replaces = [key for key in found.replaces if not _is_below(key, ignored)]
        return provider_pb2.DiffResponse(
            changes=_changes(bool(updates or replaces)),
            diffs=[*updates, *replaces] if found.listed is None else found.listed,
            replaces=replaces,
            detailedDiff={
                key: _property_diff(key, found, state.outputs, inputs) for key in (*updates, *replaces)
            },
            hasDetailedDiff=True,
            deleteBeforeReplace=bool(replaces)
            and self._serve(context, lambda: provider.deletes_first(type_, state, inputs)),
        )

    @_logged
    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        type_, sent = _type(request.urn), properties.decode(request.properties)
        inputs = cast(dict[str, Json], properties.plain(sent))
        provider = self._provider_of(request.urn, context)
        if request.preview:  # outputs that aren't returned are unknown to the program
            planned = self._serve(context, lambda: provider.planned(type_, None, inputs), request.urn, sent)
            if planned is None:
                return provider_pb2.CreateResponse(properties=request.properties)
            return provider_pb2.CreateResponse(properties=_outputs(provider, type_, State("", planned), sent))
        state = self._serve(context, lambda: provider.create(type_, inputs), request.urn, sent)
        return provider_pb2.CreateResponse(id=state.id, properties=_outputs(provider, type_, state, sent))

    @_logged
    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """The resource as it is; the inputs follow what was read, so that a refresh shows drift as drift."""
        type_, provider = _type(request.urn), self._provider_of(request.urn, context)
        sent_inputs, sent = properties.decode(request.inputs), properties.decode(request.properties)
        inputs = cast(dict[str, Json], properties.plain(sent_inputs))
        known = State(request.id, {**inputs, **cast(dict[str, Json], properties.plain(sent))})
        found = self._serve(context, lambda: provider.read(type_, known), request.urn, sent_inputs)
        if found is None:
            return provider_pb2.ReadResponse()
        live = self._serve(context, lambda: provider.live_inputs(type_, found, inputs))
        secret = {key for key, value in {**sent, **sent_inputs}.items() if properties.holds_secret(value)}
        new_inputs = {
            key: properties.secret(value) if key in secret else value for key, value in live.items()
        }
        return provider_pb2.ReadResponse(
            id=found.id,
            properties=_outputs(provider, type_, found, {**sent, **sent_inputs}),
            inputs=properties.encode(new_inputs),
        )

    @_logged
    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        type_ = _type(request.urn)
        olds, news = properties.decode(request.olds), properties.decode(request.news)
        state = State(request.id, cast(dict[str, Json], properties.plain(olds)))
        inputs = cast(dict[str, Json], properties.plain(news))
        provider = self._provider_of(request.urn, context)
        if request.preview:
            planned = self._serve(context, lambda: provider.planned(type_, state, inputs), request.urn, news)
            if planned is None:
                # In a plan, what AWS computes stays unchanged, as in the Terraform plugin SDK.
                return provider_pb2.UpdateResponse(properties=properties.encode({**olds, **news}))
            return provider_pb2.UpdateResponse(
                properties=_outputs(provider, type_, State(request.id, planned), news)
            )
        updated = self._serve(context, lambda: provider.update(type_, state, inputs), request.urn, news)
        return provider_pb2.UpdateResponse(properties=_outputs(provider, type_, updated, news))

    @_logged
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        type_, state = _type(request.urn), State(request.id, _plain(request.properties))
        provider = self._provider_of(request.urn, context)
        self._serve(context, lambda: provider.delete(type_, state))
        return empty_pb2.Empty()

    # --- look-ups ---------------------------------------------------------------------------------

    @_logged
    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        from emulator.packages import AwsProvider

        args = _plain(request.args)
        response = provider_pb2.InvokeResponse()
        provider = self._configured(context)
        if not isinstance(provider, AwsProvider):
            _refuse(context, f"no handler for function {request.tok}")
        answer = self._serve(context, lambda: provider.call(request.tok, args))
        getattr(response, "return").CopyFrom(properties.encode(answer))
        return response

    # --- shared by all calls ----------------------------------------------------------------------

    def _configured(self, context: grpc.ServicerContext) -> Provider:
        if self._provider is None:
            _refuse(context, self._refusal)
        return self._provider

    def _provider_of(self, urn: str, context: grpc.ServicerContext) -> Provider:
        """The provider that manages the resource."""
        from emulator.packages import is_emulated

        return self._configured(context) if is_emulated(_type(urn)) else UnknownType(urn.rpartition("::")[2])

    def _serve(
        self,
        context: grpc.ServicerContext,
        ask: Callable[[], T],
        urn: str = "",
        sent: Mapping[str, Json] | None = None,
    ) -> T:
        """The answer to a request; a refusal is sent to the engine in the provider's words."""
        from emulator.client import EmulationError
        from emulator.kubernetes import InputError, KubernetesError, PartialError

        try:
            return ask()
        except InputError:
            raise
        except (PartialError, PartlyMadeError) as partial:
            provider = self._provider_of(urn, context)
            outputs = _outputs(provider, _type(urn), partial.state, sent or {})
            _refuse_partly(context, str(partial), partial.state.id, outputs, sent or {}, partial.reasons)
        except KubernetesError as refusal:
            _refuse(context, refusal.told_of(urn))
        except (
            AwsError,
            EmulationError,
            NoHandlerError,
            ConfigurationRefusedError,
        ) as refusal:
            _refuse(context, str(refusal))


def _outputs(provider: Provider, type_: str, state: State, sent: Mapping[str, Json]) -> struct_pb2.Struct:
    """The outputs, with those marked secret that the provider marks or that came as secret inputs."""
    secret = provider.secret_outputs(type_)
    secret |= {key for key, value in sent.items() if properties.holds_secret(value)}
    return properties.encode(
        {key: properties.secret(value) if key in secret else value for key, value in state.outputs.items()}
    )


def _unusable() -> tuple[type[Exception], ...]:
    """The errors for an unusable configuration: an unreadable kubeconfig, another machine's kubeconfig, …"""
    from emulator.aws.cloud import OutsideWorldError
    from emulator.client import EmulationError
    from emulator.kubernetes import KubernetesError

    refusals = (ConfigurationRefusedError, EmulationError, AwsError, KubernetesError, OutsideWorldError)
    return (*refusals, OSError)


def _plain(message: struct_pb2.Struct) -> dict[str, Json]:
    return cast(dict[str, Json], properties.plain(properties.decode(message)))


def _type(urn: str) -> str:
    """`urn:pulumi:stack::project::parent$type::name`: the resource's own type."""
    return urn.split("::")[2].rpartition("$")[2]


def _changes(are_there: bool) -> provider_pb2.DiffResponse.DiffChanges.ValueType:  # noqa: FBT001
    return provider_pb2.DiffResponse.DIFF_SOME if are_there else provider_pb2.DiffResponse.DIFF_NONE


def _kind(key: str, state: Mapping[str, Json], inputs: Mapping[str, Json]) -> Kind:
    if dig(state, key) is None:
        return "add"
    return "delete" if dig(inputs, key) is None else "update"


def _property_diff(
    key: str, found: Difference, state: Mapping[str, Json], inputs: Mapping[str, Json]
) -> provider_pb2.PropertyDiff:
    kind = found.kinds.get(key) or _kind(key, state, inputs)
    name = f"{kind}_replace" if key in found.replaces else kind
    return provider_pb2.PropertyDiff(
        kind=provider_pb2.PropertyDiff.Kind.Value(name.upper()),
        # For a field that the program no longer sets, the engine shows its former input.
        inputDiff=key in found.kinds and kind == "delete",
    )


def _is_below(key: str, paths: tuple[str, ...]) -> bool:
    return any(key == path or key.startswith(f"{path}.") for path in paths)


def _refuse(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort raises")


def _refuse_partly(  # noqa: PLR0913, PLR0917
    context: grpc.ServicerContext,
    message: str,
    id_: str,
    outputs: struct_pb2.Struct,
    sent: Mapping[str, Json],
    reasons: tuple[str, ...],
) -> NoReturn:
    """Report a partly created resource: the engine keeps it in state, and the next update repairs it."""
    partly = provider_pb2.ErrorResourceInitFailed(
        id=id_, properties=outputs, reasons=reasons, inputs=properties.encode(sent)
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(partly)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    _refuse(context, message)


# --- what the plugins serve ---------------------------------------------------------------------------


def _connect_aws(environment: Mapping[str, str], configuration: Mapping[str, Json]) -> Provider:
    from emulator.aws.cloud import DEFAULT_ACCOUNT
    from emulator.aws.tags import DefaultTags
    from emulator.client import Emulation
    from emulator.packages import AwsProvider

    region = text(configuration, "region")
    account = _assumed_account(configuration) or environment.get(ACCOUNT, DEFAULT_ACCOUNT)
    if not region:
        raise ConfigurationRefusedError(
            "aws:region isn't set; for example: pulumi config set aws:region us-east-1"
        )
    allowed = configuration.get("allowedAccountIds")  # as JSON text, as the engine passes lists
    if isinstance(allowed, str) and allowed and account not in map(str, json.loads(allowed)):
        raise ConfigurationRefusedError(f"AWS account ID not allowed: {account}")
    cloud = Emulation.attach(_url(environment)).cloud(region, account, patience=SECONDS_TO_RETRY)
    return AwsProvider(cloud, DefaultTags.configured(configuration.get("defaultTags")))


def _assumed_account(configuration: Mapping[str, Json]) -> str | None:
    """The account of the last role in the chain that the provider assumes; None if it assumes none."""
    from emulator.aws.account import account_of_role

    given = configuration.get("assumeRoles")  # as JSON text, as the engine passes lists
    roles = cast("list[dict[str, Json]]", json.loads(given)) if isinstance(given, str) and given else []
    if not roles:
        return None
    arn = text(roles[-1], "roleArn")
    if (account := account_of_role(arn)) is None:
        raise ConfigurationRefusedError(f"assumeRoles: {arn!r} must be the ARN of an IAM role")
    return account


def _connect_kubernetes(environment: Mapping[str, str], configuration: Mapping[str, Json]) -> Provider:
    """The in-memory cluster with the identifier. Nothing is sent to the address in the kubeconfig."""
    from emulator.client import Emulation
    from emulator.kubernetes import RemoteCluster

    identifier = text(configuration, "clusterIdentifier") or "ambient"
    call = Emulation.attach(_url(environment)).kubernetes
    is_mutable = configuration.get("enableConfigMapMutable") in (True, "true")
    return RemoteCluster(call, identifier, root=Path.cwd(), config_maps_mutable=is_mutable)


def _connect_random(environment: Mapping[str, str], configuration: Mapping[str, Json]) -> Provider:
    from emulator.randomness import Randomness

    del environment, configuration
    return Randomness()


CONNECT: Mapping[str, Connect] = {
    "aws": _connect_aws,
    "kubernetes": _connect_kubernetes,
    "random": _connect_random,
}


def _url(environment: Mapping[str, str]) -> str:
    if URL not in environment:
        raise ConfigurationRefusedError(
            f"this is the emulated provider, and {URL} doesn't say where its AWS is: use the variables that "
            "`python -m rehearsal serve` prints, or take its plugins off PATH"
        )
    return environment[URL]


# --- the process --------------------------------------------------------------------------------------


def serve(package: str) -> None:
    """Serve until the engine kills this process, or dies itself."""
    _die_with_the_engine()
    server, port = listen(ProviderServicer(package, os.environ))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine sends SIGINT; a terminal's doesn't get here, since plugins have process groups of their own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    server.wait_for_termination()


def listen(serving: provider_pb2_grpc.ResourceProviderServicer) -> tuple[grpc.Server, int]:
    """A started server, and its port on 127.0.0.1."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(serving, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _end(number: int, frame: object) -> None:
    """End at once: nothing here outlives a call."""
    del number, frame
    os._exit(0)


def _die_with_the_engine() -> None:
    """A killed engine can't end its plugins; one that kept running would change what nobody records.

    Linux could send a signal by itself, but does so when the parent's thread ends, and Go's come and go.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: list[str] | None = None) -> None:
    """The plugin's entry point; the engine also passes its address, which isn't needed."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator.plugin", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("package", choices=PACKAGES, help="whose resources to serve")
    options, _ = parser.parse_known_args(arguments)
    # Otherwise half a million objects of botocore's models, none of them garbage, would be traversed often.
    gc.set_threshold(100_000, 20, 100)
    serve(options.package)
