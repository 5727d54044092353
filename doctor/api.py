"""The cluster's API server, through the kubeconfig that the program would use; GET requests only."""

import json
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import yaml

from common.json_values import Json, record, records, text, texts
from doctor.errors import RefusedError, UnaskedError, UnreachableError
from doctor.memo import Memo

PAGE = 500
"""Maximum number of objects per page of a list."""
_TIMEOUT = (5, 20)  # seconds, to connect and to read
_OK, _UNAUTHENTICATED, _FORBIDDEN, _NOT_FOUND = 200, 401, 403, 404
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Api(Protocol):
    """How questions read the cluster."""

    def find(self, path: str) -> dict[str, Json] | None:
        """An object, or None if it doesn't exist. Raises UnreachableError, RefusedError, UnaskedError."""
        ...

    def items(self, path: str, **query: str) -> list[dict[str, Json]]:
        """A collection; empty if the server doesn't know the kind. Raises as `find`."""
        ...

    def text(self, path: str, **query: str) -> str:
        """A response that isn't JSON, such as a log. Raises as `find`."""
        ...


class LiveApi:
    """The real API server. It connects on first use, and any thread may use it."""

    def __init__(self, kubeconfig: Callable[[], str | None], context: str | None) -> None:
        """`kubeconfig` returns its text, or None for the shell's own. It may raise UnaskedError."""
        self._kubeconfig, self._context = kubeconfig, context
        self._lock = threading.Lock()
        self._client: Any = None
        self._once = Memo[bytes | None]()

    def find(self, path: str) -> dict[str, Json] | None:
        """See `Api`."""
        content = self._get(path)
        return None if content is None else cast("dict[str, Json]", json.loads(content))

    def items(self, path: str, **query: str) -> list[dict[str, Json]]:
        """See `Api`; reads page by page."""
        found: list[dict[str, Json]] = []
        asked = {**query, "limit": str(PAGE)}
        while content := self._get(path, **asked):
            page = cast("dict[str, Json]", json.loads(content))
            found += records(page, "items")
            if not (following := text(record(page, "metadata"), "continue")):
                break
            asked["continue"] = following
        return found

    def text(self, path: str, **query: str) -> str:
        """See `Api`."""
        return (self._get(path, **query) or b"").decode("utf-8", "replace")

    def _get(self, path: str, **query: str) -> bytes | None:
        return self._once((path, tuple(sorted(query.items()))), lambda: self._request(path, query))

    def _request(self, path: str, query: Mapping[str, str]) -> bytes | None:
        client = self._connected()
        # Only the metadata of Secrets is requested, so that no value ever gets here.
        headers = {"Accept": _METADATA if path.endswith("/secrets") else "application/json"}
        if path.endswith("/log"):
            headers = {"Accept": "*/*"}
        prepared = client.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        try:
            answer = client.rest_client.request(*prepared[:2], headers=prepared[2], _request_timeout=_TIMEOUT)
            status, content = int(answer.status), cast(bytes, answer.read())
        except Exception as error:  # noqa: BLE001 urllib3's and the client's errors have no common base
            raise UnreachableError(_short(str(error))) from None
        if status == _OK:
            return content
        if status == _NOT_FOUND:
            return None
        if status == _FORBIDDEN:
            raise RefusedError(f"kubernetes get {path}")
        if status == _UNAUTHENTICATED:
            raise UnreachableError("the API server doesn't know this identity (401 Unauthorized)")
        raise UnaskedError(f"GET {path}: {status}: {_message(content)}")

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            if isinstance(self._client, UnaskedError):
                raise self._client
            return self._client

    def _connect(self) -> Any:
        import kubernetes.client  # pyright: ignore[reportMissingTypeStubs]
        import kubernetes.config  # pyright: ignore[reportMissingTypeStubs]

        client, config = cast(Any, kubernetes.client), cast(Any, kubernetes.config)

        try:
            given = self._kubeconfig()
            loaded: Any = client.Configuration()
            logging.disable(logging.CRITICAL)  # the client logs what is reported here as a finding
            if given is None:
                config.load_kube_config(context=self._context, client_configuration=loaded)
            else:
                config.load_kube_config_from_dict(
                    with_token(given, self._context), context=self._context, client_configuration=loaded
                )
            loaded.retries = False
            return client.ApiClient(loaded)
        except UnaskedError as unasked:
            return unasked
        except Exception as error:  # noqa: BLE001 a kubeconfig can be wrong in any way
            return UnreachableError(f"the kubeconfig can't be used: {_short(str(error))}")
        finally:
            logging.disable(logging.NOTSET)


def with_token(kubeconfig: str, context: str | None) -> dict[str, Json]:
    """The kubeconfig with the token that its command prints, if the context's user has one.

    The client would run the command, too, but continue without a token if it fails, and then the API server's
    answer wouldn't say why. Raises UnreachableError.
    """
    loaded = yaml.safe_load(kubeconfig)
    if not isinstance(loaded, dict):
        raise UnreachableError("the kubeconfig isn't a mapping")
    content = cast("dict[str, Json]", loaded)
    chosen = context or text(content, "current-context")
    name = next((text(record(c, "context"), "user") for c in _named(content, "contexts", chosen)), "")
    for user in _named(content, "users", name):
        if execute := record(record(user, "user"), "exec"):
            user["user"] = {"token": _token(execute)}
    return content


def _named(content: Mapping[str, Json], section: str, name: str) -> list[dict[str, Json]]:
    return [each for each in records(content, section) if each.get("name") == name]


def _token(execute: Mapping[str, Json]) -> str:
    command, arguments = text(execute, "command"), texts(execute, "args")
    if shutil.which(command) is None:
        raise UnreachableError(f"the kubeconfig executes `{command}`, which isn't on the PATH")
    variables = {text(each, "name"): text(each, "value") for each in records(execute, "env")}
    try:
        done = subprocess.run(  # noqa: S603
            [command, *arguments],
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        status = record(cast("dict[str, Json]", json.loads(done.stdout or "{}")), "status")
    except (OSError, ValueError, subprocess.TimeoutExpired) as failed:
        raise UnreachableError(f"the kubeconfig's `{command}` fails: {_short(str(failed))}") from None
    if done.returncode or not text(status, "token"):
        raise UnreachableError(f"the kubeconfig's `{command}` gives no token: {_short(done.stderr)}")
    return text(status, "token")


def _message(content: bytes) -> str:
    """The message of a Kubernetes Status, or whatever a proxy in between says."""
    try:
        answer = cast("dict[str, Json]", json.loads(content))
        return _short(text(answer, "message") or str(answer))
    except ValueError:
        return _short(content.decode("utf-8", "replace"))


def _short(message: str) -> str:
    """An arbitrary message as one line of bounded length."""
    return " ".join(message.split())[:300]
