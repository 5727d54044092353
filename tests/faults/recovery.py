"""docs/recovery.md as a person would use it: its commands, run by a shell against the emulation."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tools
from engine.programs import write_language_host
from tests.engine.conftest import CLUSTER, ROOT, Region

DOCUMENT = ROOT / "docs/recovery.md"
VARIABLES = {
    "CLUSTER": CLUSTER,
    "SOURCE": "maestro",
    "NAMESPACE": "maestro",
    "RELEASE": "maestro-server",
}
"""What the document's first block exports."""
_HEADING = re.compile(r"^#{2,3} (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class ByType:
    """What the document says about one resource type."""

    find: str | None
    """Prints the id to import; without one, a pending creation is cleared."""
    remove: str | None


@cache
def sections(file: Path = DOCUMENT) -> dict[str, tuple[str, ...]]:
    """By heading: the section's command blocks, in order."""
    document = file.read_text(encoding="utf-8")
    headings = [("", 0, 0), *((m[1], m.start(), m.end()) for m in _HEADING.finditer(document))]
    ends = [start for _, start, _ in headings[1:]] + [len(document)]
    return {
        heading: tuple(textwrap.dedent(block) for block in _BLOCK.findall(document[begin:end]))
        for (heading, _, begin), end in zip(headings, ends, strict=True)
    }


@cache
def by_type() -> Mapping[str, ByType]:
    """Every resource type that the document knows."""
    found: dict[str, ByType] = {}
    for heading, blocks in sections().items():
        if re.fullmatch(r"`\w+:.*:\w+`", heading):
            find, remove = blocks or (None, None)
            found[heading.strip("`")] = ByType(find=find, remove=remove)
    return found


def run(region: Region, commands: str, **variables: str) -> str:
    """What the commands print, run by a shell with the document's variables; a failing one fails the test."""
    engine = region.engine
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))},
        **engine.variables,
        **VARIABLES,
        "AWS_REGION": region.region,
        **variables,
        "PULUMI_STACK": region.name,
        "PULUMI_SKIP_CONFIRMATIONS": "true",  # a person would be asked
        "PATH": os.pathsep.join([*_programs(region.folder), os.environ.get("PATH", os.defpath)]),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],  # noqa: S607
        cwd=region.folder / "state" / "project",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


_PGREP = """#!/bin/sh
status=1
for found in $(PATH=/usr/bin:/bin pgrep "$@"); do
  grep -qzF '{folder}' "/proc/$found/environ" 2> /dev/null && echo "$found" && status=0
done
exit $status
"""


def _write(file: Path, script: str) -> None:
    file.write_text(script)
    file.chmod(0o755)


def _programs(folder: Path) -> list[str]:
    """A folder with the tools, and with `aws` and `python3` as this interpreter's environment has them."""
    pulumi, aws = tools.find("pulumi"), Path(sys.executable).parent / "aws"
    assert pulumi is not None
    assert aws.exists(), "pip install -r requirements-dev.txt"
    here = folder / "bin"
    if not here.exists():
        here.mkdir()
        (here / "pulumi").symlink_to(pulumi)
        for name in ("kubectl", "helm"):
            if tool := tools.find(name):
                (here / name).symlink_to(tool)
        (here / "python3").symlink_to(sys.executable)
        # Other tests' providers aren't the stack's: only its own have variables that name its folder.
        _write(here / "pgrep", _PGREP.format(folder=folder))
        # For RDS in us-east-1, version 1 of the CLI heeds only the option (overridesslcommonname.py).
        _write(here / "aws", f'#!/bin/sh\nexec "{aws}" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
        # `pulumi import` asks it which packages the program uses, and runs nothing.
        write_language_host(here)
    return [str(here)]
