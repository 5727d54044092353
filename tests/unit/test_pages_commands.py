"""The pages' commands: each is run by a test, or said not to be; their options and settings exist."""

import re
import shlex
from collections.abc import Iterator

import pytest

import doctor.__main__
import fleet.__main__
import rehearsal.__main__
import review.__main__
from maestro_stack.messages import section_at
from maestro_stack.schema import Configuration
from tests.checkouts import ROOT
from tests.cluster.readme import blocks, commands

READMES = "tests/cluster/test_readme_commands.py"
RUN = {
    "README.md": READMES,
    "docs/operating.md": READMES,
    "charts/maestro-server-eso/README.md": READMES,
    "docs/recovery.md": "tests/engine/test_faults.py",
    "docs/restore.md": "tests/engine/test_restore.py",
    "docs/move.md": "tests/engine/test_move.py",
    "examples/argocd/README.md": "tests/cluster/test_external.py",
}
"""By page: the test that runs its commands, or lists those that it doesn't."""
NOT_RUN = {
    "SECURITY.md": "needs a KMS key",
    "docs/ci.md": "needs a forge and a region; the tools in it have tests of their own",
    "docs/configuration.md": "examples of a setting",
    "docs/doctor.md": "tests/doctor runs the same in its process",
    "docs/fleet.md": "tests/engine/test_fleet.py runs the same in its process",
    "docs/outputs.md": "needs a region, and this repository at a host",
    "docs/rehearsal.md": "tests/engine/test_commands.py runs the same in its process",
    "docs/review.md": "tests/review runs the same in its process",
    "examples/alarms/README.md": "needs a region; the engine tier runs the stack",
    "examples/management-cluster/README.md": "needs a region; the engine tier runs the stack",
    "examples/operator/README.md": "needs the operator",
}
"""By page: why none of its commands is run as it stands."""
OTHER_PROJECTS = ("examples/alarms/", "examples/management-cluster/")
MAINS = {
    "doctor": doctor.__main__.main,
    "fleet": fleet.__main__.main,
    "rehearsal": rehearsal.__main__.main,
    "review": review.__main__.main,
}
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "examples/*/*.md", "charts/*/*.md")
    for file in ROOT.glob(pattern)
    if blocks(file.read_text(encoding="utf-8"), "bash")
    for page in [file.relative_to(ROOT).as_posix()]
)


def lines(page: str) -> Iterator[str]:
    """Its commands, each on one line."""
    for block in blocks((ROOT / page).read_text(encoding="utf-8"), "bash"):
        for command in commands(block):
            yield " ".join(command.replace("\\\n", " ").split())


def test_every_page_with_commands_is_run_or_said_not_to_be() -> None:
    assert sorted({*RUN, *NOT_RUN}) == PAGES
    assert [test for test in RUN.values() if not (ROOT / test).exists()] == []


CALLS = [
    (page, module, shlex.split(arguments.replace("$", "")))
    for page in PAGES
    for line in lines(page)
    for module, arguments in re.findall(r"python -m (doctor|fleet|rehearsal|review)\b([^|)>#]*)", line)
]
"""Page, program and arguments."""
SETTINGS = [
    (page, key)
    for page in PAGES
    if not page.startswith(OTHER_PROJECTS)
    for line in lines(page)
    for key in re.findall(r"pulumi config (?:set|rm) (?:--secret )?(?:--path )?'?([\w.\[\]:\"]+)", line)
    if not key.startswith("aws:")
]
"""Page and key."""


def test_each_of_our_programs_is_called_and_settings_are_set_by_commands() -> None:
    assert {module for _, module, _ in CALLS} == MAINS.keys()
    assert {key for _, key in SETTINGS} > {"clusterName", "profile"}


@pytest.mark.parametrize(("page", "module", "arguments"), CALLS)
def test_options_of_our_commands_exist(
    page: str, module: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = [each.partition("=")[0] for each in arguments if each.startswith("--")]
    sub = [each for each in arguments[:1] if not each.startswith("-") and module != "review"]
    with pytest.raises(SystemExit) as ended:
        MAINS[module]([*sub, "--help"])
    assert ended.value.code == 0, page
    help_ = capsys.readouterr().out
    assert [option for option in options if option not in help_] == [], page


@pytest.mark.parametrize(("page", "key"), SETTINGS)
def test_settings_in_commands_exist(page: str, key: str) -> None:
    *above, last = re.sub(r"\[\d+\]", "", key).split(".")
    section = section_at(Configuration, above)
    assert section is not None, page
    assert last in {str(field.alias) for field in section.model_fields.values()}, page
