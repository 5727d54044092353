"""A real API server: objects by server-side apply, releases by Helm's own engine.

Sources: pulumi-kubernetes, provider/pkg/await/await.go and provider/pkg/provider/helm_release.go.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, cast

import yaml

from common.json_values import Json, flag, number, record, records, text, texts
from emulator.aws.cloud import require_loopback
from emulator.kubernetes import helm, tables
from emulator.kubernetes.memory import fresh_manager, prepare
from emulator.kubernetes.objects import (
    CONFIG_MAP_PATCH,
    FIELD_MANAGER,
    IN_PROGRESS,
    INPUTS,
    NAME_IN_USE,
    RELEASE,
    KubernetesError,
    ObjectKey,
    PartialError,
    conflict,
    key_of_state,
    object_key,
    release_key,
)
from emulator.lifecycle import Difference, State

if TYPE_CHECKING:
    import helm_python

    _Action = Callable[[helm_python.Config, helm_python.HelmContext], None]

APPLY_PATCH = "application/apply-patch+yaml"
DELETION_TIMEOUT = 600.0
"""Seconds, as the provider waits for an object to be gone."""
_POLL = 0.1  # seconds
_CALL_TIMEOUT = 32.0  # seconds, the provider's kubeClientSettings.timeout
_RETRIES = 10
_SOON = timedelta(minutes=1)
_EVENTS_SHOWN = 10


class ApiError(KubernetesError):
    """The API server refused one call."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message, is_surroundings=reason in ("AlreadyExists", "Conflict"))
        self.status = status
        self.reason = reason
        """Kubernetes' own, such as AlreadyExists."""


