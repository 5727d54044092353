"""The emulated AWS as a process of its own: `python -m emulator.server --state FILE`.

An HTTP server on loopback. Requests signed for an AWS service are answered by moto, as they are in process;
paths below /_rehearsal/ control the emulation (README.md). Everything that a call changed is on disk before
the call is answered.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Protocol, cast

from werkzeug import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from common.json_values import Json, record, records, text
from emulator.aws import authenticator, emulator
from emulator.aws.calls import Call, identify
from emulator.aws.cloud import DEFAULT_ACCOUNT, Clients, Cloud
from emulator.aws.errors import AwsError, NoHandlerError
from emulator.aws.faults import KUBERNETES, FaultError, Faults, Refusal, parse_faults, refusal
from emulator.aws.regions import UnknownRegionError, find_region
from emulator.aws.store import SaveError, Store, StoreError
from emulator.world import WorldError, parse_world
from engine.kill import kill

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

OK, UNUSABLE = 0, 2
_CONTROL = "/_rehearsal/"
_LONGEST_REQUEST = 32 * 1024 * 1024  # bytes
_HOST = "127.0.0.1"


class _ControlError(Exception):
    """A request to the control API that can't be granted."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Clusters(Protocol):
    """The part of emulator.kubernetes.memory.MemoryClusters that is used here."""

    def handle(self, payload: dict[str, Json]) -> dict[str, Json]: ...


@dataclass
class _Entry:
    """One line of the call log; the status is 0 until the call is answered, or for ever if it never is."""

    index: int
    call: Call
    status: int = 0
    at: float = field(default_factory=time.time)

    def to_json(self) -> dict[str, Json]:
        return {
            "index": self.index,
            "service": self.call.service,
            "operation": self.call.operation,
            "account": self.call.account,
            "region": self.call.region,
            "status": self.status,
            "at": self.at,
        }


_Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body."""


class Emulator:
    """The WSGI application: moto, the control API, and the injected faults.

    moto isn't thread-safe, so calls are executed one at a time; delayed answers wait side by side.
    """

    def __init__(self, store: Store, *, verbose: bool = False) -> None:
        self._store = store
        self._verbose = verbose
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._log: list[_Entry] = []
        self._faults = Faults()
        self._latencies: dict[str, float] = {}
        self._clients = Clients(None, emulator.answer)
        self._said: set[str] = set()
        self._is_closed = False

    # Requests

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = _LONGEST_REQUEST
        try:
            request.get_data(cache=True)  # an unread body would corrupt the connection's next request
            answer = self._answer(request)
        except RequestEntityTooLarge:
            answer = _json(413, {"error": f"requests may have at most {_LONGEST_REQUEST} bytes"})
        except _ControlError as error:
            answer = _json(error.status, {"error": str(error)})
        except SaveError as error:
            answer = _json(507, {"error": str(error)})
        if answer is None:
            _hang_up(environ)
            answer = _json(500, {})  # reaches nobody
        status, headers, body = answer
        kept = {key: value for key, value in headers.items() if key.lower() not in _NOT_OURS}
        return Response(body, status=status, headers=kept)(environ, start_response)

    def _answer(self, request: Request) -> _Answer | None:
        """None: hang up without an answer."""
        if request.path.startswith(_CONTROL):
            return self._control(request)
        call = identify(request, DEFAULT_ACCOUNT)
        if call is None:
            message = "not a signed request to an AWS service; the control API is below /_rehearsal/"
            return _json(400, {"error": message})
        return self._perform(call, lambda: _ask_moto(request, call))

    def _perform(self, call: Call, execute: Callable[[], _Answer], kind: str = "") -> _Answer | None:
        """Execute a call and save, with the fault that hits it and the latency that is set.

        `kind` is the type of resource, if the operation doesn't imply it.
        """
        with self._lock:
            entry = _Entry(len(self._log), call)
            self._log.append(entry)
            fault = self._faults.count(call)
            answer = None
            if fault is None or fault.when == "after":
                answer = self._execute(call, execute)
        if answer is not None:
            self._stopping.wait(self._latency(f"{call.service}:{call.operation}", kind))
        if fault is not None and fault.effect == "kill":
            if fault.pid is not None:
                kill(fault.pid)
            return None
        if fault is not None and (refused := refusal(call.service, call.operation, fault.effect)):
            answer = refused.render(call.service)
        answer = answer or self._execute(call, execute)
        entry.status = answer[0]
        if self._verbose:
            _say(f"{call.service}:{call.operation} {call.account} {call.region} {entry.status}")
        return answer

    def _latency(self, call: str, kind: str) -> float:
        """Seconds of delay; those for a call and kind take precedence over those for the call."""
        return self._latencies.get(f"{call} {kind}", self._latencies.get(call, 0))

    def _execute(self, call: Call, execute: Callable[[], _Answer]) -> _Answer:
        with self._lock:
            if self._is_closed:
                return Refusal("ServiceUnavailable", 503, "the emulated AWS is stopping").render(call.service)
            try:
                answer = execute()
                # Only STS issues credentials with which one account acts in another.
                self._store.save(None if call.service == "sts" else call.account)
            except SaveError as error:
                self._say_once(error)
                # No SDK retries a 507: retrying helps only once there is space.
                return Refusal("InsufficientStorage", 507, str(error)).render(call.service)
            except Exception as error:  # noqa: BLE001
                # Whatever goes wrong in moto: the caller is told, and nothing half done stays.
                self._store.undo()
                kind = type(error).__name__
                # Where, but not the exception's text, which may hold a secret.
                trace = "".join(traceback.format_tb(error.__traceback__))
                _say(f"error: {call.service} {call.operation} failed with {kind}\n{trace}")
                message = f"the emulation failed at {call.service} {call.operation}: {kind}: {error}"
                # 501, since an SDK would retry after a 500, and it would fail again.
                return Refusal("EmulationFailure", 501, message).render(call.service)
            return answer

    def _say_once(self, error: SaveError) -> None:
        if error.reason not in self._said:
            self._said.add(error.reason)
            _say(f"error: {error}")

    # Control API

    def _control(self, request: Request) -> _Answer | None:
        if self._is_closed:
            raise _ControlError(503, "the emulated AWS is stopping")
        name = request.path.removeprefix(_CONTROL)
        if name.startswith("authenticate/"):
            name = "authenticate"
        methods = self._routes.get(name)
        if methods is None:
            raise _ControlError(404, f"no such request; there are {', '.join(sorted(self._routes))}")
        handler = methods.get(request.method)
        if handler is None:
            raise _ControlError(405, f"{name} supports {', '.join(sorted(methods))}")
        return handler(request)

    @cached_property
    def _routes(self) -> Mapping[str, Mapping[str, Callable[[Request], _Answer | None]]]:
        return {
            "status": {"GET": self._get_status},
            "worlds": {"GET": self._get_worlds, "POST": self._post_world},
            "calls": {"GET": self._get_calls, "DELETE": self._delete_calls},
            "faults": {"GET": self._get_faults, "PUT": self._put_faults},
            "latencies": {"GET": self._get_latencies, "PUT": self._put_latencies},
            "authenticate": {"POST": self._post_authenticate},
            "kubernetes": {"POST": self._post_kubernetes},
        }

    def _get_status(self, _: Request) -> _Answer:
        with self._lock:
            worlds: list[Json] = [
                {
                    "account": account,
                    "region": region,
                    "clusters": [text(cluster, "name") for cluster in records(world, "clusters")],
                }
                for (account, region), world in self._store.contents.worlds.items()
            ]
        return _json(
            200,
            {
                "version": version("moto"),
                "pid": os.getpid(),
                "state": str(self._store.path),
                "worlds": worlds,
            },
        )

    def _get_worlds(self, _: Request) -> _Answer:
        with self._lock:
            return _json(
                200,
                [
                    {"account": account, "region": region, "world": world}
                    for (account, region), world in self._store.contents.worlds.items()
                ],
            )

    def _post_world(self, request: Request) -> _Answer:
        content = _object(request)
        region = text(content, "region")
        given = record(content, "world")
        account = text(content, "account") or text(given, "account") or DEFAULT_ACCOUNT
        try:
            find_region(region)
            world = parse_world({**given, "account": account})
        except (UnknownRegionError, WorldError) as error:
            raise _ControlError(400, str(error)) from error
        with self._lock:
            try:
                built = self._build(account, region, world.model_dump(by_alias=True))
                self._store.save()
            except (AwsError, NoHandlerError) as error:
                self._store.undo()
                raise _ControlError(409, f"the world can't be built in {region}: {error}") from error
            except SaveError as error:
                self._say_once(error)
                raise
            except BaseException:
                self._store.undo()
                raise
        return _json(200, {"built": built})

    def _build(self, account: str, region: str, content: dict[str, Json]) -> bool:
        """Build a world; returns whether it was new. Raises _ControlError if a different one exists."""
        worlds = self._store.contents.worlds
        cloud = Cloud(region, account, clients=self._clients)
        before = worlds.get((account, region))
        if before is not None and _lasting(before) != _lasting(content):
            raise _ControlError(
                409,
                f"account {account} already has another world in {region}, and a world is built only once; "
                f"start with another state file than {self._store.path}, or move that one away",
            )
        world = parse_world(content)
        worlds[account, region] = content
        if before is None:
            # Another region's world may have contained the same clusters.
            there = self._clusters_elsewhere(account, region)
            new = [c for c in world.clusters if (c.region, c.name) not in there]
            emulator.build(cloud, world.model_copy(update={"clusters": new}))
        for cluster in world.clusters:
            emulator.move_cluster(cloud.in_region(cluster.region), cluster)
        return before is None

    def _clusters_elsewhere(self, account: str, region: str) -> set[tuple[str, str]]:
        return {
            (text(cluster, "region"), text(cluster, "name"))
            for (other, elsewhere), world in self._store.contents.worlds.items()
            if other == account and elsewhere != region
            for cluster in records(world, "clusters")
        }

    def _get_calls(self, _: Request) -> _Answer:
        with self._lock:
            return _json(200, [entry.to_json() for entry in self._log])

    def _delete_calls(self, _: Request) -> _Answer:
        with self._lock:
            self._log.clear()
        return _json(200, {})

    def _get_faults(self, _: Request) -> _Answer:
        with self._lock:
            return _json(200, self._faults.report())

    def _put_faults(self, request: Request) -> _Answer:
        try:
            faults = Faults(parse_faults(_content(request)))
        except FaultError as error:
            raise _ControlError(400, str(error)) from error
        with self._lock:
            self._faults = faults
        return _json(200, {})

    def _get_latencies(self, _: Request) -> _Answer:
        with self._lock:
            return _json(200, {**self._latencies})

    def _put_latencies(self, request: Request) -> _Answer:
        latencies: dict[str, float] = {}
        for name, seconds in _object(request).items():
            is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0
            if not is_number or ":" not in name:
                example = '{"rds:CreateDBInstance": 36}'
                raise _ControlError(
                    400, f"latencies are seconds by service and operation, for example {example}"
                )
            latencies[name] = float(cast("int | float", seconds))
        with self._lock:
            self._latencies = latencies
        return _json(200, {})

    def _post_authenticate(self, request: Request) -> _Answer:
        # kube-apiserver drops the query of its webhook's address, so the name may also end the path.
        in_path = request.path.removeprefix(f"{_CONTROL}authenticate").strip("/")
        cluster = request.args.get("cluster", in_path)
        if not cluster:
            raise _ControlError(400, "name the cluster: /_rehearsal/authenticate/NAME")
        return _json(200, authenticator.review(_object(request), cluster, self._identity))

    def _identity(self, region: str) -> dict[str, Json]:
        with self._lock:
            return Cloud(region, DEFAULT_ACCOUNT, clients=self._clients).call("sts", "GetCallerIdentity", {})

    def _post_kubernetes(self, request: Request) -> _Answer | None:
        payload = _object(request)
        call = Call(KUBERNETES, text(payload, "operation"), "", "")
        return self._perform(call, lambda: self._handle(payload), text(payload, "type"))

    def _handle(self, payload: dict[str, Json]) -> _Answer:
        import pickle

        # Imported only here: it imports Helm's engine and Kubernetes' schemas.
        from emulator.kubernetes.memory import MemoryClusters

        kept, name = self._store.contents.kubernetes, text(payload, "cluster")
        clusters = cast(_Clusters, pickle.loads(kept[name]) if name in kept else MemoryClusters())  # noqa: S301
        answer = clusters.handle(payload)
        kept[name] = pickle.dumps(clusters, protocol=5)
        return _json(200, answer)

    # End

    def close(self) -> None:
        """Let the call being executed finish, answer delayed ones at once, and save."""
        self._stopping.set()
        with self._lock:
            self._is_closed = True
            self._store.close()


# werkzeug sets its own; the lengths in moto's answers are those of the body before encoding.
_NOT_OURS = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})


def _ask_moto(request: Request, call: Call) -> _Answer:
    """Pass the request to moto as the SDK would have sent it to AWS."""
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.compat import HTTPHeaders

    headers = HTTPHeaders()
    for name, value in request.headers.items():
        if name.lower() != "host":
            headers[name] = value
    raw = str(request.environ.get("RAW_URI", "/"))
    url = f"https://{_host(call)}/{raw.lstrip('/')}"
    prepared = AWSPreparedRequest(
        request.method, url, headers, request.get_data(cache=True), stream_output=False
    )
    try:
        answer = emulator.answer(prepared)
    except NotImplementedError:
        answer = None
    if answer is None or (answer.status_code == 404 and answer.content == b"Not yet implemented"):
        return Refusal("NotImplemented", 501, "Not yet implemented").render(call.service)
    return answer.status_code, dict(answer.headers.items()), answer.content


def _host(call: Call) -> str:
    """AWS's own host, from which moto gets service and region."""
    # As for clients in this process: see emulator.aws.cloud.
    suffix = "amazonaws.com" if call.service == "iam" else _dns_suffix(call.region)
    return f"{call.service}.{call.region}.{suffix}"


