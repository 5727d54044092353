"""Ends the processes recorded in a folder when the program that started them is gone.

Run as a script with the folder of pid files. Its standard input is a pipe from the program that started the
processes: the pipe closes however that program ends, even by SIGKILL, and then what is still recorded is
ended. (PR_SET_PDEATHSIG wouldn't do: it fires when the starting *thread* ends, and only Linux has it.)

It imports only the standard library, so that it starts at once and runs from any folder.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, cast

PATIENCE: Final = 3.0  # seconds between SIGTERM and SIGKILL
_POLL: Final = 0.02  # seconds
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def identity(pid: int) -> str | None:
    """What distinguishes this process from any other that ever had its id; None if it has ended.

    A zombie has ended, even if nobody reaps it; but not while it has threads, which hold its ports.
    """
    if not _BOOT_ID.exists():
        return _identity_by_ps(pid)
    try:
        # The second field is the command in brackets, which may itself contain brackets and spaces.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, started = fields[0], int(fields[17]), fields[19]
    return (
        None
        if state in "ZX" and threads <= 1
        else f"{_BOOT_ID.read_text(encoding='utf-8').strip()} {started}"
    )


def _identity_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def record(folder: Path, name: str, pid: int) -> None:
    """Record a process, so that it can be ended even if the caller doesn't get to do so."""
    content = json.dumps({"pid": pid, "identity": identity(pid)})
    (folder / f"{name}.pid").write_text(content, encoding="utf-8")


def recorded(folder: Path) -> dict[str, int]:
    """The recorded processes that are alive, from name to pid. The files of others are removed."""
    alive: dict[str, int] = {}
    for file in sorted(folder.glob("*.pid")):
        try:
            entry = cast("dict[str, object]", json.loads(file.read_text(encoding="utf-8")))
            pid, known = entry["pid"], entry["identity"]
        except (ValueError, KeyError, TypeError, FileNotFoundError):
            pid, known = None, None  # truncated by a crash, or removed meanwhile
        if isinstance(pid, int) and known is not None and identity(pid) == known:
            alive[file.stem] = pid
        else:
            file.unlink(missing_ok=True)
    return alive


def end_recorded(folder: Path, patience: float = PATIENCE) -> tuple[str, ...]:
    """End every recorded process and wait for it: SIGTERM, then SIGKILL after `patience` seconds.

    Returns the names of those that were alive.
    Raises PermissionError if one belongs to another user.
    """
    found = tuple(recorded(folder))
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in recorded(folder).values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience
        while recorded(folder) and time.monotonic() < deadline:
            time.sleep(_POLL)
    return found


if __name__ == "__main__":
    sys.stdin.buffer.read()  # until the pipe closes
    end_recorded(Path(sys.argv[1]))
