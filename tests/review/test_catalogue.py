"""The catalogue of pull requests: each gets its verdict, and the comment that a person has read and approved.

`make review-cases` writes the comments anew.
"""

import difflib
import re
import shutil
from pathlib import Path

import pytest

from review import rehearsals
from review.__main__ import main
from tests.review.cases import CATALOGUE, DEVELOPMENT, Case, load
from tests.review.conftest import PullRequest, Reviewed, answers_in_process
from tests.sharing import once

CASES = load()
STATUS = {"safe": 0, "look": 0, "dangerous": 3}
_FINGERPRINTS = re.compile(r"(?<=- To acknowledge: ).*|(?<=--acknowledge \")[0-9a-f]{12}")
_TITLE = re.compile(r"## [🔴🟡🟢] (?P<who>[^:]+): (?P<what>.+)|## 🟢 no region changes")
_MARKS = {"safe": "🟢", "look": "🟡", "dangerous": "🔴"}
_COMMIT = re.compile(r"(?<=\()[0-9a-f]{7,10}(?=\))")


@pytest.fixture(scope="session")
def of_settings(template: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a stack for each case that changes only a stack file, all rehearsed together."""

    def make(folder: Path) -> Path:
        root = folder / "project"
        shutil.copytree(template, root)
        request = PullRequest(root)
        development = (root / DEVELOPMENT).read_text()
        cases = [case for case in CASES if case.is_of_settings]
        for case in cases:
            case.set("before", development, root / f"Pulumi.{case.name}.yaml")
        request.commit()
        request.branch("change")
        for case in cases:
            case.set("after", development, root / f"Pulumi.{case.name}.yaml")
        request.commit()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(cache))
            patch.chdir(root)
            assert main(["--base", "main", "--json"]) == STATUS["dangerous"]
        return root

    return once(tmp_path_factory, "cases-of-settings", make)


def _compare(case: Case, status: int, comment: str, *, write: bool) -> None:
    comment = _FINGERPRINTS.sub("fingerprint", _COMMIT.sub("commit", comment))
    if write:
        case.comment.write_text(comment, encoding="utf-8")
    assert status == STATUS[case.verdict]
    title = _TITLE.fullmatch(comment.splitlines()[1])
    assert title, comment.splitlines()[1]
    assert title[0][3] == _MARKS[case.verdict]
    kept = case.comment.read_text(encoding="utf-8") if case.comment.exists() else ""
    difference = "\n".join(difflib.unified_diff(kept.splitlines(), comment.splitlines(), lineterm=""))
    assert not difference, f"{difference}\n\nIf that is what a reviewer should read: make review-cases"


@pytest.mark.parametrize("case", [case for case in CASES if case.is_of_settings], ids=lambda case: case.name)
def test_a_change_of_a_stack_file_reads_as_in_the_catalogue(
    case: Case,
    of_settings: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    write: bool,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.chdir(of_settings)
    capsys.readouterr()
    status = main(["--base", "main", "--stack", case.name, "--markdown"])
    _compare(case, status, capsys.readouterr().out, write=write)


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.is_of_settings], ids=lambda case: case.name
)
def test_a_change_of_the_project_reads_as_in_the_catalogue(
    case: Case, pull_request: PullRequest, review: Reviewed, monkeypatch: pytest.MonkeyPatch, *, write: bool
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    if case.name == "program-that-hangs":
        monkeypatch.setattr(rehearsals, "SECONDS", 6)
        monkeypatch.setattr(rehearsals, "SECONDS_A_STACK", 0)
    if case.is_of_data:
        monkeypatch.setattr(rehearsals, "answers_of", answers_in_process)
    stack_file = pull_request.root / DEVELOPMENT
    development = stack_file.read_text()
    case.set("before", development, stack_file)
    case.multiply(pull_request.root, development)
    for edit in case.base:
        pull_request.replace(edit["file"], edit["old"], edit["new"])
    pull_request.commit()
    pull_request.branch("change")
    case.set("after", development, stack_file)
    case.apply(pull_request)
    pull_request.commit()
    if case.hotfix:
        pull_request.fix("hotfix", case.hotfix)
        outcome = review("--markdown", base="hotfix", how="--deployed")
    else:
        outcome = review("--markdown", *case.acknowledging(review))
    assert outcome.stderr == ""
    _compare(case, outcome.status, outcome.stdout, write=write)


def test_every_comment_in_the_catalogue_is_of_a_case() -> None:
    assert {file.stem for file in CATALOGUE.glob("*.md")} == {case.name for case in CASES}