class ApiCluster(tables.Described):
    """The cluster behind a kubeconfig, for charts below `root`; `close` it, or use it in a `with`.

    Nothing is written to disk: what both clients want as a file is kept in memory where the system can.
    Setting `cancelled` ends every waiting, as the engine's Cancel does.
    """

    def __init__(  # noqa: PLR0913
        self,
        kubeconfig_text: str,
        context: str | None = None,
        *,
        root: Path,
        cancelled: threading.Event | None = None,
        config_maps_mutable: bool = False,
        folder: Path | None = None,
        timeout_scale: float = 1.0,
    ) -> None:
        """`folder` is what relative paths in the kubeconfig are relative to.

        A release's timeout is multiplied by `timeout_scale`, where a minute is too long to wait.

        Raises OutsideWorldError for an API server that isn't on this machine, and KubernetesError for a
        kubeconfig that can't be used. The API server isn't asked yet.
        """
        self._files = _PrivateFiles()
        self._root = root
        self._cancelled = cancelled or threading.Event()
        self._mutable = config_maps_mutable
        self._timeout_scale = timeout_scale
        config, self._context = _selected(kubeconfig_text, context)
        self.url = _server(config, self._context)
        """Of the API server."""
        require_loopback(self.url)
        try:
            config = _with_files(config, self._files, folder or Path.cwd())
            self._kubeconfig = self._files.add(yaml.safe_dump(config))
            self._rest = _Rest(config, self._context, self._cancelled)
        except BaseException:
            self._files.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections and the files back."""
        self._rest.close()
        self._files.close()

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """As `Cluster.create`."""
        given = prepare(type_, inputs, self._root)
        if type_ == RELEASE:
            return self._install(given)
        key, manager = object_key(type_, given), tables.field_manager({}, given) or fresh_manager()
        there = self._rest.get(_path(key))
        if type_ == CONFIG_MAP_PATCH and there is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", f'{key.resource} "{key.name}" not found')
        if type_ != CONFIG_MAP_PATCH and there is not None:
            # The provider's apply never adopts what is there already.
            message = f'{key.resource} "{key.name}" already exists'
            raise ApiError(HTTPStatus.CONFLICT, "AlreadyExists", message)
        return _object_state(key, given, manager, self._apply(key, manager, given))

    def read(self, type_: str, state: State) -> State | None:
        """As `Cluster.read`."""
        tables.check(type_, {})
        if type_ == RELEASE:
            namespace, name = release_key(state)
            with self._helm(namespace) as config:
                found = _stored(config, name)
            return (
                None
                if found is None
                else _release_state(helm.known_inputs(state.outputs, _status(found)), found)
            )
        key = key_of_state(type_, state)
        live = self._rest.get(_path(key))
        if live is None:
            return None
        before = record(state.outputs, INPUTS)
        inputs = tables.live_inputs(type_, State(key.id, live), before)
        return _object_state(key, inputs, text(state.outputs, FIELD_MANAGER), live)

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """As `Cluster.update`."""
        given = prepare(type_, inputs, self._root)
        if type_ == RELEASE:
            return self._upgrade(state, given)
        key, manager = object_key(type_, given), tables.field_manager(state.outputs, given)
        manager = manager or fresh_manager()
        return _object_state(key, given, manager, self._apply(key, manager, given))

    def delete(self, type_: str, state: State) -> None:
        """As `Cluster.delete`."""
        tables.check(type_, {})
        if type_ == RELEASE:
            self._uninstall(state)
            return
        key = key_of_state(type_, state)
        if type_ == CONFIG_MAP_PATCH:
            manager = text(state.outputs, FIELD_MANAGER)
            if manager and self._rest.get(_path(key)) is not None:
                self._apply(key, manager, {"apiVersion": "v1", "kind": key.kind})
            return
        options: dict[str, Json] = {"propagationPolicy": "Foreground"}
        try:
            self._rest.call("DELETE", _path(key), body=options)
        except ApiError as refusal:
            if refusal.reason != "NotFound":
                raise
            return
        self._wait_until_gone(key)

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """As `Cluster.difference`; asks nobody."""
        given = prepare(type_, inputs, self._root)
        return tables.difference(type_, state, given, config_maps_mutable=self._mutable)

    # Objects.

    def _apply(self, key: ObjectKey, manager: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """Server-side apply under a name of ours."""
        namespace: dict[str, Json] = {"namespace": key.namespace} if key.namespace else {}
        metadata: dict[str, Json] = {**record(inputs, "metadata"), "name": key.name, **namespace}
        query = {"fieldManager": manager, "force": "true" if tables.is_forced(inputs) else "false"}
        body: dict[str, Json] = {**inputs, "metadata": metadata}
        try:
            return self._rest.call("PATCH", _path(key), body=body, query=query, content_type=APPLY_PATCH)
        except ApiError as refusal:
            if refusal.reason == "Conflict":
                raise conflict(manager, str(refusal)) from None
            raise

    def _wait_until_gone(self, key: ObjectKey) -> None:
        deadline = time.monotonic() + DELETION_TIMEOUT
        while (left := self._rest.get(_path(key))) is not None:
            if time.monotonic() > deadline or self._cancelled.wait(_POLL):
                finalizers = texts(record(left, "metadata"), "finalizers") + texts(
                    record(left, "spec"), "finalizers"
                )
                told = [
                    text(c, "message")
                    for c in records(record(left, "status"), "conditions")
                    if text(c, "status") == "True"
                ]
                why = "cancelled" if self._cancelled.is_set() else "timed out"
                details = "; ".join([f"finalizers: {', '.join(finalizers) or 'none'}", *told])
                raise KubernetesError(f'{key.kind} "{key.id}" is being deleted, waiting {why} ({details})')

    # Releases.

    def _install(self, inputs: Mapping[str, Json]) -> State:
        namespace, name = text(inputs, "namespace"), text(inputs, "name")

        def install(config: helm_python.Config, context: helm_python.HelmContext) -> None:
            config.install(
                self._root / text(inputs, "chart"),
                name,
                record(inputs, "values"),
                context=context,
                namespace=namespace,
                timeout=self._timeout(inputs),
                wait=_wait(inputs),
                create_namespace=flag(inputs, "createNamespace"),
                rollback_on_failure=flag(inputs, "atomic"),
                description=text(inputs, "description") or None,
            )

        with self._helm(namespace) as config:
            if _stored(config, name) is not None:
                raise KubernetesError(NAME_IN_USE, is_surroundings=True)
            told = "was created, but failed to initialize completely. Use Helm CLI to investigate: "
            return self._perform(config, install, inputs, before=None, told=told)

    def _upgrade(self, state: State, inputs: Mapping[str, Json]) -> State:
        namespace, name = release_key(state)

        def upgrade(config: helm_python.Config, context: helm_python.HelmContext) -> None:
            config.upgrade(
                self._root / text(inputs, "chart"),
                name,
                record(inputs, "values"),
                context=context,
                namespace=namespace,
                timeout=self._timeout(inputs),
                wait=_wait(inputs),
                max_history=number(inputs, "maxHistory"),
                reset_values=flag(inputs, "resetValues"),
                reuse_values=flag(inputs, "reuseValues"),
                cleanup_on_fail=flag(inputs, "cleanupOnFail"),
                rollback_on_failure=flag(inputs, "atomic"),
                description=text(inputs, "description") or None,
            )

        with self._helm(namespace) as config:
            told = "failed to initialize completely. Use Helm CLI to investigate: error running update: "
            before = _stored(config, name)
            return self._perform(config, upgrade, inputs, before=before, told=told)

    def _perform(
        self,
        config: helm_python.Config,
        action: _Action,
        inputs: Mapping[str, Json],
        *,
        before: _Stored | None,
        told: str,
    ) -> State:
        """The release as it is after Helm's action; raises PartialError if that left it unfinished."""
        begun, namespace, name = datetime.now(UTC), text(inputs, "namespace"), text(inputs, "name")
        refusal = self._run(config, action)
        found = _stored(config, name) if refusal is None or _may_have_begun(refusal) else before
        if refusal is None and found is not None:
            # Helm goes by what it did, even where it couldn't store that (action/install.go, recordRelease).
            return _release_state(inputs, replace(found, status="deployed"))
        if found is None or (before is not None and before.revision == found.revision):
            raise _refused(refusal)
        raise self._partial(inputs, found, f'Helm release "{namespace}/{name}" {told}', refusal, begun)

    def _uninstall(self, state: State) -> None:
        namespace, name = release_key(state)
        import helm_python

        with self._helm(namespace) as config:
            try:
                config.uninstall(
                    name,
                    ignore_not_found=True,
                    timeout=self._timeout(state.outputs),
                    wait=_wait(state.outputs),
                )
            except helm_python.HelmNotFoundError:
                return
            except helm_python.HelmError as refusal:
                raise _refused(refusal) from None

    def _timeout(self, inputs: Mapping[str, Json]) -> int:
        """Seconds; Helm takes whole ones."""
        return max(1, round(helm.timeout_of(inputs) * self._timeout_scale))

    def _run(self, config: helm_python.Config, action: _Action) -> helm_python.HelmError | None:
        """Helm's refusal, or None; the action ends early when the engine cancels."""
        import helm_python

        with helm_python.HelmContext() as context, _watching(self._cancelled, context.cancel):
            try:
                action(config, context)
            except helm_python.HelmError as refusal:
                return refusal
        return None

    def _partial(
        self,
        inputs: Mapping[str, Json],
        found: _Stored,
        how: str,
        refusal: Exception | None,
        begun: datetime,
    ) -> PartialError:
        reason = (
            f"{how}failed to become available within allocated timeout. "
            f"Error: Helm Release {found.namespace}/{found.name}: {refusal}"
        )
        with suppress(KubernetesError):  # the events only explain
            events = tuple(self._warnings(found.namespace, begun))
            message = "\n".join((reason, *events))
            return PartialError(message, state=_release_state(inputs, found), reasons=(reason, *events))
        return PartialError(reason, state=_release_state(inputs, found))

    def _warnings(self, namespace: str, begun: datetime) -> Iterator[str]:
        """The latest warnings of what runs in a namespace, one a reason and message.

        Those of pods that aren't ready, however old, and those of the rest since `begun`.
        """
        base = f"/api/v1/namespaces/{namespace}"
        waiting = {
            text(record(pod, "metadata"), "name")
            for pod in records(self._rest.call("GET", f"{base}/pods"), "items")
            if not _is_ready(pod)
        }
        query = {"fieldSelector": "type=Warning"}
        told: dict[tuple[str, str], str] = {}
        for event in records(self._rest.call("GET", f"{base}/events", query=query), "items"):
            about = record(event, "involvedObject")
            if text(about, "name") in waiting or _when(event) >= begun.replace(microsecond=0):
                reason, message = text(event, "reason"), text(event, "message")
                told[reason, message] = f"{text(about, 'kind')} {text(about, 'name')}: {reason}: {message}"
        yield from list(told.values())[-_EVENTS_SHOWN:]

    @contextmanager
    def _helm(self, namespace: str) -> Generator[helm_python.Config]:
        import helm_python

        try:
            config = helm_python.Config(
                kubeconfig_path=self._kubeconfig, kube_context=self._context, namespace=namespace
            )
        except helm_python.HelmError as refusal:
            raise _refused(refusal) from None
        with config:
            yield config


