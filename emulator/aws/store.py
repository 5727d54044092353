"""The emulated AWS on disk: one file, rewritten after each change, used by one process at a time.

The file is a line of JSON (format, version, moto's version, length and digest of the rest) and a pickle. It
is only read by the moto version that wrote it, and damage is noticed before anything in it is used. It holds
secrets, and unpickling it runs code: only its user may read or write it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

from common.json_values import Json, text

if TYPE_CHECKING:
    from moto.core.base_backend import BaseBackend

_FORMAT, _VERSION = "maestro-rehearsal-aws", 2

Backends = dict[str, "dict[str, BaseBackend]"]
"""moto's data for one account, by service (the name of moto's module) and region."""


class StoreError(Exception):
    """The state file can't be used; the message says why and what to do."""


class SaveError(Exception):
    """A change couldn't be written; the file is as it was before."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.reason = error.strerror or str(error)
        super().__init__(
            f"the emulated AWS could not write its state to {path} ({self.reason}), and undid the call; "
            "make room or make the folder writable, then run the same command again"
        )


@dataclass
class Contents:
    """What is stored besides moto's data."""

    worlds: dict[tuple[str, str], dict[str, Json]] = field(
        default_factory=dict[tuple[str, str], dict[str, Json]]
    )
    """World files that were built, by account and region."""
    kubernetes: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The in-memory clusters, each pickled; their modules are imported only if there are any."""


@dataclass(frozen=True)
class _Parts:
    """What is written, in separately pickled parts, of which most calls change only one or two."""

    contents: bytes = b""
    accounts: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


class Store:
    """The state file, locked for this process from construction to `close`.

    Raises StoreError if another process has it, or if it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents = Contents()
        self._saved = _Parts()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _Lock(path)
        except OSError as error:
            message = f"{path} can't be used: {error.strerror or error}; choose another file with --state"
            raise StoreError(message) from error
        try:
            self._temporary.unlink(missing_ok=True)  # left by a process that was killed while writing
            self._load()
        except BaseException:
            self._lock.release()
            raise

    @property
    def _temporary(self) -> Path:
        return self.path.with_name(f"{self.path.name}.tmp")

    def announce(self, url: str) -> None:
        """Tell other processes who has the file."""
        self._lock.describe({"pid": os.getpid(), "url": url})

    def save(self, account: str | None = None) -> None:
        """Write everything if anything changed since the last time, looking only at `account` if given.

        If that fails, everything is restored as it was then, in memory and on disk, and SaveError is raised.
        """
        there = _accounts() if account is None else {account} & _accounts()
        accounts = {**self._saved.accounts, **{each: _pickled(_collect(each)) for each in there}}
        parts = _Parts(_pickled(self.contents), accounts)
        if parts == self._saved:
            return
        try:
            self._write(_pickled(parts))
        except OSError as error:
            with suppress(OSError):  # the first error is the one to report
                self._temporary.unlink(missing_ok=True)
            self.undo()
            raise SaveError(self.path, error) from error
        self._saved = parts

    def undo(self) -> None:
        """Undo whatever changed since the last `save`."""
        self.contents = cast("Contents", pickle.loads(self._saved.contents))  # noqa: S301
        accounts = {account: pickle.loads(part) for account, part in self._saved.accounts.items()}  # noqa: S301
        _restore(cast("dict[str, Backends]", accounts))

    def close(self) -> None:
        """Save and release the file; if SaveError is raised, the file is released all the same."""
        try:
            self.save()
        finally:
            self._lock.release()

    def _write(self, payload: bytes) -> None:
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "moto": version("moto"),
            "length": len(payload),
            "sha256": hashlib.sha256(payload).hexdigest(),
        }
        # No fsync: the data must survive this process, not the machine.
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + payload)
        self._temporary.replace(self.path)

    def _load(self) -> None:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            self._saved = _Parts(_pickled(self.contents))  # nothing stored yet, so no file is needed
            return
        except OSError as error:
            raise self._unusable(f"can't be read: {error.strerror or error}") from error
        header_line, _, payload = content.partition(b"\n")
        header = self._header(header_line)
        if header.get("length") != len(payload) or header.get("sha256") != _digest(payload):
            raise self._unusable("is damaged: its content isn't what was written")
        try:
            self._saved = cast("_Parts", pickle.loads(payload))  # noqa: S301
            self.undo()
        # Whatever unpickling raises, such as for a class that no longer exists.
        except Exception as error:
            problem = f"was written by another version of this project ({type(error).__name__}: {error})"
            raise self._unusable(problem) from error

    def _header(self, line: bytes) -> Mapping[str, Json]:
        try:
            header: Json = json.loads(line)
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise self._unusable("isn't a state file of the emulated AWS")
        if header.get("version") != _VERSION:
            problem = f"has version {header.get('version')} of the format; this project reads {_VERSION}"
            raise self._unusable(problem)
        if header.get("moto") != version("moto"):
            writer = text(header, "moto")
            raise self._unusable(f"was written by moto {writer}; installed is {version('moto')}")
        return header

    def _unusable(self, problem: str) -> StoreError:
        return StoreError(
            f"{self.path} {problem}.\n"
            f"It was left unchanged. Move it away (mv {self.path} {self.path}.old) and start again with an "
            "empty account; `pulumi refresh` then shows what is gone, and `pulumi up` rebuilds it."
        )


