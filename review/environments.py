"""Finds or makes an interpreter that has what a revision's requirements pin: this one, or one of its own.

Its own is a virtual environment on top of this one, so that only what differs is installed. It is kept in the
user's cache folder, by a digest of the requirements.
"""

import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from review.rehearsals import Interpreter
from review.requirements import lines
from review.revisions import DEPENDENCIES, Revision
from tools.cache import user_cache


def interpreter_for(revision: Revision) -> Interpreter:
    """An interpreter that has what the revision pins; slow if pip has to make one."""
    if all(map(_is_here, _requirements(revision))):
        return Interpreter(python=Path(sys.executable))
    cache = user_cache(os.environ)
    if cache is None:
        return Interpreter(python=Path(sys.executable), problem="there is no cache folder to install into")
    place = cache / "review" / "environments" / _name(revision)
    try:
        said = "" if _python(place).exists() else _install(revision, place)
    except OSError as refused:
        said = f"{place}: {refused.strerror}"
    return Interpreter(python=Path(sys.executable) if said else _python(place), problem=said)


def _files(revision: Revision) -> list[Path]:
    return [revision.root / file for file in DEPENDENCIES if (revision.root / file).is_file()]


def _requirements(revision: Revision) -> Iterator[Requirement]:
    """The requirements that name a package; pip checks the hashes when it installs."""
    for file in _files(revision):
        for line in lines(file.read_text(encoding="utf-8")):
            try:
                yield Requirement(re.sub(r" --hash=\S+", "", line))
            except InvalidRequirement:  # an option or a URL, which the review reports
                continue


def _is_here(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    version = _version(requirement.name)
    return version is not None and version in requirement.specifier


@cache
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _name(revision: Revision) -> str:
    """A digest of what the environment holds, and of the interpreter beneath it."""
    parts = (revision.digest(*DEPENDENCIES), sys.version, sys.prefix)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _install(revision: Revision, place: Path) -> str:
    """Make the environment at `place`; returns why that failed, in pip's words."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="new-") as folder:
        made = Path(folder) / "environment"
        venv.create(made, with_pip=False, symlinks=True)
        (site,) = made.glob("lib/python*/site-packages")
        (site / "checkout.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", str(_python(made)), "install", "--quiet"]
        options = (
            "--disable-pip-version-check",
            "--only-binary=:all:",
        )  # building would run a package's code
        done = subprocess.run(  # noqa: S603
            [*pip, *options, *(each for file in _files(revision) for each in ("-r", str(file)))],
            cwd=revision.root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done.stderr.strip().rpartition("\n")[2] or f"pip ended with status {done.returncode}"
        if not place.exists():  # another review may have made it meanwhile
            made.rename(place)
    return ""
