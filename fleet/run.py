"""One command's work on the regions: what is being done to each, and with what outcome."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from common.json_values import Json, record, text
from engine.events import NOTHING

_PARTS = ("maestro:", "pulumi:")
"""Types that only group others."""
_DOING = {"create": "creating", "update": "updating", "delete": "deleting", "refresh": "reading"}


class Outcome(Enum):
    """The outcome of a command for a region."""

    DONE = "done"
    UNCHANGED = "unchanged"
    WOULD_CHANGE = "would change"
    DRIFTED = "drifted"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_REACHED = "not reached"
    DEPLOYED = "deployed"
    NOT_DEPLOYED = "not deployed"

    @property
    def is_good(self) -> bool:
        """Whether the command did what it is for, and found nothing wrong with the region."""
        return self in (Outcome.DONE, Outcome.UNCHANGED, Outcome.WOULD_CHANGE, Outcome.DEPLOYED)


WAITING, SOAKING = "waiting", "soaking"
_IDLE = {WAITING, SOAKING, *(outcome.value for outcome in Outcome)}


@dataclass
class Run:
    """A region in one command. Its thread writes, the view reads."""

    stack: str
    wave: str
    doing: str = WAITING
    since: float = field(default_factory=time.monotonic)
    detail: str = ""
    """The resources that are being worked on now, or a remark at the end."""
    outcome: Outcome | None = None
    seconds: float = 0.0
    """Spent on it until now, without waiting."""
    changes: Counter[str] = field(default_factory=Counter[str])
    messages: list[str] = field(default_factory=list[str])
    log: Path | None = None
    changed: Callable[["Run"], None] | None = None
    """Called at each beginning and end."""
    _under_way: dict[str, str] = field(default_factory=dict[str, str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, doing: str) -> None:
        """Start the next activity; the one before is over."""
        self._turn_to(doing)
        if self.changed:
            self.changed(self)

    def end(self, outcome: Outcome, *messages: str, detail: str = "") -> None:
        """Finish the region with an outcome."""
        self._turn_to(outcome.value)
        self.outcome, self.detail = outcome, detail
        self.messages += messages
        if self.changed:
            self.changed(self)

    def wait(self, why: str = WAITING) -> None:
        """Pause the region until its next turn."""
        self._turn_to(why)
        if self.changed and why != WAITING:
            self.changed(self)

    def see(self, event: Mapping[str, Json]) -> None:
        """Process an event from the engine's log."""
        begun = record(record(event, "resourcePreEvent"), "metadata")
        ended = record(record(event, "resOutputsEvent"), "metadata") or record(
            record(event, "resOpFailedEvent"), "metadata"
        )
        with self._lock:
            if begun and text(begun, "op") not in NOTHING and not text(begun, "type").startswith(_PARTS):
                operation = text(begun, "op").split("-")[0]
                name = text(begun, "type").rpartition(":")[2]
                self._under_way[text(begun, "urn")] = f"{_DOING.get(operation, operation)} {name}"
            if ended:
                self._under_way.pop(text(ended, "urn"), None)
            self.detail = ", ".join(self._under_way.values())

    def _turn_to(self, doing: str) -> None:
        if self.is_busy:
            self.seconds += time.monotonic() - self.since
        self._under_way.clear()
        self.doing, self.since, self.detail = doing, time.monotonic(), ""

    @property
    def is_busy(self) -> bool:
        """Whether it is being worked on at the moment."""
        return self.doing not in _IDLE


class Stop:
    """Counts the interrupts: after one nothing more begins; further ones are passed on to the engines."""

    def __init__(self) -> None:
        self.times = 0
        self.told: Callable[[], object] | None = None
        """Called on each interrupt, in the main thread."""
        self._asked = threading.Event()

    def __bool__(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """Note an interrupt."""
        self.times += 1
        self._asked.set()
        if self.told:
            self.told()

    def wait(self, seconds: float) -> bool:
        """Sleep, but not longer than until an interrupt; returns whether there was one."""
        return self._asked.wait(seconds)
