"""The two revisions that a review compares: the work tree as it is, and a commit, unpacked elsewhere."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from engine.project import FileError, read_yaml
from review.errors import UsageError

UNREAD = re.compile(
    r"(docs|tests|examples|benchmarks)/(?!CODEOWNERS$).*|[A-Z]+\.md|LICENSE|\.editorconfig"
    r"|\.github/ISSUE_TEMPLATE/.*|\.github/[a-z_]+\.md"
)
"""Files that nothing reads that is deployed, deploys or judges. All others count."""
JUDGES = ("checks", "common", "emulator", "engine", "policies", "rehearsal", "review")
"""Packages that judge a pull request."""
_APART = {*JUDGES, "controlplane", "doctor", "fleet", "tools", ".github", ".ci", "Makefile", "fleet.yaml",
          "renovate.json", ".gitignore"}  # fmt: skip
"""What can't be part of the program: packages imported from the judges' folder, and other programs' files."""
DEPENDENCIES = ("requirements.txt", "requirements-rehearsal.txt")
"""The locks of what a rehearsal is run with."""
LINK = "link "
"""Begins the text that stands for a symbolic link's content."""
_STACK_FILE = re.compile(r"Pulumi\.([A-Za-z0-9_.-]{1,100})\.yaml")
LIKE_A_STACK_FILE = re.compile(r"(Pulumi\.[^/]+\.(?:ya?ml|json))(/.*)?", re.DOTALL)
"""What the engine may take for a stack's file, or what is below it."""


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A tree of the project."""

    name: str
    """Its readable name."""
    root: Path
    """Folder of its Pulumi.yaml."""
    files: Mapping[str, str]
    """By path, a digest of the file's content, or a link's target."""

    def stacks(self) -> dict[str, Path]:
        """The stack files, by stack."""
        named = ((_STACK_FILE.fullmatch(path), path) for path in sorted(self.files))
        return {
            found[1]: self.root / path
            for found, path in named
            if found and not (self.root / path).is_symlink()
        }

    def like_stack_files(self) -> dict[str, str]:
        """What is named like a stack file without being one: by path, what it is."""
        own = {file.name for file in self.stacks().values()}
        found: dict[str, str] = {}
        for path in sorted(self.files):
            match = LIKE_A_STACK_FILE.fullmatch(path)
            if match and match[1] not in own:
                is_link = (self.root / match[1]).is_symlink()
                found[match[1]] = "a folder" if match[2] else "a link" if is_link else "no stack's name"
        return found

    @cached_property
    def deployed(self) -> str:
        """Digest of all that may affect what any stack builds: all files that count, except stack files."""
        return self.digest(*(path for path in self.files if counts(path) and not _STACK_FILE.fullmatch(path)))

    @cached_property
    def program(self) -> str:
        """Digest of all that the program may use, without judges, since the base's are imported instead."""
        files = (path for path in self.files if counts(path) and not _STACK_FILE.fullmatch(path))
        return self.digest(*(path for path in files if path.partition("/")[0] not in _APART))

    def stack_digest(self, stack: str) -> str:
        """Digest of all that decides what one stack builds; empty if there is no such stack."""
        file = self.stacks().get(stack)
        if file is None:
            return ""
        named = sorted({each for text in _texts(_parsed(file)) if (each := self._named(text))})
        return "-".join((self.program, self.digest(file.name), *named))

    def _named(self, text: str) -> str:
        """Digest of the project's file that a text leads to, by whatever path or link; empty if to none."""
        try:
            file = (self.root / text).resolve()
            is_here = file.is_relative_to(self.root.resolve()) and file.is_file()
            return _digest(file) if is_here else ""
        except (OSError, ValueError, RuntimeError):  # no path, or a circle of links
            return ""

    def digest(self, *paths: str) -> str:
        """Digest of the names and contents of the files at these paths."""
        total = hashlib.sha256()
        for path in sorted({*paths} & self.files.keys()):
            total.update(f"{path}\0{self.files[path]}\n".encode(errors="surrogateescape"))
        return total.hexdigest()

    def content(self, path: str) -> bytes | None:
        """A file's content; None if it doesn't exist or is a link."""
        file = self.root / path
        if path not in self.files or file.is_symlink():
            return None
        try:
            return file.read_bytes()
        except OSError:
            return None

    def text(self, path: str) -> str | None:
        """A file's text; None if it doesn't exist or isn't UTF-8."""
        try:
            content = self.content(path)
            return None if content is None else content.decode().replace("\r\n", "\n")
        except UnicodeDecodeError:
            return None


