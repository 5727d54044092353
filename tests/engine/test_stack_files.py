"""Stack files are read as the engine reads them: `pulumi config --json` gives what the table says."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tools
from engine import go_yaml
from engine.driver import EngineError
from engine.project import UsageError, load_stack
from engine.settings import settings_of
from maestro_stack.errors import ConfigurationError
from tests.checkouts import ROOT
from tests.engine.conftest import NewRegion, Region
from tests.scalars import FORMS, REFUSED, SCALARS, file_of


class Pulumi:
    """The CLI on a stack whose file is written by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "Pulumi.yaml").write_text("name: maestro-stack\nruntime: python\n", encoding="utf-8")
        self._run("stack", "init", "dev").check_returncode()

    def config_of(self, file: Path) -> dict[str, str | None] | None:
        """What the engine reads in a file, secrets without their values; None if it refuses the file."""
        done = self._run("config", "--json", "--stack", "dev", "--config-file", str(file))
        return None if done.returncode else {k: v.get("value") for k, v in json.loads(done.stdout).items()}

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        pulumi = tools.find("pulumi")
        assert pulumi is not None
        environment = {
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "PULUMI_HOME": str(self._folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self._folder}",
            "PULUMI_CONFIG_PASSPHRASE": "x",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        command = [str(pulumi), *arguments, "--non-interactive"]
        return subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, check=False
        )

    def config(self, content: str) -> dict[str, str | None] | None:
        """What the engine reads in a stack file; None if it refuses the file."""
        (self._folder / "Pulumi.dev.yaml").write_text(content, encoding="utf-8")
        return self.config_of(self._folder / "Pulumi.dev.yaml")


@pytest.fixture
def pulumi(tmp_path: Path) -> Pulumi:
    return Pulumi(tmp_path)


def test_scalars_are_what_the_table_says(pulumi: Pulumi) -> None:
    found = pulumi.config(file_of(list(SCALARS)))
    assert found is not None
    told = {written: found[f"maestro-stack:k{number}"] for number, written in enumerate(SCALARS)}
    assert told == SCALARS


def test_keys_are_what_the_table_says_and_the_rest_is_refused(pulumi: Pulumi) -> None:
    for line, expected in FORMS.items():
        assert pulumi.config(f"config:\n  {line}\n") == expected
    for lines in REFUSED:
        assert pulumi.config(f"config:\n  {lines}\n") is None, lines


def test_the_engine_reads_what_we_write_as_it_was_meant(pulumi: Pulumi) -> None:
    texts = [*SCALARS, "🙂", "a\nb", "\\", "<&>"]
    config = {f"maestro-stack:k{number}": text for number, text in enumerate(texts)}
    assert pulumi.config(go_yaml.dump({"config": config})) == config


WE_ALONE_REFUSE = ("is empty", "is not a key of a stack's file", "config key ~ must be")
"""What we refuse and the engine accepts. Files with `environment:` are left out: this backend has none."""


def test_of_strange_files_the_program_gets_what_the_engine_makes_of_them(
    strange: list[bytes], pulumi: Pulumi, tmp_path: Path
) -> None:
    def asked(number: int) -> dict[str, str | None] | None:
        file = tmp_path / f"strange-{number}.yaml"
        file.write_bytes(strange[number])
        return pulumi.config_of(file)

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(asked, range(len(strange))))
    here = [number for number, content in enumerate(strange) if b"environment:" not in content]
    ours = {number: read(tmp_path, number) for number in here}
    for number, found in ours.items():
        if isinstance(found, dict):
            assert answers[number] == found, strange[number]
        else:
            assert answers[number] is None or any(each in found for each in WE_ALONE_REFUSE), found
    assert sum(isinstance(found, dict) for found in ours.values()) > len(strange) / 4


def read(folder: Path, number: int) -> dict[str, str | None] | str:
    """What we read, secrets without their values; or why we refuse it."""
    try:
        stack = load_stack(folder, file=folder / f"strange-{number}.yaml")
    except UsageError as unusable:
        return str(unusable)
    return {**stack.config, **dict.fromkeys(stack.secret_keys)}


def test_of_strange_files_a_preview_fails_where_a_rehearsal_says_so(
    strange: list[bytes], region: NewRegion, tmp_path: Path
) -> None:
    """One in ten: a preview takes seconds."""
    target = region()
    file, usable, unusable = tmp_path / "Pulumi.test.yaml", list[bytes](), list[bytes]()
    for content in strange:
        file.write_bytes(content)
        try:
            settings_of(load_stack(ROOT, file=file))
        except UsageError:
            continue  # `pulumi config` refuses it, too
        except ConfigurationError:
            unusable.append(content)
        else:
            usable.append(content)
    half = max(1, len(strange) // 20)
    assert min(len(usable), len(unusable)) >= half
    for content in [*usable[:half], *unusable[:half]]:
        problem = problem_of_preview(target, content)
        assert bool(problem) == (content in unusable), (content.decode(), problem)


def problem_of_preview(target: Region, content: bytes) -> str:
    """Why a preview with this stack file fails; empty if it succeeds."""
    (target.folder / "state/project/Pulumi.test.yaml").write_bytes(content)
    try:
        found = target.engine.preview()
    except EngineError as refused:  # the engine, before it starts the program
        return str(refused)
    return "" if found.succeeded else found.text
