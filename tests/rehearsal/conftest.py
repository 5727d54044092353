"""Rehearsals of the real program in this process, and copies of the project to break."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from engine import go_yaml
from engine.project import write_config
from rehearsal.__main__ import main
from tests.checkouts import ROOT, checkout


@dataclass
class Outcome:
    """What one `python -m rehearsal` did."""

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        return json.loads(self.stdout)

    def check(self, name: str) -> dict[str, Any]:
        return next(check for check in self.report["checks"] if check["name"] == name)

    @property
    def failed(self) -> list[str]:
        return [check["name"] for check in self.report["checks"] if check["status"] == "fails"]

    @property
    def problems(self) -> dict[str, str]:
        return {p["key"]: p["problem"] for p in self.report["problems"]}


class Rehearse(Protocol):
    def __call__(
        self,
        config: Mapping[str, object] | None = None,
        *,
        world: Mapping[str, object] | None = None,
        root: Path = ROOT,
    ) -> Outcome: ...


@pytest.fixture
def rehearse(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rehearse:
    """Rehearse, with --json, a stack whose file holds `config` (a sound one by default)."""

    def run(
        config: Mapping[str, object] | None = None,
        *,
        world: Mapping[str, object] | None = None,
        root: Path = ROOT,
    ) -> Outcome:
        stack_file = tmp_path / "Pulumi.test.yaml"
        write_config(stack_file, sound() if config is None else config)
        arguments = ["--json", "--config", str(stack_file)]
        if world is not None:
            world_file = tmp_path / "world.yaml"
            world_file.write_text(go_yaml.dump(world))
            arguments += ["--world", str(world_file)]
        monkeypatch.chdir(root)
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


def sound(region: str = "us-east-1", /, **keys: object) -> dict[str, object]:
    """A sound stack's configuration; keys are the project's own."""
    own = {"clusterName": "regional-xyz", "profile": "dev", **keys}
    return {"aws:region": region, **{f"maestro-stack:{key}": value for key, value in own.items()}}


Break = Callable[[str, str, str], Path]


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Break]:
    """Copy the project, replace a text in one of its files, and run the program from there.

    The copy's modules take the place of the project's own during the test.
    """
    copy = tmp_path / "project"
    checkout(copy, "review", "docs")
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "maestro_stack"}

    def change(file: str, old: str, new: str) -> Path:
        path = copy / file
        text = path.read_text()
        assert old in text, f"{file} no longer holds what the test breaks: {old}"
        path.write_text(text.replace(old, new))
        for name in ours:
            sys.modules.pop(name)
        sys.path.insert(0, str(copy))
        return copy

    yield change
    if str(copy) in sys.path:
        sys.path.remove(str(copy))
        for name in [name for name in sys.modules if name.split(".")[0] == "maestro_stack"]:
            sys.modules.pop(name)
        sys.modules.update(ours)
