"""The executables that the engine starts for the emulated providers, and the variables that they heed."""

import shlex
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
URL = "MAESTRO_REHEARSAL_URL"
"""Of the emulated AWS."""
ACCOUNT = "MAESTRO_REHEARSAL_ACCOUNT"
"""The one to act in; without it, that of the credentials."""
LOG = "MAESTRO_REHEARSAL_LOG"
"""A file that gets a line a call."""
TIMEOUT_SCALE = "MAESTRO_REHEARSAL_TIMEOUT_SCALE"
"""Multiplies the time that a release may take on an API server; its least setting is a minute."""
PACKAGES = ("aws", "kubernetes", "random")


def write_plugins(folder: Path, *, root: Path | None = None) -> dict[str, Path]:
    """One folder a package below `folder`, each holding its `pulumi-resource-<package>`; returns the folders.

    The engine runs a plugin in its own working directory, where a relative chart path is looked for; `root`
    names another one.
    """
    return {package: _write(folder / package, package, root) for package in PACKAGES}


def _write(folder: Path, package: str, root: Path | None) -> Path:
    python, here = shlex.quote(sys.executable), shlex.quote(str(HERE))
    move = f"cd {shlex.quote(str(root))} || exit 1\n" if root else ""
    return _write_program(
        folder / f"pulumi-resource-{package}",
        # `aws eks get-token`, which kubeconfigs execute, is installed beside Python.
        f'#!/bin/sh\n{move}PATH="$PATH":{shlex.quote(str(Path(sys.executable).parent))}\n'
        f"export PATH PYTHONPATH={here}\n"
        # Helm's engine would keep what it finds out about the API server below the user's ~/.kube.
        f"export KUBECACHEDIR={shlex.quote(str(folder.absolute() / 'cache'))}\n"
        f'exec {python} -m rehearsal.plugin {package} "$@"\n',
    )


def write_language_host(folder: Path) -> Path:
    """Write `pulumi-language-python`, for a CLI that came without it; returns the folder."""
    return _write_program(
        folder / "pulumi-language-python",
        f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(HERE))}\n"
        f'exec {shlex.quote(sys.executable)} -m rehearsal.language_host "$@"\n',
    )


def _write_program(file: Path, script: str) -> Path:
    """An executable file, in a folder that is made if need be; returns the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, encoding="utf-8")
    file.chmod(0o755)
    return file.parent
