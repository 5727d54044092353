"""The real Kubernetes provider, restricted to the API servers of this machine.

The provider itself goes wherever a kubeconfig points. So the engine starts this process, which starts the
provider and passes every call on unchanged, except for Configure: one whose kubeconfig names an API server
elsewhere is refused before the provider sees it. Whatever the engine does to end a plugin ends both; a
provider whose engine was killed finishes what it has begun, as it does for everybody.

Source of the protocol: proto/pulumi/provider.proto of pulumi/pulumi.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import urlsplit

import grpc
import yaml

from common.json_values import Json, record, records, text
from common.loopback import is_loopback
from engine.programs import LOG, ROOT, leave_out_sdk, write_program

PROVIDER = "pulumi-resource-kubernetes"
_MAX_MESSAGE_BYTES = 400 * 1024 * 1024  # as the engine's own channels
_THREADS = 64
_OPTIONS = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
)


def write_provider(provider: Path, folder: Path, root: Path | None = None) -> Path:
    """Write the plugin's executable, in place of the `provider`'s, into `folder`, and return that.

    `root` is where the provider looks for a relative chart path.
    """
    move = f"cd {shlex.quote(str(root))} || exit 1\n" if root else ""
    here = shlex.quote(str(folder.absolute()))
    python = shlex.quote(sys.executable)
    return write_program(
        folder / PROVIDER,
        # `aws eks get-token`, which kubeconfigs execute, is installed next to Python.
        f'#!/bin/sh\n{move}PATH="$PATH":{shlex.quote(str(Path(sys.executable).parent))}\n'
        f"export PATH PYTHONPATH={shlex.quote(str(ROOT))}\n"
        # What Helm and client-go would keep in the user's home, or read from there.
        f"export KUBECACHEDIR={here}/cache HELM_CACHE_HOME={here}/helm HELM_CONFIG_HOME={here}/helm "
        f"HELM_DATA_HOME={here}/helm\n"
        f'exec {python} -m engine.kubernetes_provider {shlex.quote(str(provider))} "$@"\n',
    )


def problem_of(kubeconfig: str, environment: Mapping[str, str]) -> str | None:
    """Why this configuration is refused; None if everything that the provider could reach is on this machine.

    `kubeconfig` is a file's content or path, or empty for the files of `environment` (client-go's rules).
    Every cluster in it counts, not only the current context's, since a provider can choose another.
    """
    for source, content in _contents(kubeconfig, environment):
        try:
            parsed = cast("Json", yaml.safe_load(content))
        except yaml.YAMLError:
            continue  # the provider reports it in its own words, and reaches nothing
        for entry in records(parsed, "clusters") if isinstance(parsed, dict) else ():
            cluster = record(entry, "cluster")
            for address in (text(cluster, "server"), text(cluster, "proxy-url")):
                if address and not is_loopback(urlsplit(address).hostname or ""):
                    return (
                        f"{source} names the cluster {text(entry, 'name')!r} at {address}, which isn't on "
                        "this machine: in a rehearsal the Kubernetes provider may reach only API servers on "
                        "loopback. Remove that cluster from it, or rehearse without --cluster"
                    )
    return None


def _contents(kubeconfig: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if kubeconfig and not Path(kubeconfig).is_file():
        yield "the kubeconfig", kubeconfig
        return
    home = Path(environment.get("HOME", "/")) / ".kube/config"
    listed = [kubeconfig] if kubeconfig else environment.get("KUBECONFIG", str(home)).split(os.pathsep)
    for name in listed:
        if Path(name).is_file():
            yield f"the kubeconfig {name}", Path(name).read_text(encoding="utf-8")


class _Guard(grpc.GenericRpcHandler):
    """Passes each call on to the provider behind `channel`, and its response or error back."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(self, handler_call_details: Any) -> Any:
        name: str = handler_call_details.method
        method = cast(Any, self._channel).unary_unary(name)  # of bytes, both ways

        def serve(request: bytes, context: grpc.ServicerContext) -> bytes:
            if name.endswith("/Configure") and (problem := _refusal(request)):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
            began, outcome = time.time(), "failed"
            answer = method.future(request, metadata=context.invocation_metadata())
            context.add_callback(lambda: answer.cancel() and None)  # the engine gave up
            try:
                result = cast(bytes, answer.result())
                outcome = "done"
            except grpc.RpcError as failed:
                error = cast(grpc.Call, failed)
                context.set_trailing_metadata(tuple(error.trailing_metadata() or ()))
                context.abort(error.code(), error.details() or "")
                raise AssertionError("abort raises") from None
            finally:
                _log(name, request, outcome, began)
            return result

        return cast(Any, grpc).unary_unary_rpc_method_handler(serve)


def _refusal(request: bytes) -> str | None:
    from pulumi.runtime.proto import provider_pb2

    variables = provider_pb2.ConfigureRequest.FromString(request).variables
    return problem_of(variables.get("kubernetes:config:kubeconfig", ""), os.environ)


def _log(name: str, request: bytes, outcome: str, began: float) -> None:
    """One line per call: method, resource, outcome and duration. Never a value."""
    if path := os.environ.get(LOG):
        from pulumi.runtime.proto import provider_pb2

        method = name.rpartition("/")[2]
        kind = getattr(provider_pb2, f"{method}Request", None)
        urn = getattr(kind.FromString(request), "urn", "") if kind else ""
        now = time.time()
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{now:.3f} {method} {urn} {outcome} {now - began:.3f}s\n")


def main(arguments: list[str]) -> int:
    """Run the provider `arguments[0]` with the rest, which the engine gave; returns its exit status."""
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as provider:  # noqa: S603

        def end(number: int, frame: object) -> None:
            del number, frame
            provider.terminate()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        port = cast(IO[bytes], provider.stdout).readline().decode().strip()
        if not port:
            return provider.wait()
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS)
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=_OPTIONS)
        server.add_generic_rpc_handlers((_Guard(channel),))
        mine = server.add_insecure_port("127.0.0.1:0")
        server.start()
        sys.stdout.write(f"{mine}\n")
        sys.stdout.flush()
        status = provider.wait()
        server.stop(None)
    return status


if __name__ == "__main__":
    leave_out_sdk()
    sys.exit(main(sys.argv[1:]))
