"""python -m tools.workflows: lint the workflows in .github with actionlint, shellcheck and zizmor."""

import argparse
import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import tools
from tools.errors import Impossible

CLEAN, FINDINGS = 0, 1
WORKFLOWS = Path(__file__).parent.parent / ".github" / "workflows"
EPILOG = """\
zizmor and shellcheck come with requirements-dev.txt, actionlint with `make tools`. If
actionlint isn't built, it is skipped with a note; with MAESTRO_REQUIRE_TIERS=all that fails.

exit status: 0 nothing found; 1 something found; 2 the command line is wrong, or a linter
is missing.
"""
# No configuration file and no comment can suppress a finding.
ZIZMOR = ("--offline", "--quiet", "--persona=pedantic", "--strict-collection", "--no-config", "--no-ignores")
ACTIONLINT = ("-config-file", os.devnull, "-pyflakes", "", "-shellcheck")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every linter that is installed; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.workflows",
        description="Lint GitHub's workflows with actionlint, shellcheck and zizmor.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="workflow (default: all in .github/workflows)"
    )
    named: list[str] = parser.parse_args(arguments).files
    files = named or sorted(str(file) for file in WORKFLOWS.glob("*.y*ml"))  # GitHub reads .yml and .yaml
    try:
        commands = _commands(files)
    except Impossible as lacking:
        _tell(f"error: {lacking}")
        return lacking.status
    statuses = [subprocess.run(command, check=False).returncode for command in commands]  # noqa: S603
    return FINDINGS if any(statuses) else CLEAN


def _commands(files: Sequence[str]) -> list[list[str]]:
    """The linters to run. Raises Impossible if a required one is missing."""
    commands = [[installed("zizmor"), *ZIZMOR, *files]]
    if actionlint := tools.find("actionlint"):
        commands.append([str(actionlint), *ACTIONLINT, installed("shellcheck"), *files])
    elif os.environ.get("MAESTRO_REQUIRE_TIERS") == "all":
        raise Impossible(
            "actionlint isn't built, and MAESTRO_REQUIRE_TIERS=all lets nothing be skipped: make tools"
        )
    else:
        _tell("actionlint: SKIPPED, it isn't built (run make tools, with Go; by hand: tools/README.md)")
    return commands


def installed(name: str) -> str:
    """A linter that pip installed beside this Python. Raises Impossible."""
    file = Path(sysconfig.get_path("scripts")) / f"{name}{sysconfig.get_config_var('EXE')}"
    if not file.is_file():
        raise Impossible(f"{file} is missing: {sys.executable} -m pip install -r requirements-dev.txt")
    return str(file)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()  # before what the linters write


if __name__ == "__main__":
    sys.exit(main())
