"""The two revisions that a review compares: the work tree as it is, and a commit, unpacked elsewhere."""

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from engine.project import FileError, read_yaml
from review.errors import UsageError

DEPLOYED = (
    "__main__.py",
    "Pulumi.yaml",
    "maestro_stack",
    "charts",
    "policies",
    "common",
    "engine",
    "checks",
    "emulator",
    "rehearsal",
    "requirements.txt",
    "requirements-dev.txt",
)
"""What decides what a stack builds, and how it is judged; besides stack files and what they name."""
RUN_TIME = "requirements.txt"
DEPENDENCIES = (RUN_TIME, "requirements-dev.txt")
"""Files of requirements; the last includes those before it."""
_LEFT_OUT = ("__pycache__", ".git", ".venv")


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A tree of the project."""

    name: str
    """As a person knows it."""
    root: Path
    """Folder of its Pulumi.yaml."""

    def stacks(self) -> dict[str, Path]:
        """The stack files by stack."""
        files = sorted(self.root.glob("Pulumi.*.yaml"))
        return {file.name.removeprefix("Pulumi.").removesuffix(".yaml"): file for file in files}

    @cached_property
    def deployed(self) -> str:
        """Digest of all that decides what any stack builds."""
        return self.digest(*DEPLOYED)

    def stack_digest(self, stack: str) -> str:
        """Digest of all that decides what one stack builds; of one that isn't there, of nothing."""
        file = self.stacks().get(stack)
        if file is None:
            return ""
        named = (each for each in _texts(_parsed(file)) if _is_file(self.root / each))
        return f"{self.deployed}-{self.digest(file.name, *sorted({*named}))}"

    def digest(self, *paths: str) -> str:
        """Of what is at these paths: names and contents."""
        total = hashlib.sha256()
        for path in paths:
            for file in self._files(self.root / path):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                total.update(f"{file.relative_to(self.root)} {content}\n".encode())
        return total.hexdigest()

    @staticmethod
    def _files(path: Path) -> Iterator[Path]:
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from (
                file
                for file in sorted(path.rglob("*"))
                if file.is_file() and not any(part in _LEFT_OUT for part in file.parts)
            )


@dataclass(frozen=True, kw_only=True)
class Repository:
    """The checkout that holds the project."""

    root: Path
    """Folder of Pulumi.yaml."""

    def commit(self, revision: str) -> str:
        """The commit that a review compares with: where `revision` and the work tree parted.

        Raises:
            UsageError: there is no such revision here, or no repository.
        """
        found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found.returncode:
            raise UsageError(self._unknown(revision))
        commit = found.stdout.decode().strip()
        parted = self._git("merge-base", commit, "HEAD")
        return parted.stdout.decode().strip() if parted.returncode == 0 else commit

    def _unknown(self, revision: str) -> str:
        if self._git("rev-parse", "--git-dir").returncode:
            return f"{self.root} isn't in a git repository"
        shallow = self._git("rev-parse", "--is-shallow-repository").stdout.decode().strip() == "true"
        if shallow:
            return (
                f'there is no revision "{revision}" in this shallow clone; '
                f"fetch it: git fetch --unshallow origin, or a checkout step with fetch-depth: 0"
            )
        return f'there is no revision "{revision}"; for example: --base origin/main (after git fetch)'

    def is_dirty(self) -> bool:
        """Whether the work tree holds what no commit does."""
        return bool(self._git("status", "--porcelain").stdout.strip())

    def describe(self) -> str:
        """The work tree's commit, as a person knows it."""
        branch = self._git("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode().strip()
        commit = self._git("rev-parse", "--short", "HEAD").stdout.decode().strip()
        return f"{branch} ({commit})" if branch else commit

    def unpack(self, commit: str, folder: Path) -> Path:
        """The commit's project, in `folder`; nothing of the repository is touched. Raises UsageError."""
        prefix = self._git("rev-parse", "--show-prefix").stdout.decode().strip()
        place = folder / "project"
        index = {"GIT_INDEX_FILE": str(folder / "index")}  # not the repository's own
        for arguments in (
            ("read-tree", f"{commit}:{prefix}"),
            ("checkout-index", "--all", "--quiet", f"--prefix={place}/"),
        ):
            done = self._git(*arguments, environment=index)
            if done.returncode:
                raise UsageError(f"{commit} can't be read: {done.stderr.decode(errors='replace').strip()}")
        return place

    def _git(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603
                ["git", *arguments],  # noqa: S607
                cwd=self.root,
                env={**os.environ, **(environment or {})},
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise UsageError("git isn't installed, or not on PATH") from None


def _parsed(file: Path) -> object:
    try:
        return read_yaml(file)
    except FileError:
        return None  # the rehearsal says what is wrong with it


def _texts(value: object) -> Iterator[str]:
    """The texts in it: some name files, as `database.caBundleFile` does."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[object, object]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _texts(inner)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text that can't be a path
        return False
