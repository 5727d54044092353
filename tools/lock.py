"""python -m tools.lock: lock each set of requirements with uv, every package with its version and hashes."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.errors import Impossible
from tools.workflows import installed

ROOT = Path(__file__).parent.parent
CURRENT, STALE = 0, 1
EVERYTHING = "requirements-dev"
SETS = (
    EVERYTHING,
    "requirements",
    "requirements-rehearsal",
    "requirements-doctor",
    "policies/pack/requirements",
)
"""Paths of requirements (.in) and their lock (.txt); the others take their versions from the first."""
EPILOG = """\
Locked versions stay, unless a requirements*.in asks for another. To renew packages that
none of them names, delete requirements-dev.txt first.

exit status: 0 done, or current, or the index can't be asked whether it is; 1 not current;
2 it can't be done.
"""
_PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


class Unreachable(Impossible):
    """The package index doesn't answer."""


def pins(name: str) -> dict[str, str]:
    """The version of each package that a set installs, including dependencies."""
    return dict(_PIN.findall((ROOT / f"{name}.txt").read_text(encoding="utf-8")))


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Write or check the locks; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.lock",
        description="Lock each set of requirements: every package, with its version and its hashes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing; name what isn't current")
    is_check: bool = parser.parse_args(arguments).check
    try:
        if is_check:
            return _check(root)
        for name in SETS:
            _lock(name, root)
    except Impossible as unable:
        if is_check and isinstance(unable, Unreachable):
            _tell(f"locks: SKIPPED, only the package index can say whether they are current ({unable})")
            return CURRENT
        _tell(f"error: {unable}")
        return unable.status
    return CURRENT


def _check(root: Path) -> int:
    """Lock a copy, and compare, without waiting long for an index that doesn't answer."""
    files = [f"{name}{suffix}" for name in SETS for suffix in (".in", ".txt")]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for file in files:
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / file, copy / file)
        for name in SETS:
            _lock(name, copy, UV_HTTP_TIMEOUT="5", UV_HTTP_CONNECT_TIMEOUT="2", UV_HTTP_RETRIES="0")
        stale = [file for file in files if (copy / file).read_bytes() != (root / file).read_bytes()]
    if stale:
        _tell(f"not current: {', '.join(stale)}. Run: make lock")
    return STALE if stale else CURRENT


def _lock(name: str, root: Path, **environment: str) -> None:
    """Write one lock. Raises Unreachable, or Impossible in uv's words."""
    # Renovate runs the command that uv writes into the lock: use only options that it knows, unabbreviated.
    options = ["--universal", "--generate-hashes", "--python-version", "3.11"]
    if name != EVERYTHING:
        options += ["--constraint", f"{EVERYTHING}.txt"]
    done = subprocess.run(  # noqa: S603
        [
            installed("uv"),
            "pip",
            "compile",
            "--quiet",
            *options,
            f"{name}.in",
            "--output-file",
            f"{name}.txt",
        ],
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to fetch" in done.stderr:
        raise Unreachable(done.stderr.partition("\n")[0].removeprefix("error: "))
    if done.returncode:
        raise Impossible(f"{name}.in: {done.stderr.strip()}")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
