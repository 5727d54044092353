"""A fleet in the emulation: a checkout with a fleet file, a world per region, and empty stacks."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import tools
from common.json_values import Json
from emulator.aws.cloud import DEFAULT_ACCOUNT
from emulator.client import Emulation
from emulator.executables import ACCOUNT, write_plugins
from engine import go_yaml
from engine.driver import EngineError
from engine.programs import write_language_host
from engine.project import load_stack, write_config
from engine.settings import settings_of
from engine.shell import copy_checkout, variables
from rehearsal.environment import seed_memory
from rehearsal.rehearse import world_of

ROOT = Path(__file__).parents[1]


class EmulatedFleet:
    """A place in which `python -m fleet` runs as it does for an operator."""

    def __init__(
        self,
        emulation: Emulation,
        folder: Path,
        content: Mapping[str, Json],
        *,
        account: str = DEFAULT_ACCOUNT,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """`content` is the fleet file's; each of its stacks is named for its AWS region.

        All are in `account`. `more` are environment variables to set.

        Raises:
            EngineError: there is no Pulumi CLI, or a stack can't be created.
        """
        pulumi = tools.find("pulumi")
        if pulumi is None:
            raise EngineError("no pulumi CLI was found: install Pulumi, or build it with `make tools`")
        self.emulation = emulation
        self.account = account
        self.checkout = folder / "checkout"
        copy_checkout(ROOT, self.checkout)
        path = folder / "path"
        programs = [pulumi.parent, *write_plugins(path).values(), write_language_host(path / "python")]
        ours = variables(folder, emulation.environment("us-east-1"), programs)
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AWS_", "PULUMI_", "KUBECONFIG")) and key != "PYTHONDONTWRITEBYTECODE"
        }
        self.environment = {
            **kept,
            **ours,
            "PULUMI_HOME": str(folder / "home"),
            "KUBECONFIG": os.devnull,
            ACCOUNT: account,
            **(more or {}),
        }
        self.file = self.checkout / "fleet.yaml"
        self.configure(content)
        waves = cast("list[dict[str, list[str]]]", content["waves"])
        self.stacks = [stack for wave in waves for stack in wave["stacks"]]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._make, self.stacks))

    def configure(self, content: Mapping[str, Json]) -> None:
        """Replace the fleet file."""
        self.file.write_text(go_yaml.dump(content), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """A `python -m fleet` command line, to be run in `checkout` with `environment`."""
        return [sys.executable, "-m", "fleet", *arguments]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command in a session of its own."""
        return subprocess.Popen(  # noqa: S603
            self.command(*arguments),
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return self._run(self.command(*arguments))

    def pulumi(self, *arguments: str) -> str:
        """What an ordinary `pulumi` command prints. Raises EngineError if it fails."""
        done = self._run(["pulumi", "--non-interactive", *arguments])
        if done.returncode:
            raise EngineError(done.stderr)
        return done.stdout

    def build_worlds(self) -> None:
        """Create in AWS what each region's stack file names at present."""
        for stack in self.stacks:
            settings = settings_of(load_stack(self.checkout, name=stack))
            world = world_of(settings).model_copy(update={"account": self.account})
            self.emulation.build(account=world.account, region=settings.region, world=world)
            seed_memory(self.emulation, settings, world)

    def _make(self, stack: str) -> None:
        config = {
            "aws:region": stack,
            "maestro-stack:clusterName": "regional-xyz",
            "maestro-stack:profile": "dev",
        }
        write_config(self.checkout / f"Pulumi.{stack}.yaml", config)
        self.pulumi("stack", "init", stack, "--no-select")

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603
            command,
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
