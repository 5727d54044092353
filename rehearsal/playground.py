"""Everything on this machine: emulated AWS, a real control plane with nodes, and the engine."""

import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from common.json_values import Json, record, text
from engine.driver import Engine, Result
from engine.events import NOTHING

DOING = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
}


@dataclass
class _Resource:
    name: str
    type: str
    operation: str
    begun: float = field(default_factory=time.monotonic)
    ended: float | None = None
    failed: bool = False

    @property
    def seconds(self) -> float:
        return (self.ended or time.monotonic()) - self.begun


class View:
    """Live progress of the engine, resource by resource.

    On a terminal, a table that is redrawn; elsewhere, a line as each resource is done.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._resources: dict[tuple[str, str], _Resource] = {}
        self._unchanged = 0
        self._lock = threading.Lock()

    def see(self, event: Mapping[str, Json]) -> None:
        """Process an event from the engine's log."""
        begun = record(record(event, "resourcePreEvent"), "metadata")
        done = record(record(event, "resOutputsEvent"), "metadata")
        failed = record(record(event, "resOpFailedEvent"), "metadata")
        with self._lock:
            if begun:
                self._begin(begun)
            if done or failed:
                self._end(done or failed, failed=bool(failed))

    def _begin(self, metadata: Mapping[str, Json]) -> None:
        operation, urn = text(metadata, "op"), text(metadata, "urn")
        if operation in NOTHING:
            self._unchanged += 1
        elif operation in DOING:
            name = urn.rpartition("::")[2]
            self._resources[urn, operation] = _Resource(name, text(metadata, "type"), operation)

    def _end(self, metadata: Mapping[str, Json], *, failed: bool) -> None:
        found = self._resources.get((text(metadata, "urn"), text(metadata, "op")))
        if found and found.ended is None:
            found.ended, found.failed = time.monotonic(), failed
            if not self._console.is_terminal:
                mark = "failed" if failed else "done"
                self._console.print(f"{found.operation:<18} {mark:<6} {found.seconds:6.1f}s  {_title(found)}")

    def __rich__(self) -> RenderableType:
        with self._lock:
            table = Table(box=None, show_header=False, pad_edge=False)
            for resource in self._resources.values():
                if not resource.type.startswith(("maestro:", "pulumi:")):
                    table.add_row(_mark(resource), _title(resource), f"{resource.seconds:6.1f}s")
            counts = Counter(
                "failed" if r.failed else "done" if r.ended else "under way" for r in self._resources.values()
            )
        known = [f"{count} {what}" for what, count in counts.items()]
        known += [f"{self._unchanged} unchanged"] if self._unchanged else []
        return Group(table, Text(", ".join(known) or "planning", style="dim"))


def _title(resource: _Resource) -> str:
    return f"{resource.type.rpartition(':')[2]} {resource.name}"


def _mark(resource: _Resource) -> Text:
    if resource.failed:
        return Text("✗ failed", style="red")
    if resource.ended:
        return Text("✓", style="green")
    return Text(f"… {DOING[resource.operation]}", style="yellow")


@contextmanager
def _showing(view: View, console: Console) -> Generator[None]:
    if not console.is_terminal:
        yield
        return
    with Live(view, console=console, refresh_per_second=8):
        yield


def build(engine: Engine, console: Console) -> Result:
    """Run `up`, showing its progress."""
    view = View(console)
    with _showing(view, console):
        return engine.up(observer=view.see)
