"""The processes of one control plane: started, watched and ended together."""

import contextlib
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from controlplane import guardian
from controlplane.errors import ControlPlaneError, DiedError, PortTakenError

_TAIL_LINES: Final = 15
_POLL: Final = 0.02  # seconds
_PORTS: Final = (20_000, 32_000)
_TRIALS: Final = 100
_random: Final = random.SystemRandom()


class Processes:
    """Processes in sessions of their own, so that a terminal's Ctrl-C only reaches this program.

    They end with `stop`, and also when this program ends without it (see guardian.py). Each one's output goes
    to `logs/NAME.log`.
    """

    def __init__(self, folder: Path) -> None:
        self._logs, self._run = folder / "logs", folder / "run"
        for each in (self._logs, self._run):
            each.mkdir(parents=True, exist_ok=True)
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._guardian: subprocess.Popen[bytes] | None = None

    @property
    def pids(self) -> Mapping[str, int]:
        """By name, in the order in which they were started."""
        return {name: process.pid for name, process in self._started.items()}

    def end_leftovers(self) -> tuple[str, ...]:
        """End what a crashed run has left running in this folder; returns the names of what was alive."""
        return guardian.end_recorded(self._run)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process.

        Raises:
            ControlPlaneError: it can't be executed.
        """
        if self._guardian is None:
            # -I -S: without the user's environment and site-packages, with the standard library only.
            script = [sys.executable, "-I", "-S", guardian.__file__, str(self._run)]
            # Its output is discarded: whoever reads ours must not wait until it ends.
            self._guardian = subprocess.Popen(  # noqa: S603
                script,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        with self.log(name).open("wb") as log:
            try:
                process = subprocess.Popen(  # noqa: S603
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=dict(environment),
                    start_new_session=True,
                )
            except OSError as error:
                raise ControlPlaneError(f"{command[0]} can't be run: {error.strerror}") from error
        self._started[name] = process
        guardian.record(self._run, name, process.pid)

    def log(self, name: str) -> Path:
        """The file that gets a process's output."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raises DiedError if a process has ended, PortTakenError if its port was taken."""
        for name, process in self._started.items():
            code = process.poll()
            if code is not None:
                raise self._died(name, code)

    def _died(self, name: str, code: int) -> DiedError:
        log = self.log(name)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        end = "\n".join(lines[-_TAIL_LINES:])
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        text = f"{name} ended {how}; the end of {log}:\n{end}"
        everything = "\n".join(lines).lower()
        if os.strerror(errno.ENOSPC).lower() in everything:
            return DiedError(
                f"no disk space is left for {log.parent.parent}: free some and start again\n{text}"
            )
        if os.strerror(errno.EADDRINUSE).lower() in everything:
            return PortTakenError(text)
        return DiedError(text)

    def wait_until(self, reached: Callable[[], bool], deadline: float, what: str) -> None:
        """Poll until `reached` returns True.

        Raises:
            DiedError: a process ended meanwhile.
            ControlPlaneError: `deadline` (of `time.monotonic`) has passed.
        """
        while not reached():
            self.check()
            if time.monotonic() > deadline:
                raise ControlPlaneError(
                    f"the control plane didn't get ready in time: still waiting for {what}. "
                    f"Its logs are in {self._logs}; a slow machine needs a longer timeout"
                )
            time.sleep(_POLL)

    def stop(self, patience: float = guardian.PATIENCE) -> None:
        """End all processes and wait for them; the first one, on which the others depend, last."""
        processes = tuple(self._started.values())
        for group in (processes[1:], processes[:1]):
            _end(group, patience)
        self._started.clear()
        guardian.recorded(self._run)  # removes the files of ended processes
        if self._guardian is not None:
            if self._guardian.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    self._guardian.stdin.close()
            self._guardian.wait()
            self._guardian = None


def _end(processes: Sequence[subprocess.Popen[bytes]], patience: float) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count: int, preferred: Sequence[int] = ()) -> tuple[int, ...]:
    """Free loopback ports: each is the preferred one at its index if that is free.

    The others are below the range from which systems take ports for outgoing connections (32768 on Linux,
    49152 elsewhere), so that no connection takes them between two starts.
    Raises ControlPlaneError if no port is free.
    """
    chosen: list[int] = []
    for index in range(count):
        candidates = [*preferred[index : index + 1], *(_random.randint(*_PORTS) for _ in range(_TRIALS))]
        found = next((port for port in candidates if port not in chosen and _is_free(port)), None)
        if found is None:
            raise ControlPlaneError("this machine has no free port on 127.0.0.1")
        chosen.append(found)
    return tuple(chosen)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections in TIME_WAIT, left by a server that has ended, don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True