def _wait(values: Mapping[str, Json]) -> str | None:
    """Helm 3's rule of what is ready, which the provider has; Helm 4's own waits for more."""
    return None if flag(values, "skipAwait") else "legacy"


def _may_have_begun(refusal: Exception) -> bool:
    """Whether Helm got far enough to store a revision, which a look then has to tell."""
    import helm_python

    return not isinstance(refusal, helm_python.HelmKubeError)


def _refused(refusal: Exception | None) -> KubernetesError:
    """Helm's refusal in the words of the provider's Helm 3, where the engine's Helm 4 has others."""
    message = str(refusal)
    if "a name that is still in use" in message:
        return KubernetesError(NAME_IN_USE, is_surroundings=True)
    return KubernetesError(message, is_surroundings=IN_PROGRESS in message)


@contextmanager
def _watching(event: threading.Event, act: Callable[[], None]) -> Generator[None]:
    """Acts once if the event is set while the block runs."""
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if event.wait(_POLL):
                act()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """A release as Helm keeps it on the cluster: its last revision."""

    namespace: str
    name: str
    revision: int
    status: str
    chart: str
    version: str
    app_version: str
    values: Mapping[str, Json]
    manifest: str


def _stored(config: helm_python.Config, name: str) -> _Stored | None:
    """None where there is no such release."""
    import helm_python

    try:
        found = cast("Mapping[str, Json]", config.get_all(name))
    except helm_python.HelmNotFoundError:
        return None
    except helm_python.HelmError as refusal:
        raise _refused(refusal) from None
    summary = record(found, "summary")
    return _Stored(
        namespace=text(summary, "namespace"),
        name=text(summary, "name"),
        revision=number(summary, "revision"),
        status=text(summary, "status"),
        chart=text(summary, "chart_name"),
        version=text(summary, "chart_version"),
        app_version=text(summary, "app_version"),
        values=record(found, "config"),
        manifest=text(summary, "manifest"),
    )


