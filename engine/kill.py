"""SIGKILL to an engine and everything that it started: a fault of the emulated AWS or the API server."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path


def kill(pid: int) -> None:
    """SIGKILL to a process, its descendants, and its whole group if it leads one, if they still exist.

    A provider plugin has a process group of its own and outlives its engine for a moment, in which its SDK
    would retry the lost call.
    """
    doomed = [pid, *descendants(pid)]
    with suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
    for each in doomed:
        if each != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """The processes that it started, and those that they started, nearest first."""
    table = parents()
    found = [pid]
    for ancestor in found:  # grows while it is read
        found += [child for child, parent in table.items() if parent == ancestor]
    return found[1:]


def parents() -> dict[int, int]:
    """Each process's parent: from /proc, or without one (macOS) from ps, which small images lack."""
    if not Path("/proc/self/stat").exists():
        command = ["ps", "-A", "-o", "pid=", "-o", "ppid="]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        return {int(child): int(parent) for child, parent in map(str.split, listed.stdout.splitlines())}
    found: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            # "123 (name, maybe with spaces) S 1 …": the state and the parent follow the name.
            found[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    return found
