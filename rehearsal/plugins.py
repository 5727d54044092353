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
    folder.mkdir(parents=True, exist_ok=True)
    python, here = shlex.quote(sys.executable), shlex.quote(str(HERE))
    move = f"cd {shlex.quote(str(root))} || exit 1\n" if root else ""
    script = folder / f"pulumi-resource-{package}"
    script.write_text(
        # `aws eks get-token`, which kubeconfigs execute, is installed beside Python.
        f'#!/bin/sh\n{move}PATH="$PATH":{shlex.quote(str(Path(sys.executable).parent))}\n'
        f"export PATH PYTHONPATH={here}\n"
        # Helm's engine would keep what it finds out about the API server below the user's ~/.kube.
        f"export KUBECACHEDIR={shlex.quote(str(folder.absolute() / 'cache'))}\n"
        f'exec {python} -m rehearsal.plugin {package} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return folder


def write_language_host(folder: Path) -> Path:
    """Write `pulumi-language-python`, for a CLI that came without it; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "pulumi-language-python"
    script.write_text(
        f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(HERE))}\n"
        f'exec {shlex.quote(sys.executable)} -m rehearsal.language_host "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return folder
