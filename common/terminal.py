"""Text for an 80-column terminal: colours where they are supported, and a progress line."""

import argparse
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

WIDTH = 80
"""Columns."""
UNUSABLE, INTERRUPTED = 2, 130
"""Exit statuses: for what can't be started, and for what Ctrl-C ended, as in shells."""
ROOT = Path(__file__).parents[1]
_GET = {"doctor": "pulumi install && .venv/bin/python -m pip install -r requirements-doctor.txt"}


class Colours:
    """Colours text if the stream is a terminal and `NO_COLOR` isn't set."""

    def __init__(self, stream: IO[str]) -> None:
        self._on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, text: str, code: str) -> str:
        """`text` in the colour of an ANSI code."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text


def wrapped(start: str, text: str, *, indent: str) -> Iterator[str]:
    """`start`, which may be coloured, and the text after it, in lines that fit."""
    visible = re.sub(r"\x1b\[\d*m", "", start)
    lines = textwrap.wrap(
        visible + text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    yield (start + lines[0][len(visible) :]).rstrip()
    yield from lines[1:]


def command(text: str, *, indent: str) -> Iterator[str]:
    """A command on lines that a shell reads as one."""
    lines = textwrap.wrap(text, WIDTH - len(indent) - 2, break_long_words=False, break_on_hyphens=False)
    yield from (f"{indent}{line} \\" for line in lines[:-1])
    yield f"{indent}{lines[-1]}"


class Help(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs, except those with columns, which have two spaces in a row."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        filled = (
            super(Help, self)._fill_text(paragraph, width, indent)
            if "  " in paragraph
            else textwrap.fill(paragraph, width, initial_indent=indent, subsequent_indent=indent)
            for paragraph in text.split("\n\n")
        )
        return "\n\n".join(filled)


class Progress:
    """The progress line. Call it with what starts now; `clear` it before something else is printed."""

    def __init__(self) -> None:
        self._stream = sys.stderr  # the real one, even while a program's own is captured
        self._on = self._stream.isatty()

    def __call__(self, text: str) -> None:
        """Show what starts now."""
        if self._on:
            print(f"\r\x1b[K{text} …", end="", file=self._stream, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._on:
            print("\r\x1b[K", end="", file=self._stream, flush=True)


def run(tool: str, work: Callable[[Progress], int], interrupted: str) -> int:
    """The exit status of `work`, which gets the progress line; if interrupted, prints `interrupted`.

    If a library that `tool` imports isn't installed, one line says how to get it.
    """
    progress = Progress()
    try:
        return work(progress)
    except ModuleNotFoundError as lacking:
        library = (lacking.name or "").partition(".")[0]
        if not library or (ROOT / library).exists():
            raise
        progress.clear()
        get = _GET.get(tool, "make rehearse")
        message = f"error: {sys.executable} has no {library}; get it: {get}; then: .venv/bin/python -m {tool}"
        print(message, file=sys.stderr)  # noqa: T201
        return UNUSABLE
    except KeyboardInterrupt:
        progress.clear()
        print(f"interrupted; {interrupted}", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
