"""Shows a build's progress: one changing line on a terminal, a line now and then elsewhere."""

import os
import shutil
import time
from collections.abc import Callable
from typing import IO

EVERY = 30
"""Seconds between two lines about the same step if the output isn't a terminal."""


class Progress:
    """Shows what is happening. A step starts, reports how far it is, and ends with a line that stays."""

    def __init__(self, stream: IO[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._is_coloured = self._is_live and not os.environ.get("NO_COLOR")
        self._label = ""
        self._began = self._told = clock()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._write(f"{text}\n")

    def start(self, label: str, what: str) -> None:
        """Begin a step."""
        self._label = label
        self._began = self._told = self._clock()
        if self._is_live:
            self._show(what)
        else:
            self.say(f"{label}: {what}")

    def tick(self, how_far: str) -> None:
        """Report how far the step is; may be called as often as you like."""
        if self._is_live:
            self._show(how_far)
        elif self._clock() - self._told >= EVERY:
            self._told = self._clock()
            self.say(f"{self._label}: {how_far}, {self.elapsed}")

    def done(self, text: str) -> None:
        """End the step successfully."""
        mark = "\x1b[32m✓\x1b[0m " if self._is_coloured else "✓ " if self._is_live else ""
        self.say(f"{mark}{self._label}: {text}")

    def stop(self) -> None:
        """Leave nothing half-written on the terminal."""
        self._clear()

    @property
    def elapsed(self) -> str:
        """Time since the step began: 1:05."""
        return minutes(self._clock() - self._began)

    def _show(self, text: str) -> None:
        line = f"{self._label}: {text}  {self.elapsed}"
        self._clear()
        self._write(line[: shutil.get_terminal_size().columns - 1])

    def _clear(self) -> None:
        if self._is_live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def minutes(seconds: float) -> str:
    """65 as 1:05, 3665 as 1:01:05."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
