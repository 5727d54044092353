"""A proxy in front of the API server: it records the calls, and makes chosen ones fail as a real server can.

It speaks TLS with the API server's own certificate, because kubectl and Helm send no token over plain HTTP.
Watches stream through it; connection upgrades (exec, port-forward) don't work.
"""

import contextlib
import http.client
import json
import re
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal, Self, cast
from urllib.parse import parse_qs, urlsplit

from controlplane.api import Api, shut_down
from controlplane.plane import ControlPlane
from engine.kill import kill

Effect = Literal["throttle", "unavailable", "gone", "kill"]
Verb = Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*"]

# Headers for a single connection. Source: RFC 9110, 7.6.1. Content is passed on unchanged, with its length.
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CHUNK: Final = 64 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # linger on, for 0 seconds: close sends RST


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One call, in the terms of Kubernetes' authorization."""

    verb: Verb
    pattern: str
    """The path with `{namespace}` and `{name}` in place of names, for counting."""
    path: str
    """The path itself, without the query."""
    status: int | None
    """HTTP's; None if the connection was cut."""
    failed_by: Effect | None = None
    """The fault that was injected, if any."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Makes the `nth` matching call and the following ones, `times` in all, fail."""

    verb: Verb
    path: str
    """Regular expression, searched for in the path without the query."""
    effect: Effect
    """429 with Retry-After, 503, a connection reset, or a kill and a connection reset."""
    nth: int = 1
    """Counted from 1, from when the fault is injected."""
    times: int = 1
    when: Literal["before", "after"] = "before"
    """Whether it fails before or after the API server has carried out the call."""
    pid: int | Callable[[], int] | None = None
    """The process that gets SIGKILL, with its descendants, or a function that returns it at that moment."""
    retry_after: int = 0
    """Seconds, for "throttle"."""

    def __post_init__(self) -> None:
        if (self.effect == "kill") != (self.pid is not None):
            raise ValueError("effect kill needs a pid, and no other effect accepts one")
        if self.nth < 1 or self.times < 1:
            raise ValueError("nth and times count from 1")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"{self.path} must be a regular expression: {error}") from error


