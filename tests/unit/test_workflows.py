"""The workflows' linters refuse what they are meant to, and a missing one is reported."""

import re
from pathlib import Path

import pytest

import tools
from review.markdown import MARKER
from tools.workflows import WORKFLOWS, main

GOOD = """\
name: a pull request
on:
  pull_request:
permissions: {}
concurrency:
  group: pull-request-${{ github.event.pull_request.number }}
  cancel-in-progress: true
jobs:
  greet:
    name: greet
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
        with:
          persist-credentials: false
      - run: echo "$TITLE"
        env:
          TITLE: ${{ github.event.pull_request.title }}
"""
PIN = "@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"
INJECTION = ('echo "$TITLE"', 'echo "${{ github.event.pull_request.title }}"')


@pytest.fixture
def no_actionlint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_TOOLS", str(tmp_path / "empty"))
    monkeypatch.delenv("MAESTRO_REQUIRE_TIERS", raising=False)


def workflow(folder: Path, old: str = "", new: str = "") -> str:
    assert old in GOOD
    file = folder / "workflow.yml"
    file.write_text(GOOD.replace(old, new) if old else GOOD)
    return str(file)


def test_a_good_workflow_passes(tmp_path: Path) -> None:
    assert main([workflow(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (PIN, "@v4", "unpinned-uses"),
        (*INJECTION, "template-injection"),
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        (PIN, "@v4 # zizmor: ignore[unpinned-uses]", "unpinned-uses"),
    ],
)
@pytest.mark.usefixtures("no_actionlint")
def test_zizmor_refuses(
    old: str, new: str, finding: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([workflow(tmp_path, old, new)]) == 1
    assert finding in capfd.readouterr().out


@pytest.mark.skipif(tools.find("actionlint") is None, reason="needs actionlint (make tools)")
@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        (*INJECTION, "potentially untrusted"),
        ("github.event.pull_request.number", "github.evnt", 'property "evnt" is not defined'),
        ('echo "$TITLE"', "echo $TITLE", "SC2086"),
    ],
)
def test_actionlint_refuses(
    old: str, new: str, finding: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([workflow(tmp_path, old, new)]) == 1
    assert finding in capfd.readouterr().out


@pytest.mark.usefixtures("no_actionlint")
def test_without_actionlint_the_rest_goes_on_and_one_line_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main([workflow(tmp_path)]) == 0
    assert re.fullmatch(r"actionlint: SKIPPED, .*make tools.*\n", capfd.readouterr().err)


@pytest.mark.usefixtures("no_actionlint")
def test_where_nothing_may_be_skipped_a_missing_actionlint_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAESTRO_REQUIRE_TIERS", "all")
    assert main([workflow(tmp_path)]) == 2
    assert re.fullmatch(r"error: actionlint isn't built.*: make tools\n", capfd.readouterr().err)


def test_the_comment_is_found_by_the_mark_that_the_review_writes() -> None:
    marks = re.findall(r"<!--.*?-->", (WORKFLOWS / "pull-request.yml").read_text())
    assert set(marks) == {MARKER}
