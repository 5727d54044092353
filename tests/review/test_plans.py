"""Plans that are cut off, foreign, failed or of a newer engine. Those of the real one: tests/engine."""

import json
from pathlib import Path

import pytest

from common.json_values import Json
from review.errors import UsageError
from review.markdown import as_markdown
from review.model import Grade, Review, StackReview
from review.plan import read_plan, reviewed

PROJECT = "maestro-stack"
URN = f"urn:pulumi:west::{PROJECT}::aws:iam/role:Role::role"


def _step(op: str, urn: str = URN) -> dict[str, Json]:
    state: dict[str, Json] = {"urn": urn, "type": "aws:iam/role:Role", "inputs": {"name": "a"}}
    return {"op": op, "urn": urn, "oldState": state, "newState": state}


def _reviewed(folder: Path, plan: Json) -> StackReview:
    file = folder / "west.json"
    file.write_text(json.dumps(plan))
    return reviewed(read_plan(file, PROJECT))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON, or is cut off"),
        ('{"steps": [', "is not JSON, or is cut off"),
        ('{"event": 1}\n{"event": 2}', "is not JSON, or is cut off"),
        ("[]", "it has no steps"),
        ('{"steps": {}}', "it has no steps"),
        ('{"stdout": "error: no stack"}', "it has no steps"),
        (json.dumps({"steps": [_step("same", URN.replace(PROJECT, "other"))]}), 'is of project "other"'),
    ],
)
def test_what_is_no_plan_of_ours_is_refused_with_the_command_that_makes_one(
    content: str, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=said):
        read_plan(file, PROJECT)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_plan_is_read_however_the_shell_saved_it(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"steps": [_step("same")]}), encoding=encoding)
    assert read_plan(file, PROJECT).stack == "west"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"plan\.json: No such file"):
        read_plan(tmp_path / "plan.json", PROJECT)


@pytest.mark.parametrize("steps", [{}, {"steps": []}, {"steps": [_step("same")]}])
def test_a_preview_that_failed_is_dangerous_and_quotes_the_error(
    steps: dict[str, Json], tmp_path: Path
) -> None:
    told: list[Json] = [
        {"severity": "info", "message": "hello"},
        {"severity": "error", "message": "AccessDenied: no"},
    ]
    review = _reviewed(tmp_path, {**steps, "diagnostics": told})
    assert review.grade is Grade.DANGEROUS
    assert [(change.sentence, change.quoted) for change in review.changes] == [
        ("the preview failed", "AccessDenied: no")
    ]


def test_an_operation_of_a_newer_engine_is_told_and_is_not_safe(tmp_path: Path) -> None:
    review = _reviewed(tmp_path, {"steps": [_step("teleport")], "newField": {"a": [1]}})
    assert review.grade is Grade.LOOK
    assert [change.quoted for change in review.changes] == ["teleport"]


def test_a_plan_that_changes_nothing_is_safe_and_does_not_claim_to_know_the_pods(tmp_path: Path) -> None:
    review = _reviewed(tmp_path, {"steps": [_step("same"), _step("read")]})
    assert (review.grade, review.changes, review.rolls) == (Grade.SAFE, (), None)
    told = as_markdown(Review(base="a plan", head="main", notes=(), stacks=(review,)))
    assert "pods" not in told
