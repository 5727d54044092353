"""Programs that the engine finds on its PATH: executables of ours, each in a folder of its own."""

import shlex
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
"""Where Python finds our packages."""
LOG = "MAESTRO_REHEARSAL_LOG"
"""A file that gets a line for each call to a plugin."""
WritePlugins = Callable[[Path, Path | None], Mapping[str, Path]]
"""Writes one `pulumi-resource-<package>` per package below a folder; returns their folders by package.

The engine runs a plugin in its own working directory, which relative paths (a chart's) refer to; the second
path names another one.
"""


def write_program(file: Path, script: str) -> Path:
    """Write an executable file, in a folder that is created if needed; returns the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, encoding="utf-8")
    file.chmod(0o755)
    return file.parent


def leave_out_sdk() -> None:
    """Let the SDK's packages hold only the modules that are imported from them by name.

    Importing the whole SDK takes as long as everything else that a plugin does before it answers, and the
    engine starts one for each provider in each operation.
    """
    for name in ("pulumi", "pulumi.runtime"):
        spec = find_spec(name)
        assert spec is not None  # noqa: S101 it is installed: the engine's program needs it, too
        package = ModuleType(name)
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[name] = package


def write_language_host(folder: Path) -> Path:
    """Write `pulumi-language-python`, for a CLI that came without it; returns the folder."""
    return write_program(
        folder / "pulumi-language-python",
        f"#!/bin/sh\nexport PYTHONPATH={shlex.quote(str(ROOT))}\n"
        f'exec {shlex.quote(sys.executable)} -m engine.language_host "$@"\n',
    )
