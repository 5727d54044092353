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
from functools import cache
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from review.rehearsals import Interpreter
from review.requirements import pins
from review.revisions import DEPENDENCIES, Revision
from tools.cache import user_cache


def interpreter_for(revision: Revision) -> Interpreter:
    """An interpreter that has what the revision pins; slow if pip has to make one."""
    if all(map(_is_here, _pins(revision))):
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


def _pins(revision: Revision) -> list[str]:
    """What the revision pins. Its other lines are reported, and not obeyed: an option may run its code."""
    return [*dict.fromkeys(pin for file in DEPENDENCIES for pin in pins(revision.text(file) or ""))]


def _is_here(pin: str) -> bool:
    try:
        requirement = Requirement(re.sub(r" --hash=\S+", "", pin))
        if requirement.marker is not None and not requirement.marker.evaluate():
            return True
    except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
        return False  # pip says what is wrong with it
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
        wanted = Path(folder) / "requirements.txt"
        wanted.write_text("\n".join(_pins(revision)), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "--python", str(_python(made)), "install", "--quiet"]
        options = (
            "--disable-pip-version-check",
            "--only-binary=:all:",
        )  # building would run a package's code
        done = subprocess.run(  # noqa: S603
            [*pip, *options, "-r", str(wanted)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done.stderr.strip().rpartition("\n")[2] or f"pip ended with status {done.returncode}"
        if not place.exists():  # another review may have made it meanwhile
            made.rename(place)
    return ""
