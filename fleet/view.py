"""Shows progress while a command works: a table on a terminal, elsewhere a line per change."""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fleet.run import Outcome, Run, Stop

if TYPE_CHECKING:
    from rich.console import RenderableType

STYLES = {
    Outcome.DONE: "green",
    Outcome.UNCHANGED: "dim",
    Outcome.WOULD_CHANGE: "yellow",
    Outcome.DRIFTED: "yellow",
    Outcome.FAILED: "red",
    Outcome.INTERRUPTED: "red",
    Outcome.NOT_REACHED: "yellow",
    Outcome.DEPLOYED: "green",
    Outcome.NOT_DEPLOYED: "yellow",
}


@contextmanager
def showing(runs: Sequence[Run], stop: Stop) -> Generator[None]:
    """Show the regions, and any interrupt, on standard error until exit."""
    if sys.stderr.isatty():
        # Imported here, so that a pipeline without a terminal needs only requirements.txt.
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)

        with Live(
            get_renderable=lambda: table(runs, stop, console.height), console=console, refresh_per_second=4
        ):
            yield
        return
    lock = threading.Lock()

    def tell(run: Run) -> None:
        with lock:
            print(_line(run), file=sys.stderr, flush=True)  # noqa: T201

    for run in runs:
        run.changed = tell

    def tell_of_interrupt() -> None:
        # In a signal handler, the interrupted code may hold sys.stderr, which isn't reentrant.
        os.write(sys.stderr.fileno(), f"{_now()} {_INTERRUPTED[stop.times > 1]}\n".encode())

    stop.told = tell_of_interrupt
    yield
    stop.told = None
    for run in runs:
        run.changed = None


def _line(run: Run) -> str:
    spent = (
        f" after {run.seconds:.0f} s"
        if run.outcome and run.doing == run.outcome.value and run.seconds
        else ""
    )
    first = f": {run.messages[0]}" if run.outcome and run.messages else ""
    return f"{_now()} {run.stack}: {run.doing}{spent}{first}"


def _now() -> str:
    return time.strftime("%H:%M:%S", time.gmtime())


_INTERRUPTED = {
    False: "interrupted: no further region begins, those under way finish; again cancels them",
    True: "cancelling, but waiting for what AWS is doing; again doesn't wait",
}


def table(runs: Sequence[Run], stop: Stop, height: int) -> "RenderableType":
    """The regions' current progress, in at most `height` lines."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    room = max(height - 4, 1)
    shown = runs
    if len(shown) > room:  # what is under way matters more than what isn't
        shown = [run for run in shown if run.is_busy or run.outcome is Outcome.FAILED]
    rows = Table(box=None, show_header=False, pad_edge=False)
    for run in shown[:room]:
        style = STYLES[run.outcome] if run.outcome else "" if run.is_busy else "dim"
        took = run.seconds if run.outcome else time.monotonic() - run.since
        rows.add_row(
            run.wave,
            run.stack,
            Text(run.doing, style=style),
            f"{took:.0f} s" if run.is_busy or run.outcome else "",
            Text(run.detail or "".join(run.messages[:1]), style="dim", no_wrap=True, overflow="ellipsis"),
        )
    counts = Counter(run.doing for run in runs)
    summary = ", ".join(f"{count} {doing}" for doing, count in counts.items())
    last = Text(_INTERRUPTED[stop.times > 1], style="yellow") if stop else Text()
    return Group(rows, Text(summary, style="dim"), last)
