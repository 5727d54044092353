"""Runs the unmodified program on Pulumi's mocks, with our providers behind them. Needs no CLI.

The program runs in the same function that Pulumi's Python language host uses; only the engine's end of the
connection is ours. Source: pulumi.runtime.mocks and pulumi.runtime.stack of the Pulumi Python SDK.
"""

import asyncio
import contextlib
import io
import json
import logging
import runpy
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pulumi
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks, settings
from pulumi.runtime.proto import callback_pb2, engine_pb2, provider_pb2, resource_pb2
from pulumi.runtime.stack import run_in_stack

from common.json_values import Json, number, record, records
from emulator.kubernetes import KubernetesError
from emulator.packages import PUBLIC_OUTPUTS, REFUSALS, Providers, is_about_surroundings, is_emulated
from emulator.unknown import UnknownType
from engine import properties
from engine.project import PLACEHOLDER, Stack
from engine.run import MASK, STACK_TYPE, Failure, Resource, Run, qualified
from policies.rule import UNKNOWN

Listener = Callable[[str], None]
"""Called with the type of each resource as it is registered."""


class RefusedError(Exception):
    """A provider refused a resource; the engine would stop the program here."""


def run(
    stack: Stack, providers: Providers, *, preview: bool, listener: Listener, program: str = "__main__.py"
) -> Run:
    """Run the program of `stack` once: in preview, or in update mode against the emulation.

    Raises:
        pulumi.RunError: as the program raises it, `MaestroError` included.
    """
    engine = _Engine()
    monitor = _Monitor(stack, providers, preview=preview, listener=listener)
    settings.configure(
        mocks.MockSettings(
            monitor=monitor,
            monitor_features=set[int](),  # the SDK asks the monitor itself
            engine=engine,
            project=stack.project,
            stack=stack.name,
            dry_run=preview,
            organization=None,
            callbacks=None,
        )
    )
    settings.ROOT.set(None)  # each run creates its own root
    cast(Any, settings.SETTINGS).outputs.clear()  # a refused run leaves some behind
    pulumi.runtime.set_all_config(dict(stack.config), sorted(stack.secret_keys))
    printed = io.StringIO()
    with (
        contextlib.chdir(stack.root),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        contextlib.suppress(RefusedError),  # reported in monitor.failures
    ):
        try:
            asyncio.run(_run_program(program))
        except (pulumi.RunError, RefusedError):
            raise
        except SystemExit as told:
            raise told.__cause__ or told from None
        except Exception:
            if not monitor.refused_lookups:
                raise
            monitor.failures += monitor.refused_lookups  # which the program didn't handle
    return Run(
        resources=monitor.registered(),
        outputs=monitor.outputs,
        secret_outputs=frozenset(monitor.secret_outputs),
        messages=(*engine.messages, *printed.getvalue().splitlines()),
        warnings=tuple(engine.warnings),
        failures=tuple(monitor.failures),
        secrets=frozenset(monitor.secrets),
    )


async def _run_program(program: str) -> None:
    asyncio.get_running_loop().set_exception_handler(_ignore_dependents)
    await run_in_stack(lambda: cast(None, runpy.run_path(program, run_name="__main__")))


