"""The executables that the engine starts for the emulated providers, and the variables that they read."""

import shlex
import sys
from pathlib import Path

from engine.programs import ROOT, write_program

URL = "MAESTRO_REHEARSAL_URL"
"""URL of the emulated AWS."""
ACCOUNT = "MAESTRO_REHEARSAL_ACCOUNT"
"""The account to act in; without it, the default account."""
PACKAGES = ("aws", "kubernetes", "random")


def write_plugins(folder: Path, root: Path | None = None) -> dict[str, Path]:
    """A `engine.programs.WritePlugins`: writes the plugins of all emulated packages."""
    return {package: _write(folder / package, package, root) for package in PACKAGES}


def _write(folder: Path, package: str, root: Path | None) -> Path:
    python, ours = shlex.quote(sys.executable), shlex.quote(str(ROOT))
    move = f"cd {shlex.quote(str(root))} || exit 1\n" if root else ""
    return write_program(
        folder / f"pulumi-resource-{package}",
        f'#!/bin/sh\n{move}export PYTHONPATH={ours}\nexec {python} -m emulator.plugin {package} "$@"\n',
    )
