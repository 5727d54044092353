"""Colours on a terminal that wants them."""

import os
from typing import IO


class Paint:
    """Colours a text where the stream is a terminal and `NO_COLOR` isn't set."""

    def __init__(self, stream: IO[str]) -> None:
        self._on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, text: str, code: str) -> str:
        """`text` in the colour of an ANSI code."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._on else text
