"""The client of the emulated AWS that runs as a process of its own (emulator/server.py).

It starts the process, builds worlds in it, makes calls and injects faults:

with Emulation.start(Path("state/aws")) as aws:
    aws.build(account="123456789012", region="us-east-1", world=default_world("regional-xyz", "us-east-1"))
    cloud = aws.cloud("us-east-1", "123456789012")
    aws.inject([{"service": "iam", "operation": "CreateRole", "effect": "throttle"}])
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypedDict, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from common.json_values import Json, record, text
from common.loopback import is_loopback
from emulator.aws.cloud import ACCESS_KEY, SECRET_KEY, Cloud
from emulator.executables import URL

if TYPE_CHECKING:  # importing pydantic takes a tenth of a second in each of the engine's plugins
    from emulator.world import World

ROOT = Path(__file__).parents[1]

# The AWS provider's default (maxRetries): with pauses of up to half a second, ten seconds at most.
_ATTEMPTS = 25


class EmulationError(Exception):
    """The emulated AWS didn't start, doesn't answer, or refused a request to its control API."""


class LoggedCall(TypedDict):
    """One line of the call log."""

    index: int
    service: str
    operation: str
    account: str
    region: str
    status: int  # 0: not answered
    at: float  # `time.time()` of its arrival; it is executed at once, even if it is answered late


class Emulation:
    """A running emulated AWS, by its URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        """For example http://127.0.0.1:4566, without a trailing slash."""

    @classmethod
    @contextmanager
    def start(
        cls,
        state: Path,
        *,
        port: int = 0,
        timeout: float = 30,
        say: Callable[[str], None] | None = None,
    ) -> Generator[Emulation]:
        """Run the process until exit, with everything kept in the file `state`; port 0 picks a free one.

        It ends with this process, however that ends, but not on a terminal's Ctrl-C, so that an interrupted
        program can still make its last calls. `say` gets its messages; by default they go to standard error.
        Raises EmulationError, with the reason, if it isn't ready within `timeout` seconds.
        """
        process = _Process(state, port, say or _to_stderr)
        try:
            yield cls(process.wait_until_ready(timeout))
        finally:
            process.stop()

    @classmethod
    def attach(cls, url: str) -> Emulation:
        """A client of a process that is already running; raises EmulationError if none is."""
        if not is_loopback(urlsplit(url).hostname or ""):
            raise EmulationError(f"{url} isn't on loopback, but the emulated AWS is")
        emulation = cls(url.rstrip("/"))
        emulation.status()
        return emulation

    @classmethod
    def serving(cls, state: Path) -> Emulation | None:
        """A client of the process that is serving a state file; None if none is."""
        try:
            holder: Json = json.loads(state.with_name(f"{state.name}.lock").read_text(encoding="utf-8"))
            return cls.attach(text(holder, "url")) if isinstance(holder, dict) else None
        except (OSError, ValueError, EmulationError):
            return None

    def status(self) -> dict[str, Json]:
        """`version` (moto's), `pid`, `state` (the file) and `worlds` (account, region, clusters)."""
        return self._object("GET", "status")

    def build(self, *, account: str, region: str, world: World | Mapping[str, Json]) -> bool:
        """Build a world in an account, once; returns whether it was built now.

        The second time, only the clusters' endpoints and certificate authorities may differ, and are updated.
        Raises EmulationError if a different world was built there.
        """
        content = dict(world) if isinstance(world, Mapping) else world.model_dump(by_alias=True)
        answer = self._object("POST", "worlds", {"account": account, "region": region, "world": content})
        return answer.get("built") is True

    def world(self, *, account: str, region: str) -> World | None:
        """The world that was built there, with its current endpoints."""
        from emulator.world import parse_world

        for built in cast("list[dict[str, Json]]", self._request("GET", "worlds")):
            if (built["account"], built["region"]) == (account, region):
                return parse_world(built["world"])
        return None

    def cloud(self, region: str, account: str, *, patience: float = 0, retries: int = _ATTEMPTS) -> Cloud:
        """The account in a region, for handlers; `retries` is how many times at most the SDK makes a call."""
        return Cloud(region, account, endpoint_url=self.url, patience=patience, retries=retries)

    def calls(self) -> list[LoggedCall]:
        """The calls since the start or `clear_calls`, in order of arrival."""
        return cast("list[LoggedCall]", self._request("GET", "calls"))

    def clear_calls(self) -> None:
        """Empty the call log."""
        self._request("DELETE", "calls")

    def inject(self, faults: Iterable[Mapping[str, Json]]) -> None:
        """Replace the active faults; an empty list removes them. Keys: see emulator.aws.faults.Fault."""
        self._request("PUT", "faults", [dict(fault) for fault in faults])

    def faults(self) -> list[dict[str, Json]]:
        """The active faults, each with how many calls it has `seen`, and on how many it `fired`."""
        return cast("list[dict[str, Json]]", self._request("GET", "faults"))

    def fired(self) -> bool:
        """Whether every active fault has fired as often as it should."""
        return all(fault["fired"] == fault["times"] for fault in self.faults())

    def delay(self, latencies: Mapping[str, float]) -> None:
        """Delay the answers to calls by seconds: {"rds:CreateDBInstance": 36}. Replaces what was set before.

        For in-memory clusters use "kubernetes:create" and so on, or for one type of resource
        "kubernetes:create kubernetes:helm.sh/v3:Release".
        """
        self._request("PUT", "latencies", dict(latencies))

    def authenticate(self, token: str, cluster: str) -> dict[str, Json]:
        """The status of a bearer token's TokenReview: `authenticated`, and `user` or `error`."""
        review: Json = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        return record(self._object("POST", f"authenticate/{quote(cluster, safe='')}", review), "status")

    def authenticator_url(self, cluster: str) -> str:
        """The URL at which an API server can have the tokens of `aws eks get-token` reviewed."""
        return f"{self.url}/_rehearsal/authenticate/{quote(cluster, safe='')}"

    def kubernetes(self, payload: dict[str, Json]) -> dict[str, Json]:
        """One operation on the in-memory clusters: emulator.kubernetes.memory.MemoryClusters.handle."""
        return self._object("POST", "kubernetes", payload)

    def environment(self, region: str) -> dict[str, str]:
        """The variables that make the AWS CLI, SDKs and our own plugins use this emulation in a region.

        Any other AWS_… variable, above all AWS_PROFILE, must be unset.
        """
        unproxied = [os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"]
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            URL: self.url,
            "NO_PROXY": ",".join(filter(None, unproxied)),
        }

    def _object(self, method: str, path: str, content: Json = None) -> dict[str, Json]:
        answer = self._request(method, path, content)
        if not isinstance(answer, dict):
            raise EmulationError(f"{self.url} isn't the emulated AWS: {path} didn't answer with an object")
        return answer

    def _request(self, method: str, path: str, content: Json = None) -> Json:
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/_rehearsal/{path}",
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with _DIRECT.open(request, timeout=_TIMEOUT) as answer:
                return cast(Json, json.load(answer))
        except HTTPError as error:
            raise EmulationError(_reason(error)) from error
        except (URLError, OSError, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise EmulationError(f"the emulated AWS at {self.url} doesn't answer: {reason}") from error


_TIMEOUT = 900  # seconds; as long as the slowest call to an in-memory cluster
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _reason(error: HTTPError) -> str:
    with error:
        body = error.read().decode("utf-8", "replace")
    try:
        content: Json = json.loads(body)
    except ValueError:
        content = None
    reason = text(content, "error") if isinstance(content, dict) else ""
    return reason or f"the emulated AWS answered {error.code}: {body[:200]}"


def _to_stderr(message: str) -> None:
    print(f"emulated AWS: {message}", file=sys.stderr, flush=True)  # noqa: T201


class _Process:
    """The server's process, which ends when its standard input, a pipe from its parent, closes."""

    def __init__(self, state: Path, port: int, say: Callable[[str], None]) -> None:
        command = [sys.executable, "-m", "emulator.server", "--json", "--with-parent"]
        arguments = ["--state", str(state.absolute()), "--port", str(port)]
        self._process = subprocess.Popen(  # noqa: S603
            [*command, *arguments],
            cwd=ROOT,  # where `-m` finds the package
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Not in the terminal's foreground group, so that Ctrl-C doesn't reach it.
            start_new_session=True,
        )
        self._say = say
        self._is_ready = False
        self._errors: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """Pass on its messages; until it is ready, they may say why it ends, and are kept."""
        for line in _stream(self._process.stderr):
            message = line.decode("utf-8", "replace").rstrip()
            if self._is_ready:
                self._say(message)
            else:
                self._errors.append(message)

    def wait_until_ready(self, timeout: float) -> str:
        """Wait until it is ready; returns its URL."""
        output, deadline, line = _stream(self._process.stdout), time.monotonic() + timeout, b""
        while not line.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([output], [], [], remaining)[0]:
                raise EmulationError(f"the emulated AWS wasn't ready within {timeout:g} seconds")
            chunk = os.read(output.fileno(), 4096)
            if not chunk:
                self.stop()
                said = "\n".join(self._errors).removeprefix("error: ")
                raise EmulationError(said or f"the emulated AWS ended with status {self._process.returncode}")
            line += chunk
        self._is_ready = True
        return text(cast("dict[str, Json]", json.loads(line)), "url")

    def stop(self) -> None:
        """End it; it saves its state, and stops answering."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._listener.join(5)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            _stream(stream).close()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "each of the three is a pipe"  # noqa: S101
    return stream
