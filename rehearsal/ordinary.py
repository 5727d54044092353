"""An ordinary `pulumi` against the emulation: the variables that make it so, and checkouts to run it in."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from rehearsal.plugins import write_language_host, write_plugins

PASSPHRASE = "rehearsal"  # noqa: S105 encrypts what is made up anyway
_LEFT_OUT = (".git", ".venv", ".rehearsal", ".fleet", "tests", "__pycache__", ".*_cache")


def variables(
    folder: Path, environment: Mapping[str, str], *, before: Iterable[Path] = (), with_language_host: bool
) -> dict[str, str]:
    """What to set on top of a shell's environment; `folder` gets the plugins and the backend.

    `environment` says where the emulation is. The folders `before` come before all others on the PATH.
    `with_language_host` stands in for the part that a Pulumi CLI built from its sources lacks.
    """
    folders = [*before, *write_plugins(folder / "path").values()]
    if with_language_host:
        folders.append(write_language_host(folder / "path" / "python"))
    backend = folder / "ordinary"
    backend.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]),
        "PULUMI_BACKEND_URL": f"file://{backend.resolve()}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        **environment,
    }


def copy_checkout(root: Path, to: Path) -> None:
    """What a checkout holds that the program and its tools need."""
    shutil.copytree(root, to, ignore=shutil.ignore_patterns(*_LEFT_OUT))