def _ignore_dependents(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore what depends on a refused resource: asyncio would log a traceback for each."""
    if not isinstance(context.get("exception"), RefusedError):
        loop.default_exception_handler(context)


def _unverified(
    request: resource_pb2.RegisterResourceRequest, inputs: Mapping[str, Json], *, preview: bool
) -> str:
    """Why it isn't known here what happens to a resource; empty if a provider knows.

    In a preview, nearly every input is unknown, which means nothing.
    """
    if not request.custom:
        return ""
    if not is_emulated(request.type):
        return f"no emulation of {request.type}"
    if not preview and properties.holds_unknown(dict(inputs)):
        return "it depends on a value that nobody knows here"
    return ""


def _shown(sent: Mapping[str, Json]) -> Json:
    return properties.without_unknowns(properties.masked(dict(sent), MASK), UNKNOWN)


# Fields of a registration that are recorded elsewhere, or only concern the protocol. The rest are options.
_NO_OPTIONS = frozenset({
    "acceptResources", "acceptSecrets", "accepts_byte_string", "aliasSpecs", "custom",
    "deleteBeforeReplaceDefined", "dependencies", "name", "object", "packageRef", "parent",
    "parentStackTraceHandle", "pluginChecksums", "pluginDownloadURL", "propertyDependencies", "protect",
    "provider", "providers", "replacement_trigger", "snippetId", "sourcePosition", "stackTrace",
    "supportsPartialValues", "supportsResultReporting", "type", "version",
})  # fmt: skip
_CALLBACKS = ("state_migrations", "transforms")
"""Options that refer to code of the program by an address, which differs in each run."""


def _options(request: resource_pb2.RegisterResourceRequest) -> dict[str, Json]:
    given = cast(dict[str, Json], MessageToDict(request, preserving_proto_field_name=True))
    options = {name: value for name, value in given.items() if value and name not in _NO_OPTIONS}
    options |= {name: len(records(options, name)) for name in _CALLBACKS if name in options}
    if request.provider:
        options["provider"] = request.provider.rpartition("::")[0]  # without its id
    return {**options, **_another_plugin(request.type, request.version, request.pluginDownloadURL)}


def _another_plugin(token: str, version: str, url: str) -> dict[str, Json]:
    """What asks for a plugin other than the package's own; `token` is a type or a look-up."""
    package = token.rpartition(":")[2] if token.startswith("pulumi:providers:") else token.partition(":")[0]
    own = getattr(sys.modules.get(f"pulumi_{package}._utilities"), "get_version", str)()
    asked = {"version": "" if version == own else version, "pluginDownloadURL": url}
    return {name: value for name, value in asked.items() if value}


class _Engine(mocks.MockEngine):
    """Collects what the program logs."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger("emulator.mocks"))
        self.messages: list[str] = []
        self.warnings: list[str] = []

    def Log(self, request: engine_pb2.LogRequest) -> None:  # noqa: N802 the protocol's name
        if request.severity != engine_pb2.DEBUG:
            self.messages.append(request.message)
        if request.severity == engine_pb2.WARNING:
            self.warnings.append(request.message)


class _Monitor(mocks.MockMonitor):
    """The engine's side: receives registrations and look-ups, calls our providers, and keeps a record.

    It is called from several threads at once.
    """

    def __init__(self, stack: Stack, providers: Providers, *, preview: bool, listener: Listener) -> None:
        super().__init__(cast(mocks.Mocks, None))  # whatever would use it is overridden here
        self.records: dict[str, Resource] = {}
        self.outputs: dict[str, Json] = {}
        self.secret_outputs: set[str] = set()
        self.failures: list[Failure] = []
        self.refused_lookups: list[Failure] = []
        """The program may handle them, or not."""
        self._of_all: dict[str, Json] = {}
        """Options of the whole stack."""
        self.secrets = set(_configured_secrets(stack))
        self._providers = providers
        self._preview = preview
        self._listener = listener
        self._lock = threading.Lock()

    def registered(self) -> tuple[Resource, ...]:
        """The resources in the order of registration."""
        return tuple(
            replace(each, options={**each.options, **self._of_all}) if each.type == STACK_TYPE else each
            for each in self.records.values()
        )

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """A URN as the engine makes it, with all parents' types; the SDK's mocks only use the nearest one."""
        head = f"urn:pulumi:{pulumi.get_stack()}"
        return "::".join((head, pulumi.get_project(), qualified(type_, parent), name))

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        sent = properties.decode(request.object)
        inputs = cast(dict[str, Json], properties.plain(sent))
        unverified = _unverified(request, inputs, preview=self._preview)
        if not request.custom or self._preview:
            id_, outputs = "", sent  # a component has no state of its own; in a preview the id is unknown
        elif not unverified:
            id_, outputs = self._create(urn, request, sent, inputs)
        elif is_emulated(request.type):
            id_, outputs = "", sent
        else:
            id_, outputs = UnknownType(request.name).create(request.type, inputs).id, sent
        record = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            parent=request.parent or None,
            id=id_,
            inputs=inputs,
            shown_inputs=cast(dict[str, Json], _shown(sent)),
            outputs=cast(dict[str, Json], properties.plain(outputs)),
            dependencies=frozenset((*request.dependencies, *([request.parent] if request.parent else []))),
            protect=request.protect,
            delete_before_replace=request.deleteBeforeReplace,
            options=_options(request),
            replacement_trigger=properties.plain(properties.decode_value(request.replacement_trigger)),
            is_component=not request.custom,
            unverified=unverified,
        )
        with self._lock:
            self.records[urn] = record
        self._listener(request.type)
        return resource_pb2.RegisterResourceResponse(
            # With this, outputs that aren't set are unknown to the program, not None, in an update, too.
            urn=urn, id=id_, object=properties.encode(outputs), unknown=bool(unverified),
        )  # fmt: skip

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        if self.records[request.urn].type == STACK_TYPE:
            sent = properties.decode(request.outputs)
            self.secret_outputs = {name for name, value in sent.items() if properties.holds_secret(value)}
            self.outputs = {
                name: properties.without_unknowns(properties.plain(value), UNKNOWN)
                for name, value in sent.items()
            }
        return empty_pb2.Empty()

    def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        args = cast(dict[str, Json], properties.plain(properties.decode(request.args)))
        for option, asked in _another_plugin(request.tok, request.version, request.pluginDownloadURL).items():
            self._of_all[option] = {**record(self._of_all, option), request.tok: asked}
        try:
            answer = self._providers.call(request.tok, args)
        except REFUSALS as refusal:
            self.refused_lookups.append(
                Failure(urn=request.tok, message=str(refusal), is_surroundings=is_about_surroundings(refusal))
            )
            failure = provider_pb2.CheckFailure(reason=str(refusal))
            return resource_pb2.ResourceInvokeResponse(failures=[failure])
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(properties.encode(answer))
        return response

    def RegisterStackTransform(self, request: callback_pb2.Callback) -> empty_pb2.Empty:  # noqa: N802
        self._of_all["transforms"] = number(self._of_all, "transforms") + 1
        del request
        return empty_pb2.Empty()

    def RegisterStackInvokeTransform(  # noqa: N802
        self, request: callback_pb2.Callback
    ) -> empty_pb2.Empty:
        self._of_all["invokeTransforms"] = number(self._of_all, "invokeTransforms") + 1
        del request
        return empty_pb2.Empty()

    def ReadResource(  # noqa: N802
        self, request: resource_pb2.ReadResourceRequest
    ) -> resource_pb2.ReadResourceResponse:
        """Read what already exists and stays somebody else's, also in a preview."""
        urn = self.make_urn(request.parent, request.type, request.name)
        try:
            found = self._providers.read(request.type, request.id)
            if found is None:
                # The engine's words: pulumi pkg/resource/deploy/step.go, ReadStep.Apply.
                raise KubernetesError(f"resource '{request.id}' does not exist", is_surroundings=True)
        except REFUSALS as refusal:
            raise self._refused(urn, refusal) from refusal
        sent = properties.decode(request.properties)
        record = Resource(
            urn=urn,
            type=request.type,
            name=request.name,
            parent=request.parent or None,
            id=request.id,
            inputs={},
            shown_inputs={},
            outputs=found.outputs,
            dependencies=frozenset((*request.dependencies, *([request.parent] if request.parent else []))),
            protect=False,
            delete_before_replace=False,
            options={
                "external": True,
                **_another_plugin(request.type, request.version, request.pluginDownloadURL),
            },
            replacement_trigger=None,
            is_component=False,
            unverified="",
        )
        with self._lock:
            self.records[urn] = record
        self._listener(request.type)
        outputs = properties.encode({**sent, **found.outputs})
        return resource_pb2.ReadResourceResponse(urn=urn, properties=outputs)

    def _create(
        self,
        urn: str,
        request: resource_pb2.RegisterResourceRequest,
        sent: Mapping[str, Json],
        inputs: Mapping[str, Json],
    ) -> tuple[str, dict[str, Json]]:
        """Create the resource; returns its id and outputs, marked secret as the engine would."""
        try:
            created = self._providers.create(request.type, inputs)
        except REFUSALS as refusal:
            raise self._refused(urn, refusal) from refusal
        by_provider = self._providers.secret_outputs(request.type)
        secret = by_provider | {key for key, value in sent.items() if properties.holds_secret(value)}
        secret |= set(request.additionalSecretOutputs)
        with self._lock:
            for key in by_provider - PUBLIC_OUTPUTS:
                self.secrets.update(properties.leaves(created.outputs.get(key)))
        outputs = {k: properties.secret(v) if k in secret else v for k, v in created.outputs.items()}
        return created.id, outputs

    def _refused(self, urn: str, refusal: Exception) -> RefusedError:
        failure = Failure(urn=urn, message=str(refusal), is_surroundings=is_about_surroundings(refusal))
        with self._lock:
            self.failures.append(failure)
        return RefusedError(f"{urn}: {refusal}")


def _configured_secrets(stack: Stack) -> Iterator[str]:
    """The placeholders that stand for the stack's encrypted values."""
    for key in stack.secret_keys:
        text = stack.config[key]
        decoded = cast(Json, json.loads(text)) if text.startswith(("{", "[")) else text
        yield from (leaf for leaf in properties.leaves(decoded) if leaf.startswith(PLACEHOLDER))
