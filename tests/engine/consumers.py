"""Stacks of other projects on the engine, in one backend, so that they can refer to each other."""

from collections.abc import Mapping
from pathlib import Path

import tools
from emulator.executables import write_plugins
from engine.driver import Engine
from engine.project import load_stack, write_config

EXPORTING = """
import pulumi

for name, value in pulumi.Config().require_object("outputs").items():
    pulumi.export(name, pulumi.Output.secret(value) if name == "password" else value)
"""
"""A program that exports what its configuration says."""


def beside(folder: Path, backend: Path) -> Path:
    """The folder, set up so that an engine finds another one's backend in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "backend").symlink_to(backend)
    return folder


class Small:
    """A stack of a project that is one short program, without any provider; it is called `test`."""

    def __init__(
        self,
        folder: Path,
        project: str,
        program: str,
        settings: Mapping[str, object],
        *,
        backend: Path | None = None,
    ) -> None:
        self._root, self._project = folder / "checkout", project
        self._root.mkdir(parents=True)
        (self._root / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
        (self._root / "__main__.py").write_text(program)
        self.backend = backend or folder / "backend"
        self.backend.mkdir(exist_ok=True)
        self.engine = self.beside("test", settings)

    def beside(self, name: str, settings: Mapping[str, object]) -> Engine:
        """Another stack of the project."""
        file = self._root / f"Pulumi.{name}.yaml"
        values = {f"{self._project}:{key}": value for key, value in settings.items()}
        write_config(file, values)
        pulumi = tools.find("pulumi")
        assert pulumi is not None
        state = beside(self._root.parent / f"state-{name}", self.backend)
        return Engine(
            load_stack(self._root, name=name), state, pulumi=pulumi, plugins=write_plugins, environment={}
        )