class ApiProxy:
    """The proxy of one control plane; as a context manager, it is stopped on exit."""

    url: str
    """https://127.0.0.1:PORT; the certificate authority is the control plane's."""

    def __init__(self, plane: ControlPlane) -> None:
        """Use `start`."""
        self._plane = plane
        parts = urlsplit(plane.url)
        self._upstream = (parts.hostname or "", parts.port or 0)
        self.upstream_tls = ssl.create_default_context(cafile=str(plane.certificates.authority))
        self._lock = threading.Lock()
        self._calls: list[ApiCall] = []
        self._faults: list[tuple[Fault, list[int]]] = []  # with how many calls have matched
        self._open: set[socket.socket] = set()
        self._server = _Server(self, plane)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="api-proxy", daemon=True
        )

    @classmethod
    def start(cls, plane: ControlPlane) -> Self:
        """Start on a free port of 127.0.0.1."""
        proxy = cls(plane)
        proxy._thread.start()
        return proxy

    def stop(self) -> None:
        """Cut all connections and stop. May be called again."""
        self._server.shutdown()
        self.cut()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def api(self) -> Api:
        """A client that reaches the API server through the proxy, with the administrator's rights."""
        return self._plane.api(self.url)

    def calls(self) -> tuple[ApiCall, ...]:
        """The calls that have been answered or cut off, in that order; a watch counts when it begins."""
        with self._lock:
            return tuple(self._calls)

    def clear_calls(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self._calls.clear()

    def inject(self, faults: Sequence[Fault]) -> None:
        """Replace the faults; counting starts again."""
        with self._lock:
            self._faults = [(fault, [0]) for fault in faults]

    def fired(self) -> tuple[Fault, ...]:
        """The faults that have hit all the calls that they were meant for."""
        with self._lock:
            return tuple(f for f, (matched,) in self._faults if matched >= f.nth + f.times - 1)

    def cut(self) -> None:
        """Cut every open connection, including watches."""
        with self._lock:
            connections = tuple(self._open)
        for connection in connections:
            shut_down(connection)

    # --- for the handler ----------------------------------------------------------------------------

    def connect(self) -> http.client.HTTPSConnection:
        """A new connection to the API server."""
        host, port = self._upstream
        connection = http.client.HTTPSConnection(host, port, context=self.upstream_tls)
        connection.connect()
        return connection

    def track(self, connection: socket.socket, *, is_open: bool) -> None:
        """Note that a connection has been opened or closed."""
        with self._lock:
            (self._open.add if is_open else self._open.discard)(connection)

    def note(self, call: ApiCall) -> None:
        """Add to the list of calls."""
        with self._lock:
            self._calls.append(call)

    def fault_for(self, verb: Verb, path: str) -> Fault | None:
        """The fault that hits this call, if any; every fault that matches counts it."""
        hit: Fault | None = None
        with self._lock:
            for fault, matched in self._faults:
                if fault.verb not in ("*", verb) or not re.search(fault.path, path):
                    continue
                matched[0] += 1
                if hit is None and fault.nth <= matched[0] < fault.nth + fault.times:
                    hit = fault
        return hit


_Note = Callable[[int | None], None]
"""Takes the status of a call."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: ApiProxy, plane: ControlPlane) -> None:
        self.proxy = proxy
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(plane.certificates.serving, plane.certificates.serving_key)
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = self.socket.accept()
        # The handshake happens on the first read, in the connection's own thread.
        wrapped = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, cast("tuple[str, int]", address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing when a client leaves or a connection is cut, which is this proxy's purpose."""
        import sys

        if not isinstance(sys.exception(), (OSError, http.client.HTTPException)):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType]