def _release_state(inputs: Mapping[str, Json], found: _Stored) -> State:
    return State(
        id=f"{found.namespace}/{found.name}",
        outputs=helm.outputs(
            inputs,
            values=found.values,
            manifests=helm.parse_manifest(found.manifest),
            status=_status(found),
        ),
    )


def _status(found: _Stored) -> dict[str, Json]:
    return {
        "name": found.name,
        "namespace": found.namespace,
        "revision": found.revision,
        "status": found.status,
        "version": found.version,
        "appVersion": found.app_version,
        "chart": found.chart,
    }


def _object_state(
    key: ObjectKey, inputs: Mapping[str, Json], manager: str, live: Mapping[str, Json]
) -> State:
    """The object as it is, without the bookkeeping of who owns which field."""
    metadata = {k: v for k, v in record(live, "metadata").items() if k != "managedFields"}
    outputs: dict[str, Json] = {**live, "metadata": metadata, INPUTS: dict(inputs), FIELD_MANAGER: manager}
    return State(id=key.id, outputs=outputs)


def _path(key: ObjectKey) -> str:
    namespace = f"/namespaces/{key.namespace}" if key.namespace else ""
    return f"/api/v1{namespace}/{key.resource}/{key.name}"


def _is_ready(pod: Mapping[str, Json]) -> bool:
    conditions = records(record(pod, "status"), "conditions")
    return any(text(c, "type") == "Ready" and text(c, "status") == "True" for c in conditions)


def _when(event: Mapping[str, Json]) -> datetime:
    """When an event happened last; clients fill in one field or another."""
    times = (
        text(record(event, "series"), "lastObservedTime"),
        text(event, "lastTimestamp"),
        text(event, "eventTime"),
        text(record(event, "metadata"), "creationTimestamp"),
    )
    return datetime.fromisoformat(next(t for t in times if t))


class _Response(Protocol):
    status: int

    @property
    def headers(self) -> Mapping[str, str]: ...

    def read(self) -> bytes: ...


class _Load(Protocol):
    def load_kube_config_from_dict(
        self,
        config_dict: Mapping[str, Json],
        *,
        context: str,
        client_configuration: object,
        persist_config: bool,
    ) -> None: ...


