"""The engine's log of events: what an operation does to which resource, and what it says."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from common.json_values import Json, record, text, texts

NOTHING = frozenset({"same", "read", "read-replacement", "discard"})
"""Operations that change nothing."""

Observer = Callable[[dict[str, Json]], None]
"""Called with each event of the engine's log as it happens.

Source of its format: sdk/go/common/apitype/events.go of pulumi/pulumi.
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an operation did, or would do, to one resource."""

    urn: str
    type: str
    operation: str
    """The engine's word: create, update, replace, delete, same, refresh, create-replacement, …"""
    changed: tuple[str, ...]
    """Paths of the properties that differ."""
    failed: bool = False

    @property
    def name(self) -> str:
        """Logical name."""
        return self.urn.rpartition("::")[2]


class EventLog:
    """Reads the engine's log of events while it is written, from `with` until the engine has ended.

    The engine writes to a file, not to a server of ours, so that it can finish even if we don't.
    """

    def __init__(self, file: Path, observer: Observer | None = None) -> None:
        self.file = file
        self.steps: dict[tuple[str, str], Step] = {}
        self.diagnostics: list[str] = []
        """Errors and warnings."""
        self.errors: list[str] = []
        self._observer = observer
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.file.touch()
        self._reader = threading.Thread(target=self._follow)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reader.join()

    def _follow(self) -> None:
        with self.file.open(encoding="utf-8") as log:
            begun = ""
            while True:
                is_last = self._ended.is_set()
                for line in iter(log.readline, ""):
                    begun += line
                    if begun.endswith("\n"):
                        self._note(cast(dict[str, Json], json.loads(begun)))
                        begun = ""
                if is_last:
                    return
                self._ended.wait(0.05)

    def _note(self, event: dict[str, Json]) -> None:
        """Keep what an event says about a resource, or to the user."""
        if planned := record(record(event, "resourcePreEvent"), "metadata"):
            self._keep(planned, failed=False)
        done = record(record(event, "resOutputsEvent"), "metadata")
        # What a refresh has found is known only when it is done.
        if done and self.steps.pop((text(done, "urn"), "refresh"), None):
            self._keep(done, failed=False)
        if failed := record(record(event, "resOpFailedEvent"), "metadata"):
            self._keep(failed, failed=True)
        diagnostic = record(event, "diagnosticEvent")
        if text(diagnostic, "severity") in ("error", "warning"):
            self.diagnostics.append(plain_text(text(diagnostic, "message")))
            if text(diagnostic, "severity") == "error":
                self.errors.append(self.diagnostics[-1])
        if self._observer:
            self._observer(event)

    def _keep(self, metadata: Mapping[str, Json], *, failed: bool) -> None:
        urn, operation = text(metadata, "urn"), text(metadata, "op")
        changed = tuple(record(metadata, "detailedDiff")) or tuple(texts(metadata, "diffs"))
        self.steps[urn, operation] = Step(
            urn=urn, type=text(metadata, "type"), operation=operation, changed=changed, failed=failed
        )


def plain_text(message: str) -> str:
    """The message without the engine's colour marks, such as `<{%reset%}>`."""
    while "<{%" in message:
        before, _, rest = message.partition("<{%")
        message = before + rest.partition("%}>")[2]
    return message.strip()
