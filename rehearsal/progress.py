"""One line on the terminal that says what happens now; nothing elsewhere."""

import sys
from collections.abc import Callable

INTERRUPTED = 130
"""Exit status of what Ctrl-C ended, as a shell has it."""


class Progress:
    """Call it with what begins now; `clear` takes the line away before something else is printed."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()

    def __call__(self, text: str) -> None:
        """Show what begins now."""
        if self._on:
            print(f"\r\x1b[K{text} …", end="", file=sys.stderr, flush=True)  # noqa: T201

    def clear(self) -> None:
        """Take the line away."""
        if self._on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # noqa: T201


def run(work: Callable[[Progress], int], interrupted: str) -> int:
    """The exit status of `work`, which is given the line; of an interrupt, of which `interrupted` is said."""
    progress = Progress()
    try:
        return work(progress)
    except KeyboardInterrupt:
        progress.clear()
        print(f"interrupted; {interrupted}", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
