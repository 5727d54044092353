"""Where the tools are: in a folder per user, `<tool>/<version>/<executable>`, or `pulumi` on PATH."""

import functools
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.catalogue import Executable, Tool, numbers
from tools.errors import Impossible

SLOW = 60
"""Seconds after which an executable that doesn't print its version counts as broken."""


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`$MAESTRO_TOOLS`, else `maestro-stack/tools` in the user's cache folder. It need not exist."""
    if named := environ.get("MAESTRO_TOOLS"):
        return Path(named).expanduser().absolute()
    if (shared := user_cache(environ)) is None:
        raise Impossible("There is no home folder to keep the tools in. Set MAESTRO_TOOLS=/a/folder.")
    return shared / "tools"


def user_cache(environ: Mapping[str, str]) -> Path | None:
    """The project's folder per user, for all checkouts (XDG); None without a home. It need not exist."""
    # A relative XDG_CACHE_HOME is invalid and must be ignored: XDG Base Directory Specification.
    shared = Path(environ.get("XDG_CACHE_HOME", ""))
    if not shared.is_absolute():
        try:
            shared = Path(environ.get("HOME") or Path.home()) / ".cache"
        except RuntimeError:
            return None
    return shared / "maestro-stack"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One executable: where it is, or why it can't be used."""

    tool: Tool
    executable: Executable
    path: Path | None
    source: Literal["cache", "PATH"] | None = None
    problem: str = ""  # why what is at its place in the cache isn't used; empty if nothing is there
    note: str = ""  # why the one on PATH isn't used


class Cache:
    """The cache folder. Looking things up never fails; only the lock and stamps are written here."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self._environ = environ

    def place(self, tool: Tool, executable: str) -> Path:
        """Where `executable` of `tool` belongs."""
        return self.root / tool.name / tool.version / executable

    def survey(self, tools: Sequence[Tool]) -> list[Finding]:
        """A finding for every executable of `tools`, in their order."""
        return [self.find(tool, executable) for tool in tools for executable in tool.executables]

    def find(self, tool: Tool, executable: Executable) -> Finding:
        """Look for a usable `executable`: on PATH if that is allowed, then in the cache."""
        note = ""
        if tool.required_on_path is not None:
            on_path, note = self._on_path(executable, tool.required_on_path)
            if on_path:
                return Finding(tool=tool, executable=executable, path=on_path, source="PATH")
        place = self.place(tool, executable.name)
        problem = self._problem(tool, executable, place)
        if problem is None:
            return Finding(tool=tool, executable=executable, path=place, source="cache", note=note)
        return Finding(tool=tool, executable=executable, path=None, problem=problem, note=note)

    def _on_path(self, executable: Executable, required: str) -> tuple[Path | None, str]:
        found = shutil.which(executable.name, path=self._environ.get("PATH", os.defpath))
        if found is None:
            return None, ""
        status = Path(found).stat()
        said = _first_line(
            _version_of(found, executable.version_arguments, status.st_mtime_ns, status.st_size)
        )
        # An -alpha or -dev build comes before the release of the same number.
        is_release = "-" not in said.partition("+")[0]
        if numbers(said) > numbers(required) or (numbers(said) == numbers(required) and is_release):
            return Path(found), ""
        return None, f"{found} says {said}; Pulumi.yaml requires {required} or later"

    def _problem(self, tool: Tool, executable: Executable, place: Path) -> str | None:
        """Why what is at `place` can't be used: None if it can, empty if nothing is there."""
        try:
            status = place.stat()
        except FileNotFoundError:
            return ""
        except OSError as refused:  # a file in place of a folder, or no permission to look into it
            return f"{place}: {refused.strerror}"
        if not os.access(place, os.X_OK) or not place.is_file():
            return f"{place} isn't an executable file"
        # Asking takes a tenth of a second or more, so the answer is kept for as long as the file is the same.
        stamp = place.with_name(f".{place.name}.checked")
        expected = (
            f"{status.st_size} {status.st_mtime_ns} {platform.system()} {platform.machine()} {tool.version}"
        )
        with suppress(OSError):
            if stamp.read_text("utf-8") == expected:
                return None
        if (said := wrong_version(tool, executable, place)) is not None:
            return f"{place} says {said}, not {tool.version}"
        with suppress(OSError):  # in a read-only cache, the next process asks again
            stamp.write_text(expected, "utf-8")
        return None

    @contextmanager
    def locked(self, waiting: Callable[[str], None]) -> Generator[int]:
        """Hold the cache's lock: one build at a time, whoever started it. Yields its file descriptor.

        `waiting` is called once if another process holds it, with that process's id. Raises Impossible if the
        folder can't be created or written to.
        """
        import fcntl  # not on Windows, where finding tools must work all the same

        with self.writing():
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
            # The lock file alone proves nothing: it may be left over from when the folder was writable.
            (self.root / ".writable").touch()
            (self.root / ".writable").unlink()
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting(os.pread(descriptor, 32, 0).decode())
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Turn a failure to write to the cache into an error that says what to do."""
        try:
            yield
        except OSError as refused:
            raise Impossible(
                f"The tools' folder {self.root} can't be written to: {refused.strerror}"
                f"{f' ({refused.filename})' if refused.filename else ''}.\n"
                "Free it, or name another folder: MAESTRO_TOOLS=/a/folder make tools"
            ) from refused


def wrong_version(tool: Tool, executable: Executable, path: Path) -> str | None:
    """What the executable at `path` prints as its version, if that isn't the tool's; else None."""
    if not executable.version_arguments:
        return None
    status = path.stat()
    said = _version_of(str(path), executable.version_arguments, status.st_mtime_ns, status.st_size)
    return None if tool.says_its_version(said) else _first_line(said)


@functools.lru_cache(maxsize=64)
def _version_of(path: str, arguments: tuple[str, ...], modified: int, size: int) -> str:  # noqa: ARG001 the key
    """What the executable prints on either stream, or why it couldn't be asked."""
    try:
        done = subprocess.run(  # noqa: S603 a tool that we look for by name
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SLOW,
            check=False,
            # Pulumi would check for a newer version over the network.
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except OSError as refused:
        return f"{refused.strerror}"
    except subprocess.TimeoutExpired:
        return f"nothing for {SLOW} s"
    return (done.stdout + done.stderr).decode(errors="replace").strip()


def _first_line(said: str) -> str:
    return said.partition("\n")[0] if said else "nothing"
