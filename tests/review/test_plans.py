"""Plans that are cut off, foreign, failed or from a newer engine. tests/engine has the real engine's."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.json_values import Json
from engine import properties
from policies import types
from review.errors import UsageError
from review.markdown import as_markdown
from review.model import Grade, Review, StackReview, Way
from review.plan import DRIFT_STAYS, DRIFT_TAKEN_BACK, read_plan, reviewed
from review.resources import LOST

PROJECT = "maestro-stack"
URN = f"urn:pulumi:west::{PROJECT}::aws:iam/role:Role::role"


def _step(op: str, urn: str = URN) -> dict[str, Json]:
    state: dict[str, Json] = {"urn": urn, "type": "aws:iam/role:Role", "inputs": {"name": "a"}}
    return {"op": op, "urn": urn, "oldState": state, "newState": state}


def _of(type_: str, op: str, old: Json, new: Json) -> dict[str, Json]:
    """A step of a resource `it` with these inputs; None where that state doesn't exist."""
    urn = f"urn:pulumi:west::{PROJECT}::{type_}::it"
    states: dict[str, Json] = {
        key: {"urn": urn, "type": type_, "inputs": inputs}
        for key, inputs in (("oldState", old), ("newState", new))
        if inputs is not None
    }
    return {"op": op, "urn": urn, **states}


def _reviewed(folder: Path, steps: Sequence[Json] | None = None, **more: Json) -> StackReview:
    file = folder / "west.json"
    file.write_text(json.dumps({**({} if steps is None else {"steps": steps}), **more}))
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
def test_what_is_not_a_plan_of_ours_is_refused_with_the_command_that_makes_one(
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
    steps: dict[str, list[Json]], tmp_path: Path
) -> None:
    told: list[Json] = [
        {"severity": "info", "message": "hello"},
        {"severity": "error", "message": "AccessDenied: no"},
    ]
    review = _reviewed(tmp_path, **steps, diagnostics=told)
    assert review.grade is Grade.DANGEROUS
    assert [(change.sentence, change.quoted) for change in review.changes] == [
        ("the preview failed", "AccessDenied: no")
    ]


def test_rights_that_are_not_known_yet_are_dangerous_and_say_what_reports_them(tmp_path: Path) -> None:
    created = _of(types.ROLE_POLICY, "create", None, {"policy": properties.UNKNOWN})
    (change,) = _reviewed(tmp_path, [created]).changes
    assert change.grade is Grade.DANGEROUS
    assert change.reason == "what it allows is only known after `up`; a review with `--base` reports it"


def test_an_operation_of_a_newer_engine_is_reported_and_is_not_safe(tmp_path: Path) -> None:
    review = _reviewed(tmp_path, [_step("teleport")], newField={"a": [1]})
    assert review.grade is Grade.LOOK
    assert [change.quoted for change in review.changes] == ["teleport"]


def test_a_plan_that_changes_nothing_is_safe_and_does_not_claim_to_know_the_pods(tmp_path: Path) -> None:
    review = _reviewed(tmp_path, [_step("same"), _step("read")])
    assert (review.grade, review.changes, review.rolls) == (Grade.SAFE, (), None)
    told = as_markdown(Review(base="a plan", head="main", notes=(), stacks=(review,)))
    assert "pods" not in told


REFRESHED = _step("refresh")
"""A step of another resource, about which the refresh found nothing new."""


@pytest.mark.parametrize(
    "type_",
    [
        types.INSTANCE, types.SECRET, types.CERTIFICATE, types.ROLE, "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secretVersion:SecretVersion",
    ],
)  # fmt: skip
def test_what_was_lost_outside_and_is_recreated_is_as_dangerous_as_its_deletion(
    type_: str, tmp_path: Path
) -> None:
    steps = [REFRESHED, _of(type_, "delete", {"name": "a"}, None), _of(type_, "create", None, {"name": "a"})]
    (change,) = _reviewed(tmp_path, steps).changes
    assert (change.way, change.grade) == (Way.REPLACED, Grade.DANGEROUS)
    assert LOST in change.sentence


def test_what_was_lost_outside_and_stays_away_is_reported(tmp_path: Path) -> None:
    lost = _of(types.SECRET, "delete", {"name": "a"}, None)
    (change,) = _reviewed(tmp_path, [REFRESHED, lost]).changes
    assert (change.way, change.grade) == (Way.DELETED, Grade.DANGEROUS)
    assert LOST in change.sentence


def test_drift_that_the_plan_takes_back_is_reported_as_that(tmp_path: Path) -> None:
    ours: dict[str, Json] = {"backupRetentionPeriod": 7}
    theirs: dict[str, Json] = {"backupRetentionPeriod": 14}
    drifted, planned = (
        _of(types.INSTANCE, "update", ours, theirs),
        _of(types.INSTANCE, "update", theirs, ours),
    )
    (change,) = _reviewed(tmp_path, [REFRESHED, drifted, planned]).changes
    assert [each.note for each in change.differences] == [DRIFT_TAKEN_BACK]
    assert change.grade is Grade.DANGEROUS  # backups go, whoever wanted them


def test_drift_that_the_plan_leaves_is_reported(tmp_path: Path) -> None:
    drifted = _of(types.INSTANCE, "update", {"instanceClass": "a"}, {"instanceClass": "b"})
    (change,) = _reviewed(tmp_path, [REFRESHED, drifted]).changes
    assert [each.note for each in change.differences] == [DRIFT_STAYS]
    assert change.grade is Grade.LOOK


def test_a_change_of_the_program_is_told_from_drift(tmp_path: Path) -> None:
    built: dict[str, Json] = {"multiAz": False, "iops": 1}
    theirs: dict[str, Json] = {"multiAz": False, "iops": 2}
    steps = [
        REFRESHED,
        _of(types.INSTANCE, "update", built, theirs),
        _of(types.INSTANCE, "update", theirs, {"multiAz": True, "iops": 1}),
    ]
    (change,) = _reviewed(tmp_path, steps).changes
    notes = {each.path: each.note for each in change.differences}
    assert notes == {"multiAz": "", "iops": DRIFT_TAKEN_BACK}


def test_a_type_that_nobody_knows_is_as_dangerous_replaced_as_deleted(tmp_path: Path) -> None:
    ways: dict[str, Json] = {"replace": {"name": "b"}, "delete": None}
    for op, new in ways.items():
        review = _reviewed(tmp_path, [_of("aws:s3/bucket:Bucket", op, {"name": "a"}, new)])
        assert review.grade is Grade.DANGEROUS


def test_a_refreshed_plan_of_the_engine_reads_as_what_happened_and_what_the_plan_does() -> None:
    """A plan from the engine tier's test_drift, cut down to what was touched."""
    plan = read_plan(Path(__file__).with_name("plans") / "refreshed.json", PROJECT)
    told = {change.subject.rpartition(":")[2]: change for change in reviewed(plan).changes}
    assert plan.unread == ()
    assert {name for name, change in told.items() if LOST in change.sentence} == {
        "PodIdentityAssociation association",
        "Secret db-credentials",
        "SecretVersion db-credentials",
    }
    assert {change.grade for change in told.values()} == {Grade.DANGEROUS}
    assert [each.note for each in told["Instance instance"].differences] == [DRIFT_TAKEN_BACK]
