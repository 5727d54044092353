"""Fresh stacks on the real engine, each with its own emulated account and folder for its state."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks import ROOT, STACK_FILE
from emulator.client import Emulation
from emulator.executables import ACCOUNT, write_plugins
from engine.driver import Engine
from engine.project import Stack, load_stack, write_config

OURS, FLAT = "__main__.py", "benchmarks/flat/__main__.py"
_REGION, _CLUSTER = "us-east-1", "regional-xyz"  # the stack file's


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack lives; passed to other processes as a file."""

    folder: Path
    pulumi: Path
    environment: Mapping[str, str]

    def write(self) -> Path:
        """Write the file that `read` reads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "place.json"
        content = {"pulumi": str(self.pulumi), "environment": dict(self.environment)}
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    @classmethod
    def read(cls, folder: Path) -> "Place":
        """Read what `write` wrote to a folder."""
        content = json.loads((folder / "place.json").read_text(encoding="utf-8"))
        return cls(
            folder=folder,
            pulumi=Path(content["pulumi"]),
            environment=cast("dict[str, str]", content["environment"]),
        )

    def engine(self, program: str, stack: Stack | None = None) -> Engine:
        """An engine for the stack dev, or another one, that runs `program`."""
        return Engine(
            stack or load_stack(ROOT, file=STACK_FILE),
            self.folder / "state",
            pulumi=self.pulumi,
            plugins=write_plugins,
            environment=self.environment,
            program=program,
        )


class Places:
    """Creates places for stacks, each with a new account that holds the default world."""

    def __init__(self, emulation: Emulation, folder: Path, pulumi: Path) -> None:
        self._emulation = emulation
        self._folder = folder
        self._pulumi = pulumi
        self._made = 0

    def new(self) -> Place:
        """A place where nothing is built yet."""
        # Not imported at the top: it imports pydantic, which must count towards a program's own time.
        from emulator.world import default_world

        self._made += 1
        account = str(300_000_000_000 + self._made)
        world = default_world(_CLUSTER, _REGION).model_copy(update={"account": account})
        self._emulation.build(account=account, region=_REGION, world=world)
        place = Place(
            folder=self._folder / account,
            pulumi=self._pulumi,
            environment={
                **self._emulation.environment(_REGION),
                ACCOUNT: account,
                "KUBECONFIG": "/dev/null",
            },
        )
        place.write()
        return place


def rotated(folder: Path) -> Stack:
    """The stack dev with a rotation of its certificate configured."""
    config = load_stack(ROOT, file=STACK_FILE).own_config
    file = folder / "Pulumi.dev.yaml"
    write_config(file, {**config, "maestro-stack:rotation": {"certificate": "2", "database": "1"}})
    return load_stack(ROOT, name="dev", file=file)
