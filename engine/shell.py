"""`pulumi` in a user's shell: the variables that make it work in a folder of ours, and checkouts for it."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

PASSPHRASE = "rehearsal"  # noqa: S105 encrypts only made-up values
_LEFT_OUT = (".git", ".venv", ".rehearsal", ".fleet", "tests", "__pycache__", ".*_cache")
_OWN = ("Pulumi.*.yaml", "fleet.yaml")


def variables(folder: Path, environment: Mapping[str, str], programs: Iterable[Path]) -> dict[str, str]:
    """What to set on top of a shell's environment; `folder` gets the backend and temporary files.

    `environment` says where the providers work; the folders of `programs` come before all others on the PATH.
    """
    backend, temporary = folder.resolve() / "shell-backend", folder.resolve() / "tmp"
    for each in (backend, temporary):
        each.mkdir(parents=True, exist_ok=True)
    return {
        # Absolute, since the engine doesn't run programs from a relative folder.
        "PATH": os.pathsep.join([*(str(each.resolve()) for each in programs), os.environ.get("PATH", "")]),
        # The Kubernetes provider leaves copies of the kubeconfig there.
        "TMPDIR": str(temporary),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        **environment,
    }


def copy_checkout(root: Path, to: Path, *left_out: str) -> None:
    """Copy what program and tools need of a checkout, without stacks and what matches these patterns."""
    shutil.copytree(root, to, ignore=shutil.ignore_patterns(*_LEFT_OUT, *left_out))
    for file in (file for pattern in _OWN for file in to.glob(pattern)):
        file.unlink()
