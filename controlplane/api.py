"""A small client for the Kubernetes API: JSON in, JSON out, and watches."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Generator, Mapping
from typing import Final, Self, cast
from urllib.parse import urlencode, urlsplit

from common.json_values import Json, record, text

MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
_JSON: Final = "application/json"
_TIMEOUT: Final = 30.0  # seconds for one call


class ApiError(Exception):
    """The API server refused a call. `status` is HTTP's, `reason` is Kubernetes', such as AlreadyExists."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Api:
    """One user's access to one API server, over TLS. Any thread may use it."""

    def __init__(self, url: str, *, certificate_authority: str, token: str | None) -> None:
        """`certificate_authority` is PEM; without a token, calls are anonymous."""
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None or parts.port is None:
            raise ValueError(f"{url} must have the form https://HOST:PORT")
        self.url = url
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl.create_default_context(cadata=certificate_authority)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._local = threading.local()

    def call(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, *, content_type: str = _JSON
    ) -> dict[str, Json]:
        """Make a call; returns the object in the response.

        Raises:
            ApiError: the call was refused.
            OSError, http.client.HTTPException: the API server can't be reached.
        """
        content = self.raw(method, path, body, content_type=content_type)
        return _object(content)

    def raw(
        self, method: str, path: str, body: Mapping[str, Json] | None = None, *, content_type: str = _JSON
    ) -> bytes:
        """Make a call; returns the response's raw content. Raises as `call` does."""
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({} if data is None else {"Content-Type": content_type})
        connection = self._kept()
        try:
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                # The server has closed a kept-alive connection; the call hasn't begun.
                connection.close()
                connection.request(method, path, data, headers)
                response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        if response.status >= http.client.BAD_REQUEST:
            raise _refusal(response.status, content)
        return content

    def apply(self, path: str, manifest: Mapping[str, Json]) -> dict[str, Json]:
        """Create or update the object (server-side apply). Raises as `call` does."""
        query = urlencode({"fieldManager": "rehearsal", "force": "true"})
        return self.call("PATCH", f"{path}?{query}", manifest, content_type=APPLY_PATCH)

    def exists(self, path: str) -> bool:
        """Whether the object exists. Raises as `call` does."""
        try:
            self.raw("GET", path)
        except ApiError as refusal:
            if refusal.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def watch(self, path: str, resource_version: str) -> Watch:
        """Watch a collection's changes after `resource_version`. Raises as `call` does."""
        query = urlencode(
            {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": resource_version}
        )
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=_TIMEOUT)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(connection.close)
            connection.request("GET", f"{path}?{query}", headers=self._headers)
            response = connection.getresponse()
            if response.status >= http.client.BAD_REQUEST:
                raise _refusal(response.status, response.read())
            on_failure.pop_all()
        return Watch(connection, response)

    def close(self) -> None:
        """Close this thread's connection."""
        self._kept().close()

    def _kept(self) -> http.client.HTTPSConnection:
        kept = getattr(self._local, "connection", None)
        if not isinstance(kept, http.client.HTTPSConnection):
            kept = http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=_TIMEOUT)
            self._local.connection = kept
        return kept


class Watch:
    """A stream of changes: `for kind, object in watch`. Any thread can `close` it."""

    def __init__(self, connection: http.client.HTTPSConnection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response
        self._socket = connection.sock
        self._socket.settimeout(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._response.close()
        self._connection.close()

    def __iter__(self) -> Generator[tuple[str, dict[str, Json]]]:
        """Yields ADDED, MODIFIED, DELETED or BOOKMARK, and the object.

        Ends when the server ends the watch. Raises ApiError 410 if the requested version is too old.
        """
        while line := self._line():
            change = _object(line)
            kind, changed = text(change, "type"), record(change, "object")
            if kind == "ERROR":
                code = changed.get("code")
                status = code if isinstance(code, int) else http.client.INTERNAL_SERVER_ERROR
                raise ApiError(status, text(changed, "reason"), text(changed, "message"))
            yield kind, changed

    def _line(self) -> bytes:
        try:
            line = self._response.readline()
        except (OSError, http.client.HTTPException, ValueError):
            return b""  # cut off: the caller watches again from where it was
        return line if line.endswith(b"\n") else b""

    def close(self) -> None:
        """End the stream."""
        shut_down(self._socket)


def shut_down(connection: socket.socket) -> None:
    """End a connection on which another thread waits for data, so that it reads the end of the stream."""
    with contextlib.suppress(OSError):  # it has already ended
        # SSLSocket's own method would drop its TLS state, and the last data would be read as plain text.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _refusal(status: int, content: bytes) -> ApiError:
    try:
        answer = _object(content)
    except ValueError:
        return ApiError(status, http.client.responses.get(status, ""), content.decode("utf-8", "replace"))
    return ApiError(status, text(answer, "reason"), text(answer, "message"))


def _object(content: bytes) -> dict[str, Json]:
    parsed = cast("Json", json.loads(content))
    if not isinstance(parsed, dict):
        raise TypeError("the API server answered with something that isn't an object")
    return parsed
