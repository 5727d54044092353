"""What the owner of a checkout configures is sound; the tests demand nothing else of it."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.project import UsageError, load_stack
from engine.settings import settings_of
from fleet.errors import FleetFileError
from fleet.file import load
from fleet.stacks import check
from maestro_stack.errors import ConfigurationError
from tests.checkouts import ROOT

STACKS = sorted(file.name.split(".", 1)[1].removesuffix(".yaml") for file in ROOT.glob("Pulumi.*.yaml"))


def demand(sound: Callable[[], object]) -> None:
    """A file's problem is its owner's to mend: reported without a traceback."""
    try:
        sound()
    except (UsageError, ConfigurationError, FleetFileError) as unsound:
        said = str(unsound)
    else:
        return
    pytest.fail(said, pytrace=False)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_s_file_is_sound(stack: str) -> None:
    def sound() -> None:
        settings_of(load_stack(ROOT, name=stack))

    demand(sound)


@pytest.mark.skipif(not (ROOT / "fleet.yaml").exists(), reason="there is no fleet.yaml")
def test_the_fleet_file_is_sound_and_its_stacks_do_not_collide() -> None:
    demand(lambda: check(load(ROOT / "fleet.yaml"), ROOT))


@pytest.mark.parametrize("file", ["Pulumi.dev.yaml", "fleet.yaml"])
def test_a_pull_of_the_project_does_not_collide_with_what_its_adopter_configured(
    tmp_path: Path, file: str
) -> None:
    project, adopted = tmp_path / "project", tmp_path / "adopted"

    def git(root: Path, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(root: Path, content: str) -> None:
        (root / file).write_text(content)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", content)

    project.mkdir()
    git(project, "init", "--quiet", "--initial-branch", "main")
    shutil.copy(ROOT / ".gitattributes", project)
    commit(project, "as shipped")
    git(tmp_path, "clone", "--quiet", str(project), str(adopted))
    git(adopted, "config", "merge.ours.driver", "true")  # as README.md says
    commit(adopted, "the adopter's")
    commit(project, "shipped anew")
    git(adopted, "pull", "--quiet", "--no-rebase", "--no-edit")
    assert (adopted / file).read_text() == "the adopter's"
