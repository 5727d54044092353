"""Two revisions that pin different dependencies: each is rehearsed with its own, installed by pip."""

import importlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from review.requirements import lines
from review.revisions import DEPENDENCIES
from tests.review.conftest import PullRequest, Reviewed
from tests.wheels import wheel

NAME = "maestro_review_probe"


@pytest.fixture
def upgrade(pull_request: PullRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PullRequest:
    """A program that outputs which version of a package it found; the change upgrades that package."""
    packages = tmp_path / "packages"
    packages.mkdir()
    first, second = (wheel(packages, NAME, version) for version in ("1.0", "2.0"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    for lock in DEPENDENCIES:
        pull_request.replace(lock, "pydantic==", f"{first}pydantic==")
    pull_request.replace(
        "maestro_stack/regional.py", "server.release_name", f'known(__import__("{NAME}").VERSION)'
    )
    pull_request.commit()
    for lock in DEPENDENCIES:
        pull_request.replace(lock, first, second)
    return pull_request


@pytest.mark.usefixtures("upgrade")
def test_each_revision_is_rehearsed_with_what_it_pins(
    review: Reviewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = review("--json")
    found = json.loads(outcome.stdout)
    (stack,) = found["stacks"]
    changes = {change["subject"]: change for change in [*stack["changes"], *found["project"]]}
    assert len(found["project"]) == 1, "two locks say the same"
    assert changes[NAME]["sentence"] == f"{NAME} goes from 1.0 to 2.0"
    (difference,) = changes["maestro_release_name"]["differences"]
    assert (difference["before"], difference["after"]) == ("1.0", "2.0")
    # What was installed is cached.
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert json.loads(review("--json").stdout) == found


def test_what_cannot_be_installed_is_reported_and_is_not_called_safe(
    upgrade: PullRequest, review: Reviewed
) -> None:
    for lock in DEPENDENCIES:
        upgrade.replace(lock, f"{NAME}==2.0", f"{NAME}==3.0")
    found = json.loads(review("--json").stdout)
    (note,) = [note for note in found["notes"] if "pins" in note]
    assert f"No matching distribution found for {NAME}==3.0" in note
    assert found["verdict"] != "safe"


def test_a_revisions_options_are_not_obeyed_which_might_run_its_code(
    pull_request: PullRequest, review: Reviewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index or a source distribution of its own; pip would run the latter's build."""
    asked = tmp_path / "asked"
    script = f"import pathlib\npathlib.Path({str(asked)!r}).touch()\n"
    source = pull_request.root / "packages" / f"{NAME}-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text(script)
    with tarfile.open(f"{source}.tar.gz", "w:gz") as archive:
        archive.add(source, source.name)
    shutil.rmtree(source)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    options = f"--find-links ./packages\n--no-binary {NAME}\n{NAME}==1.0\n"
    pull_request.replace("requirements.txt", "annotated-types==", f"{options}annotated-types==")
    found = json.loads(review("--json").stdout)
    assert found["verdict"] == "dangerous"
    assert any("couldn't be installed" in note for note in found["notes"])
    assert not asked.exists()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"# caf\xe9\n", id="no UTF-8"),
        pytest.param(b'attrs==26.1.0 ; os_name ~= "x"\n', id="a comparison that isn't defined"),
        pytest.param(b'attrs==26.1.0 ; "x" in extras\n', id="a name that isn't defined"),
    ],
)
def test_what_pip_cannot_read_is_dangerous_and_no_traceback(
    line: bytes, pull_request: PullRequest, review: Reviewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = pull_request.root / "requirements.txt"
    lock.write_bytes(line + lock.read_bytes())
    outcome = review("--json")
    assert json.loads(outcome.stdout)["verdict"] == "dangerous"
    assert outcome.stderr == ""


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        pytest.param("a==1 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n    # via b\n", 1, id="lock"),
        pytest.param("# a remark \\\nevil==1\n", 1, id="a comment isn't continued"),
        pytest.param("a==1 # a remark \\\nb==1\n", 1, id="the end of a line is"),
        pytest.param("a==1 \\\n# a remark \\\nb==1", 2, id="a comment ends what is continued"),
        pytest.param("# a remark\x0cevil==1", 1, id="lines end where pip ends them"),
    ],
)
def test_lines_are_those_that_pip_reads(text: str, asked: int, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(text, newline="")
    session = importlib.import_module("pip._internal.network.session").PipSession()
    parse = importlib.import_module("pip._internal.req.req_file").parse_requirements
    pips = [each.requirement.strip() for each in parse(str(file), session)]
    assert [line.partition(" ")[0] for line in lines(text)] == pips
    assert len(pips) == asked
