"""Stack files are read as the engine reads them: `pulumi config --json` has the same table."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import tools
from engine import go_yaml
from tests.scalars import FORMS, REFUSED, SCALARS, file_of


class Pulumi:
    """The CLI over a stack whose file is written by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "Pulumi.yaml").write_text("name: maestro-stack\nruntime: python\n", encoding="utf-8")
        self._run("stack", "init", "dev").check_returncode()

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

    def config(self, content: str) -> dict[str, str] | None:
        """What the engine reads in a stack file, or None where it refuses to."""
        (self._folder / "Pulumi.dev.yaml").write_text(content, encoding="utf-8")
        done = self._run("config", "--json", "--stack", "dev")
        if done.returncode:
            return None
        return {key: found["value"] for key, found in json.loads(done.stdout).items()}


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


def test_what_we_write_the_engine_reads_as_it_was_meant(pulumi: Pulumi) -> None:
    texts = [*SCALARS, "🙂", "a\nb", "\\", "<&>"]
    config = {f"maestro-stack:k{number}": text for number, text in enumerate(texts)}
    assert pulumi.config(go_yaml.dump({"config": config})) == config