class _Keys(Protocol):
    api_key: dict[str, str]
    refresh_api_key_hook: Callable[[_Keys], None]


class _Exec(Protocol):
    def run(self) -> dict[str, Json]: ...


class _Client(Protocol):
    """What is used of the official client, which is typed in part."""

    rest_client: _Connections

    def param_serialize(self, method: str, resource_path: str, **parts: object) -> tuple[object, ...]: ...
    def call_api(self, *sent: object, _request_timeout: float) -> _Response: ...


class _Connections(Protocol):
    def close(self) -> None: ...


class _Rest:
    """The API server through the official client, which knows every way to log in."""

    def __init__(self, config: Mapping[str, Json], context: str, cancelled: threading.Event) -> None:
        from kubernetes.client import ApiClient, Configuration
        from kubernetes.config import kube_config
        from kubernetes.config.config_exception import ConfigException

        self._cancelled = cancelled
        settings = Configuration()
        settings.proxy = None  # loopback is never behind one
        config, command = _without_command(config, _entry(config, context, "user"))
        try:
            load = cast("_Load", kube_config)
            load.load_kube_config_from_dict(
                config, context=context, client_configuration=settings, persist_config=False
            )
        except ConfigException as refused:
            raise KubernetesError(f"the kubeconfig can't be used: {refused}") from None
        if command:
            # The client's own loader runs it too, but only logs its failure and goes on without a token.
            keys = cast("_Keys", settings)
            keys.api_key["BearerToken"] = ""  # without an entry the client doesn't ask for one
            keys.refresh_api_key_hook = _Login(command).renew
        self._client = cast("_Client", ApiClient(configuration=settings))

    def close(self) -> None:
        self._client.rest_client.close()

    def get(self, path: str) -> dict[str, Json] | None:
        """An object, or None."""
        try:
            return self.call("GET", path)
        except ApiError as refusal:
            # Of the API server's own; any other server's 404 says nothing of the object.
            if refusal.reason == "NotFound":
                return None
            raise

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Json] | None = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Json]:
        """One call; raises ApiError, or KubernetesError where no API server answers."""
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", "Content-Type": content_type}
        sent = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            # The client itself turns what it calls JSON into text, and leaves the rest as it is.
            body=body if body is None or content_type == "application/json" else json.dumps(body),
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*sent, _request_timeout=_CALL_TIMEOUT)
            for _ in range(_RETRIES):
                after = _retry_after(response)
                if after is None or self._cancelled.wait(after):
                    break
                response = self._client.call_api(*sent, _request_timeout=_CALL_TIMEOUT)
            content = response.read()
        except HTTPError as refused:
            raise KubernetesError(f"configured Kubernetes cluster is unreachable: {refused}") from None
        answer = _parsed(content)
        if response.status >= HTTPStatus.BAD_REQUEST:
            message = text(answer, "message") or content.decode("utf-8", "replace").strip()
            raise ApiError(response.status, text(answer, "reason"), message)
        return answer


