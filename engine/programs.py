"""Programs that the engine finds on its path: executables of ours, each in a folder of its own."""

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Where Python finds our packages."""
WritePlugins = Callable[[Path, Path | None], Mapping[str, Path]]
"""Writes a `pulumi-resource-<package>` a package below a folder; returns each one's folder by package.

The engine runs a plugin in its own working directory, where a relative path (a chart's) is looked for; the
second path names another one.
"""


def write_program(file: Path, script: str) -> Path:
    """An executable file, in a folder that is made if need be; returns the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, encoding="utf-8")
    file.chmod(0o755)
    return file.parent


def write_language_host(folder: Path) -> Path:
    """Write `pulumi-language-python`, for a CLI that came without it; returns the folder."""
    return write_program(
        folder / "pulumi-language-python",
        f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(ROOT))}\n"
        f'exec {shlex.quote(sys.executable)} -m engine.language_host "$@"\n',
    )