def counts(path: str) -> bool:
    """Whether a file may affect what is deployed, or what judges it."""
    return UNREAD.fullmatch(path) is None


def changed_files(before: Revision, after: Revision) -> list[str]:
    """The paths at which two revisions differ."""
    paths = sorted({*before.files, *after.files})
    return [path for path in paths if before.files.get(path) != after.files.get(path)]


def _digest(file: Path) -> str:
    if file.is_symlink():
        return f"{LINK}{file.readlink()}"
    if not file.is_file():  # another repository's checkout, or something that isn't a regular file
        return "no file"
    executable = "x" if os.access(file, os.X_OK) else ""
    return hashlib.sha256(file.read_bytes()).hexdigest() + executable


@dataclass(frozen=True, kw_only=True)
class Repository:
    """The checkout that holds the project."""

    root: Path
    """Folder of Pulumi.yaml."""

    def commit(self, revision: str, *, is_exact: bool) -> str:
        """The commit that a review compares with: `revision`'s own, or its merge base with the work tree.

        Raises:
            UsageError: there is no such revision here, or no repository.
        """
        found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found.returncode:
            raise UsageError(self._unknown(revision))
        commit = found.stdout.decode().strip()
        if is_exact:
            return commit
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
        """Whether the work tree has uncommitted changes."""
        return bool(self._git("status", "--porcelain").stdout.strip())

    def describe(self) -> str:
        """The work tree's commit, with its branch if there is one."""
        branch = self._git("symbolic-ref", "--quiet", "--short", "HEAD").stdout.decode().strip()
        commit = self._git("rev-parse", "--short", "HEAD").stdout.decode().strip()
        return f"{branch} ({commit})" if branch else commit

    def work_tree(self, name: str) -> Revision:
        """The project in the work tree: what git tracks, and what it neither tracks nor ignores."""
        listed = self._git("ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
        paths = {os.fsdecode(path) for path in listed.split(b"\0") if path}
        there = (path for path in paths if os.path.lexists(self.root / path))
        files = {path: _digest(self.root / path) for path in there}
        return Revision(name=name, root=self.root, files=files)

    def unpack(self, name: str, commit: str, folder: Path) -> Revision:
        """Write the commit's project to `folder`, without touching the repository. Raises UsageError.

        Files are written exactly as committed: the work tree's attributes, which a pull request may change,
        don't apply.
        """
        prefix = self._git("rev-parse", "--show-prefix").stdout.decode().strip()
        listed = self._git("ls-tree", "-r", "-z", f"{commit}:{prefix}")
        if listed.returncode:
            raise UsageError(f"{commit} can't be read: {listed.stderr.decode(errors='replace').strip()}")
        entries = [entry.partition(b"\t") for entry in listed.stdout.split(b"\0") if entry]
        blobs = [(*about.split(b" "), path) for about, _, path in entries if about.split(b" ")[1] == b"blob"]
        contents = self._git(
            "cat-file", "--batch", input_=b"".join(object_ + b"\n" for _, _, object_, _ in blobs)
        )
        root, files, at = folder / "project", dict[str, str](), 0
        root.mkdir()
        for mode, _, _, path in blobs:
            end = contents.stdout.index(b"\n", at)
            size = int(contents.stdout[at:end].rpartition(b" ")[2])
            content = contents.stdout[end + 1 : end + 1 + size]
            at = end + 2 + size
            file = root / os.fsdecode(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            if mode == b"120000":
                file.symlink_to(os.fsdecode(content))
            else:
                file.write_bytes(content)
                file.chmod(int(mode[-3:], 8))
            files[os.fsdecode(path)] = _digest(file)
        return Revision(name=name, root=root, files=files)

    def _git(self, *arguments: str, input_: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(  # noqa: S603
                ["git", *arguments],  # noqa: S607
                cwd=self.root,
                input=input_,
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
    """The texts in a value; some name files, as `database.caBundleFile` does."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[object, object]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _texts(inner)