def _retry_after(response: _Response) -> float | None:
    """Seconds after which an answer asks to be asked again; None if it doesn't.

    Source: kubernetes/client-go, rest/with_retry.go: a 429 or a server error that says when, ten times.
    """
    after = response.headers.get("Retry-After", "")
    asks = (
        response.status == HTTPStatus.TOO_MANY_REQUESTS or response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return float(after) if asks and after.isdigit() else None


class _Login:
    """The token that a kubeconfig's command gives: asked for at the first call and before it ends."""

    def __init__(self, command: Mapping[str, Json]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._token = ""
        self._ends: datetime | None = None

    def renew(self, settings: _Keys) -> None:
        """Called by the client before each call. Raises KubernetesError with what the command said."""
        with self._lock:
            if not self._token or (self._ends and datetime.now(UTC) > self._ends - _SOON):
                credential = self._run()
                self._token = text(credential, "token")
                ends = text(credential, "expirationTimestamp")
                self._ends = datetime.fromisoformat(ends) if ends else None
            settings.api_key["BearerToken"] = f"Bearer {self._token}"

    def _run(self) -> dict[str, Json]:
        from kubernetes.config.config_exception import ConfigException
        from kubernetes.config.exec_provider import ExecProvider
        from kubernetes.config.kube_config import ConfigNode

        try:
            make = cast("Callable[..., _Exec]", ExecProvider)
            node = cast("Callable[..., object]", ConfigNode)("exec", dict(self._command))
            credential = make(node, None).run()
        except (ConfigException, OSError) as refused:
            problem = f"getting credentials for the cluster: {text(self._command, 'command')}: {refused}"
            raise KubernetesError(problem) from None
        if not text(credential, "token"):
            problem = f"getting credentials for the cluster: {text(self._command, 'command')} gave no token"
            raise KubernetesError(problem)
        return credential


def _without_command(config: Mapping[str, Json], user: str) -> tuple[dict[str, Json], Mapping[str, Json]]:
    """The kubeconfig without the command that logs its user in, and that command; empty if it has none."""
    command = record(_named(config, "users", "user", user), "exec")
    users: list[Json] = [
        {**entry, "user": {key: value for key, value in record(entry, "user").items() if key != "exec"}}
        for entry in records(config, "users")
    ]
    return {**config, "users": users}, command


def _parsed(content: bytes) -> dict[str, Json]:
    """An answer's object; empty if it is none, as a proxy's error page."""
    try:
        parsed = cast("Json", json.loads(content))
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


# The kubeconfig.


def parse_kubeconfig(content: str) -> dict[str, Json]:
    """A kubeconfig's content, JSON or YAML; raises KubernetesError."""
    try:
        parsed = cast("Json", yaml.safe_load(content))
    except yaml.YAMLError as error:
        raise KubernetesError(f"the kubeconfig can't be used: it is not YAML: {error}") from None
    if not isinstance(parsed, dict):
        raise KubernetesError("the kubeconfig can't be used: it is no mapping")
    return parsed


def _selected(content: str, context: str | None) -> tuple[dict[str, Json], str]:
    config = parse_kubeconfig(content)
    chosen = context or text(config, "current-context")
    known = [text(entry, "name") for entry in records(config, "contexts")]
    if chosen not in known:
        raise KubernetesError(
            f'the kubeconfig has no context "{chosen}"; it has {", ".join(known) or "none"}: '
            "pulumi config set --path kubernetes.context NAME"
        )
    return config, chosen


def _server(config: Mapping[str, Json], context: str) -> str:
    return text(_named(config, "clusters", "cluster", _entry(config, context, "cluster")), "server")


def _entry(config: Mapping[str, Json], context: str, key: str) -> str:
    return text(_named(config, "contexts", "context", context), key)


def _named(config: Mapping[str, Json], section: str, key: str, name: str) -> dict[str, Json]:
    found = [record(entry, key) for entry in records(config, section) if text(entry, "name") == name]
    if not found:
        raise KubernetesError(f'the kubeconfig has no {key} "{name}"')
    return found[0]


def server_of(content: str, context: str | None = None) -> str:
    """URL of the API server that a kubeconfig names; raises KubernetesError."""
    return _server(*_selected(content, context))


_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def _with_files(config: Mapping[str, Json], files: _PrivateFiles, folder: Path) -> dict[str, Json]:
    """The kubeconfig with its embedded certificates as files of ours, and its paths absolute."""
    import base64

    def one(values: Mapping[str, Json]) -> dict[str, Json]:
        changed = dict(values)
        for key in _PATHS:
            if embedded := text(values, f"{key}-data"):
                changed.pop(f"{key}-data")
                changed[key] = files.add(base64.b64decode(embedded).decode())
            elif text(values, key):
                changed[key] = str(folder / text(values, key))
        return changed

    def section(name: str, key: str) -> list[Json]:
        return [{**entry, key: one(record(entry, key))} for entry in records(config, name)]

    return {**config, "clusters": section("clusters", "cluster"), "users": section("users", "user")}


class _PrivateFiles:
    """Files that only this process sees, or (where the system can't) that only its user can read."""

    def __init__(self) -> None:
        self._open: list[int] = []
        self._paths: list[Path] = []

    def add(self, content: str) -> str:
        """A file's path."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("kubeconfig", os.MFD_CLOEXEC)
            self._open.append(descriptor)
            os.write(descriptor, content.encode())
            return f"/proc/self/fd/{descriptor}"
        descriptor, name = tempfile.mkstemp(prefix="kubeconfig-")  # readable for its owner alone
        self._paths.append(Path(name))
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        return name

    def close(self) -> None:
        """They are gone."""
        while self._open:
            os.close(self._open.pop())
        while self._paths:
            self._paths.pop().unlink(missing_ok=True)