class _CutError(ConnectionResetError):
    """The connection must end here, without a response."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    connection: socket.socket

    def setup(self) -> None:
        super().setup()
        self._proxy = self.server.proxy
        self._to_server: http.client.HTTPSConnection | None = None
        self._proxy.track(self.connection, is_open=True)

    def finish(self) -> None:
        self._proxy.track(self.connection, is_open=False)
        if self._to_server is not None:
            self._to_server.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 its name in the standard library
        """Log nothing: the proxy records paths, and headers contain tokens."""

    def _handle(self) -> None:
        body = self._body()
        path, verb, pattern = described(self.command, self.path)
        fault = self._proxy.fault_for(verb, path)
        effect = fault.effect if fault else None

        def note(status: int | None) -> None:
            call = ApiCall(verb=verb, pattern=pattern, path=path, status=status, failed_by=effect)
            self._proxy.note(call)

        if fault is not None and fault.when == "before":
            self._fail(fault, note)
            return
        response = self._forward(body)
        if fault is not None:
            if verb != "watch":  # a watch has no end
                response.read()
            self._fail(fault, note)
            return
        note(response.status)
        self._answer(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _handle  # noqa: N815

    def _body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        length = self.headers.get("Content-Length")
        return self.rfile.read(int(length)) if length is not None else None

    def _chunks(self) -> Sequence[bytes]:
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return chunks

    def _forward(self, body: bytes | None) -> http.client.HTTPResponse:
        headers = _passed_on(self.headers.items())
        if self._to_server is not None:
            try:
                self._to_server.request(self.command, self.path, body, headers)
                return self._to_server.getresponse()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._to_server.close()  # it was idle for too long
        try:
            self._to_server = self._proxy.connect()
            self._to_server.request(self.command, self.path, body, headers)
            return self._to_server.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise _CutError from error  # the API server is gone, so the client's connection ends, too

    def _answer(self, response: http.client.HTTPResponse) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in _passed_on(response.getheaders()).items():
            self.send_header(name, value)
        has_length = response.getheader("Content-Length") is not None
        has_body = self.command != "HEAD" and response.status not in (
            http.client.NO_CONTENT,
            http.client.NOT_MODIFIED,
        )
        if has_body and not has_length:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not has_body:
            response.read()
        elif has_length:
            self.wfile.write(response.read())
        else:
            self._stream(response)

    def _stream(self, response: http.client.HTTPResponse) -> None:
        """Pass on data as it arrives, until either side ends the stream."""
        upstream = self._to_server.sock if self._to_server is not None else None
        over, hung_up = threading.Event(), threading.Event()
        follower = threading.Thread(
            target=_hang_up_with, args=(self.connection, upstream, over, hung_up), daemon=True
        )
        follower.start()
        try:
            while chunk := response.read1(_CHUNK):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _CutError from error
        finally:
            over.set()
            follower.join()
            if hung_up.is_set() and self._to_server is not None:
                # What the client sent may have been its next request.
                self._to_server.close()
                self._to_server = None

    def _fail(self, fault: Fault, note: _Note) -> None:
        if fault.effect == "throttle":
            note(http.client.TOO_MANY_REQUESTS)
            self._refuse(
                http.client.TOO_MANY_REQUESTS,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
                {"Retry-After": str(fault.retry_after)},
            )
        elif fault.effect == "unavailable":
            note(http.client.SERVICE_UNAVAILABLE)
            message = "the server is currently unable to handle the request"
            self._refuse(http.client.SERVICE_UNAVAILABLE, "ServiceUnavailable", message, {})
        else:
            note(None)
            if fault.pid is not None:
                kill(fault.pid if isinstance(fault.pid, int) else fault.pid())
            self._reset()

    def _refuse(self, code: int, reason: str, message: str, headers: Mapping[str, str]) -> None:
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": {"retryAfterSeconds": int(headers["Retry-After"])} if headers else {},
            "code": code,
        }
        content = json.dumps(status).encode()
        self.send_response_only(code)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        raise _CutError

    def handle(self) -> None:
        """End the connection quietly if it was cut, without a line on standard error."""
        with contextlib.suppress(OSError):
            super().handle()


def _hang_up_with(
    client: socket.socket, upstream: socket.socket | None, over: threading.Event, hung_up: threading.Event
) -> None:
    """End the stream from the API server when the client leaves, which sends nothing else meanwhile."""
    while not over.is_set():
        try:
            readable, _, _ = select.select([client], [], [], 0.1)
        except (OSError, ValueError):
            readable = [client]  # closed
        if readable and not over.is_set():
            hung_up.set()
            if upstream is not None:
                shut_down(upstream)
            return


def _passed_on(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _HOP_BY_HOP}


_COLLECTION_VERBS: Final[Mapping[str, Verb]] = {"GET": "list", "DELETE": "deletecollection"}
_VERBS: Final[Mapping[str, Verb]] = {
    "GET": "get",
    "HEAD": "get",
    "OPTIONS": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}


def described(method: str, target: str) -> tuple[str, Verb, str]:
    """Path, verb and pattern of a request. Source: Kubernetes, "Authorization", request verbs."""
    parts = urlsplit(target)
    path = parts.path
    segments = path.strip("/").split("/")
    prefix = 2 if segments[0] == "api" else 3 if segments[0] == "apis" else len(segments)
    resource = segments[prefix:]
    if not resource:  # discovery, health
        return path, _VERBS[method], path
    pattern = list(segments)
    at = prefix
    if resource[0] == "namespaces" and len(resource) > 2 and resource[2] not in ("status", "finalize"):
        pattern[at + 1] = "{namespace}"
        at += 2
    is_named = len(segments) > at + 1
    if is_named:
        pattern[at + 1] = "{name}"
    verb: Verb = _VERBS[method] if is_named else _COLLECTION_VERBS.get(method, _VERBS[method])
    if method == "GET" and parse_qs(parts.query).get("watch", ["false"])[0] in ("true", "1"):
        verb = "watch"
    return path, verb, "/" + "/".join(pattern)
