"""The language host with the SDKs already imported, for tests that run the program often.

Importing them costs each operation a second of CPU. Here one process does it once; what the engine starts as
`pulumi-language-python` asks that process to fork, and stays until the fork ends.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Self

from engine import language_host
from engine.programs import ROOT

# Python without its own site packages starts in a fiftieth of a second.
_CLIENT = """#!{python} -ISs
import json, os, socket, sys
zygote = socket.socket(socket.AF_UNIX)
zygote.connect({address!r})
told = json.dumps([sys.argv, dict(os.environ)]).encode()
socket.send_fds(zygote, [len(told).to_bytes(4, "big")], [1, 2])
zygote.sendall(told)
zygote.recv(1)
"""


class Preloaded:
    """From `with` on, `folder` holds a `pulumi-language-python` that starts quickly."""

    def __enter__(self) -> Self:
        # A socket's path has at most a hundred characters, and pytest's folders may have more.
        self._temporary = tempfile.TemporaryDirectory(prefix="maestro-host-")
        self.folder = Path(self._temporary.name)
        address = self.folder / "zygote"
        script = self.folder / "pulumi-language-python"
        script.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
        script.chmod(0o755)
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.preloaded", str(address)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._zygote.stdout
        assert self._zygote.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._zygote.terminate()
        self._zygote.communicate()
        self._temporary.cleanup()


def _serve(address: str) -> None:
    for module in ("maestro_stack.regional", "maestro_stack.surroundings"):  # they import the SDKs
        importlib.import_module(module)

    for name in [name for name in sys.modules if name.startswith("maestro_stack")]:
        del sys.modules[name]  # the checkout's own must run
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)  # noqa: T201
    parent = os.getppid()
    listener.settimeout(0.5)
    while os.getppid() == parent:
        try:
            asked, _ = listener.accept()
        except TimeoutError:
            continue
        if os.fork() == 0:
            listener.close()
            _become_host(asked)
        asked.close()


def _become_host(asked: socket.socket) -> None:
    asked.settimeout(None)
    size, descriptors, _, _ = socket.recv_fds(asked, 4, 2)
    told = b""
    while len(told) < int.from_bytes(size, "big"):
        told += asked.recv(65536)
    for given, own in zip(descriptors, (1, 2), strict=True):
        os.dup2(given, own)
        os.close(given)
    sys.argv, environment = json.loads(told)
    os.environ.clear()
    os.environ.update(environment)

    def end_with_the_engine() -> None:
        asked.recv(1)  # the engine has ended what it started
        os._exit(0)

    threading.Thread(target=end_with_the_engine, daemon=True).start()
    language_host.main()


if __name__ == "__main__":
    _serve(sys.argv[1])
