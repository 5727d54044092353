"""The executables that the engine starts for the emulated providers, and the variables that they heed."""

import shlex
import sys
from pathlib import Path

from engine.programs import ROOT, write_program

URL = "MAESTRO_REHEARSAL_URL"
"""Of the emulated AWS."""
ACCOUNT = "MAESTRO_REHEARSAL_ACCOUNT"
"""The one to act in; without it, that of the credentials."""
LOG = "MAESTRO_REHEARSAL_LOG"
"""A file that gets a line a call."""
TIMEOUT_SCALE = "MAESTRO_REHEARSAL_TIMEOUT_SCALE"
"""Multiplies the time that a release may take on an API server; its least setting is a minute."""
PACKAGES = ("aws", "kubernetes", "random")


def write_plugins(folder: Path, root: Path | None = None) -> dict[str, Path]:
    """As `engine.programs.WritePlugins` has it: the plugins of every package that is emulated."""
    return {package: _write(folder / package, package, root) for package in PACKAGES}


def _write(folder: Path, package: str, root: Path | None) -> Path:
    python, ours = shlex.quote(sys.executable), shlex.quote(str(ROOT))
    move = f"cd {shlex.quote(str(root))} || exit 1\n" if root else ""
    return write_program(
        folder / f"pulumi-resource-{package}",
        # `aws eks get-token`, which kubeconfigs execute, is installed beside Python.
        f'#!/bin/sh\n{move}PATH="$PATH":{shlex.quote(str(Path(sys.executable).parent))}\n'
        f"export PATH PYTHONPATH={ours}\n"
        # Helm's engine would keep what it finds out about the API server below the user's ~/.kube.
        f"export KUBECACHEDIR={shlex.quote(str(folder.absolute() / 'cache'))}\n"
        f'exec {python} -m emulator.plugin {package} "$@"\n',
    )