class _Lock:
    """FILE.lock, held by flock: released when the process ends, however that happens."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f"{path.name}.lock")
        while True:
            self._file = self._open()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = self._file.read()
                self._file.close()
                raise StoreError(_in_use(path, holder)) from None
            if self._is_current():
                return
            # Its holder removed it after we opened it and before we locked it.
            self._file.close()

    def _open(self) -> IO[str]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "r+", encoding="utf-8")

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def describe(self, holder: Mapping[str, Json]) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(holder))
        self._file.flush()

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        self._file.close()


def _in_use(path: Path, content: str) -> str:
    try:
        holder: Json = json.loads(content)
    except ValueError:
        holder = None
    who = "another process"
    if isinstance(holder, dict):
        who = f"the emulated AWS with process id {holder.get('pid')} at {holder.get('url')}"
    return f"{path} is in use by {who}; stop that one, or choose another file with --state"


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


class _Service(Protocol):
    """The parts of moto's untyped BackendDict that are used here."""

    backend: type

    def __getitem__(self, account: str) -> dict[str, BaseBackend]: ...
    def items(self) -> Iterable[tuple[str, dict[str, BaseBackend]]]: ...
    def clear(self) -> None: ...


def _services() -> list[_Service]:
    """moto's internal list of the services that have data."""
    from moto.core.base_backend import BackendDict

    return cast("list[_Service]", vars(BackendDict)["_instances"])


def snapshot() -> bytes:
    """The data of every account in this process, for `put_back`."""
    return _pickled({account: _collect(account) for account in _accounts()})


def put_back(kept: bytes) -> None:
    """Replace the data of this process by a snapshot."""
    _restore(cast("dict[str, Backends]", pickle.loads(kept)))  # noqa: S301


def _pickled(content: object) -> bytes:
    return pickle.dumps(content, protocol=5)


def _accounts() -> set[str]:
    return {account for service in _services() for account, _ in service.items()}


def _collect(account: str) -> Backends:
    # Only the contents of moto's containers, not the containers themselves, which others refer to.
    return {
        service.backend.__module__.split(".")[1]: dict(regions)  # moto.iam.models
        for service in _services()
        for owner, regions in service.items()
        if owner == account
    }


def _restore(kept: Mapping[str, Backends]) -> None:
    """Put the data into moto's own dictionaries, replacing what is there."""
    from moto import backends

    for service in _services():
        service.clear()
    _services().clear()
    find = cast("Callable[[str], _Service]", backends.get_backend)
    for account, services in kept.items():
        for name, regions in services.items():
            find(name)[account].update(regions)
