"""The commands of a README, and a shell that runs them as a person would."""

import os
import re
import selectors
import subprocess
import textwrap
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Self

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_HERE_DOCUMENT = re.compile(r"<< *'?(\w+)'?$")
_TIMEOUT = 60.0  # seconds for one command


def blocks(markdown: str, language: str) -> list[str]:
    """The code blocks in a language, in order."""
    return [textwrap.dedent(block) for name, block in _BLOCK.findall(markdown) if name == language]


def commands(block: str) -> list[str]:
    """The commands of a block for the shell, verbatim, each with the lines that belong to it."""
    return list(_commands(block.splitlines()))


def _commands(lines: list[str]) -> Iterator[str]:
    command: list[str] = []
    end = ""
    for line in lines:
        begins = not line.startswith(" ") and not end and not (command and command[-1].endswith("\\"))
        if begins:
            if command:
                yield "\n".join(command)
            command = []
        if begins and (not line or line.startswith("#")):
            continue
        command.append(line)
        if line == end:
            end = ""
        elif found := _HERE_DOCUMENT.search(line):
            end = found.group(1)
    if command:
        yield "\n".join(command)


class Shell:
    """One bash for all commands, so that variables persist. Ends with the `with` block."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = dict(environment)

    def __enter__(self) -> Self:
        self._bash = subprocess.Popen(
            ["/usr/bin/env", "bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._bash.stdin, self._bash.stdout):
            assert stream is not None
            stream.close()
        self._bash.terminate()
        self._bash.wait()

    def run(self, command: str) -> tuple[int, str]:
        """A command's exit status and all its output. Raises TimeoutError after a minute."""
        mark = uuid.uuid4().hex
        # In braces it changes this shell itself, but can't read what comes after it.
        script = f"{{\n{command}\n}} </dev/null\nprintf '%s %d\\n' {mark} $?\n"
        assert self._bash.stdin is not None
        self._bash.stdin.write(script.encode())
        self._bash.stdin.flush()
        said = self._said_until(re.compile(rf"{mark} (\d+)\n\Z"), command)
        output, _, status = said.rpartition(mark)
        return int(status), output

    def _said_until(self, end: re.Pattern[str], command: str) -> str:
        assert self._bash.stdout is not None
        output: IO[bytes] = self._bash.stdout
        deadline, said = time.monotonic() + _TIMEOUT, b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not end.search(text := said.decode("utf-8", "replace")):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"{command}\n{text}")
                chunk = os.read(output.fileno(), 65536)
                if not chunk:
                    raise EOFError(f"the shell ended: {command}\n{text}")
                said += chunk
        return said.decode("utf-8", "replace")
