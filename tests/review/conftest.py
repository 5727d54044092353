"""Pull requests: copies of the project in repositories of their own, changed, and reviewed by the command."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.project import read_yaml, write_config
from review.__main__ import main
from tests.checkouts import checkout

MUTATION = "mutation"
"""Property of a test: what was mutated, and what came of it."""


@dataclass
class Outcome:
    """What one `python -m review` did."""

    status: int
    stdout: str
    stderr: str


class PullRequest:
    """A checkout whose commits are the base; what is changed after that is the pull request."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout

    def commit(self) -> None:
        """Makes what is there now the last commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")

    def branch(self, name: str) -> None:
        """Goes on on a branch of its own."""
        self.git("checkout", "--quiet", "-b", name)

    def replace(self, file: str, old: str, new: str) -> None:
        """Changes a text of a file."""
        path = self.root / file
        content = path.read_text()
        assert old in content, f"{file} no longer holds {old}"
        path.write_text(content.replace(old, new))

    def configure(self, **keys: object) -> None:
        """Changes the stack file's own keys."""
        path = self.root / "Pulumi.dev.yaml"
        content: Any = read_yaml(path)
        own = {f"maestro-stack:{key}": value for key, value in keys.items()}
        write_config(path, {**content["config"], **own})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known where this folder's tests are named on the command line, as `make review-cases` does."""
    parser.addoption("--write", action="store_true", help="write the comments of the catalogue anew")
    parser.addoption("--mutations", type=int, help="try so many mutations, and list them")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Lists the mutations where they were asked for."""
    if config.getoption("--mutations", default=None) is None:
        return
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    tried = [str(value) for each in reports for name, value in each.user_properties if name == MUTATION]
    for line in sorted(tried):
        terminalreporter.write_line(line)


@pytest.fixture
def write(request: pytest.FixtureRequest) -> bool:
    """Whether the comments of the catalogue are to be written."""
    return bool(request.config.getoption("--write", default=False))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in a repository of one commit."""
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


Reviewed = Callable[..., Outcome]


@pytest.fixture
def review(
    pull_request: PullRequest,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Reviewed:
    """Review the pull request against main, with more options."""

    def run(*options: str, base: str = "main") -> Outcome:
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        monkeypatch.chdir(pull_request.root)
        capsys.readouterr()
        status = main(["--base", base, *options])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run
