"""Pull requests: copies of the project in repositories of their own, changed, and reviewed by the command."""

import contextlib
import io
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.project import read_yaml, write_config
from rehearsal.__main__ import main as rehearse
from review import rehearsals
from review.__main__ import main
from tests.checkouts import checkout

HOSTILE = "hostile"
MUTATION = "mutation"
"""Property of a test: what was mutated, and what came of it."""


@dataclass
class Outcome:
    """What one `python -m review` did."""

    status: int
    stdout: str
    stderr: str


class PullRequest:
    """A checkout whose commits are the base; what changes after that is the pull request."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def commit(self) -> None:
        """Commit everything in the work tree."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")

    def branch(self, name: str) -> None:
        """Continue on a branch of its own."""
        self.git("checkout", "--quiet", "-b", name)

    def fix(self, name: str, edits: Iterable[dict[str, str]]) -> None:
        """Make a branch of main with these edits, and come back."""
        self.git("checkout", "--quiet", "-b", name, "main")
        for edit in edits:
            self.replace(edit["file"], edit["old"], edit["new"])
        self.commit()
        self.git("checkout", "--quiet", "change")

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace a text in a file."""
        path = self.root / file
        content = path.read_text()
        assert old in content, f"{file} no longer holds {old}"
        path.write_text(content.replace(old, new))

    def configure(self, **keys: object) -> None:
        """Change the project's own keys in the stack file."""
        path = self.root / "Pulumi.dev.yaml"
        content: Any = read_yaml(path)
        own = {f"maestro-stack:{key}": value for key, value in keys.items()}
        write_config(path, {**content["config"], **own})


def pytest_addoption(parser: pytest.Parser) -> None:
    """These exist only if the command line names this folder's tests, as in `make review-cases`."""
    parser.addoption("--write", action="store_true", help="write the comments of the catalogue anew")
    parser.addoption("--mutations", type=int, help="try so many mutations, and list them")
    parser.addoption("--hostile", type=int, help="try so many hostile changes, and list them")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the mutations and the hostile changes if they were asked for."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [property_ for each in reports for property_ in each.user_properties]
    if config.getoption("--mutations", default=None) is not None:
        for line in sorted(str(value) for name, value in told if name == MUTATION):
            terminalreporter.write_line(line)
    if config.getoption("--hostile", default=None) is not None:
        tried = sorted(str(value) for name, value in told if name == HOSTILE)
        wrong = [line for line in tried if not line.startswith("+0")]
        less, more = (sum(line.startswith(sign) for line in wrong) for sign in "-+")
        for line in wrong:
            terminalreporter.write_line(line)
        shares = (
            f"called less than they are: {less / len(tried):.1%}; more: {more / len(tried):.1%}"
            if tried
            else ""
        )
        terminalreporter.write_line(f"{len(tried)} hostile changes; {shares}")


@pytest.fixture
def write(request: pytest.FixtureRequest) -> bool:
    """Whether to write the catalogue's comments."""
    return bool(request.config.getoption("--write", default=False))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in a repository with one commit."""
    root = tmp_path_factory.mktemp("template") / "project"
    checkout(root, "docs", "benchmarks")
    (root / "docs").mkdir()
    (root / "docs/README.md").write_text("# Docs\n")
    request = PullRequest(root)
    request.git("init", "--quiet", "--initial-branch", "main")
    request.commit()
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base is rehearsed once for all tests, whichever of xdist's workers runs them."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "review-cache"


@pytest.fixture
def pull_request(template: Path, tmp_path: Path) -> PullRequest:
    """A checkout of the project on a branch that changes nothing yet."""
    root = tmp_path / "project"
    shutil.copytree(template, root)
    return PullRequest(root)


_ONE_AT_A_TIME = threading.Lock()
"""There is one current folder, and one emulated AWS in it."""


def answers_in_process(task: rehearsals.Task, folder: Path) -> tuple[dict[str, rehearsals.Rehearsed], str]:
    """As `rehearsals.answers_of`, without a process: for changes that leave the code alone."""
    del folder
    files = task.revision.stacks()
    found: dict[str, rehearsals.Rehearsed] = {}
    for stack in task.stacks:
        output, errors = io.StringIO(), io.StringIO()
        with (
            _ONE_AT_A_TIME,
            contextlib.chdir(task.revision.root),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            rehearse(["--json", "--stack", stack, "--config", str(files[stack])])
        found[stack] = rehearsals.read_answer({"output": output.getvalue(), "errors": errors.getvalue()})
    return found, ""


Reviewed = Callable[..., Outcome]


@pytest.fixture
def review(
    pull_request: PullRequest,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Reviewed:
    """Review the pull request against main, with more options."""

    def run(*options: str, base: str = "main", how: str = "--base") -> Outcome:
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        monkeypatch.chdir(pull_request.root)
        capsys.readouterr()
        status = main([how, base, *options])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run