def _dns_suffix(region: str) -> str:
    try:
        return find_region(region).dns_suffix
    except UnknownRegionError:
        return "amazonaws.com"


def _lasting(world: Mapping[str, Json]) -> Json:
    """A world without what changes when its control plane restarts."""
    clusters: list[Json] = [
        {key: value for key, value in cluster.items() if key not in ("endpoint", "certificateAuthority")}
        for cluster in records(world, "clusters")
    ]
    return {**world, "clusters": clusters}


def _content(request: Request) -> Json:
    try:
        return cast(Json, json.loads(request.get_data(cache=True)))
    except ValueError as error:
        raise _ControlError(400, f"the request's body isn't JSON: {error}") from error


def _object(request: Request) -> dict[str, Json]:
    content = _content(request)
    if not isinstance(content, dict):
        raise _ControlError(400, "the request's body must be a JSON object")
    return content


def _json(status: int, content: Json) -> _Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def _hang_up(environ: WSGIEnvironment) -> None:
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201


class _Handler(WSGIRequestHandler):
    """Writes no access log, since URLs contain signatures; keeps connections open and sends at once."""

    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


# The process


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator.server",
        description="Run the emulated AWS on loopback, with its state in a file. Stop it with Ctrl-C.",
        epilog="exit status: 0 stopped; 2 the port or the state file can't be used.",
    )
    parser.add_argument("--state", metavar="FILE", type=Path, required=True, help="file that holds the state")
    parser.add_argument(
        "--port", metavar="N", type=int, default=0, help="port on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument("--json", action="store_true", help="when it is ready, say where in one line of JSON")
    parser.add_argument("--verbose", action="store_true", help="name each call on standard error")
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="stop when standard input closes, as it does when the process at its other end is gone",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the parent's end; returns the exit status."""
    options = _parser().parse_args(arguments)
    # Nothing in the user's environment may matter: moto itself creates boto3 sessions.
    for key in [key for key in os.environ if key.startswith(("AWS_", "MOTO_"))]:
        del os.environ[key]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    # As in a plugin: otherwise many objects, none of them garbage, would be traversed often.
    gc.set_threshold(100_000, 20, 100)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if options.with_parent:
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
    try:
        with emulator.running():
            return _serve(options, stop)
    except (StoreError, SaveError) as error:
        _say(f"error: {error}")
        return UNUSABLE


def _serve(options: argparse.Namespace, stop: threading.Event) -> int:
    store = Store(cast(Path, options.state).absolute())
    application = Emulator(store, verbose=bool(options.verbose))
    try:
        with socket.socket() as listener:
            try:
                _listen(listener, cast(int, options.port))
            except OSError as error:
                _say(
                    f"error: port {options.port} of {_HOST} can't be used: {error.strerror or error}; "
                    "choose another with --port, or leave it out to get a free one"
                )
                return UNUSABLE
            port = int(listener.getsockname()[1])
            server = make_server(
                _HOST, port, application, threaded=True, request_handler=_Handler, fd=listener.fileno()
            )
        url = f"http://{_HOST}:{port}"
        store.announce(url)
        _serve_until(stop, server, lambda: _say_ready(url, store.path, as_json=bool(options.json)))
    finally:
        application.close()
    return OK


def _listen(listener: socket.socket, port: int) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((_HOST, port))
    listener.listen(128)


def _serve_until(stop: threading.Event, server: BaseWSGIServer, ready: Callable[[], None]) -> None:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        ready()
        stop.wait()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _say_ready(url: str, state: Path, *, as_json: bool) -> None:
    if as_json:
        line = json.dumps({"url": url, "pid": os.getpid(), "state": str(state)})
    else:
        line = f"The emulated AWS is at {url} and keeps its state in {state}. Ctrl-C stops it."
    print(line, flush=True)  # noqa: T201


def _watch_parent(stop: threading.Event) -> None:
    """Stop when standard input ends: the kernel closes the other end whatever happens to the parent."""
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
