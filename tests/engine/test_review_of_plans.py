"""The review of plans that the real engine printed, one for each kind of operation."""

import json
from pathlib import Path

import pytest

from review.effects import KMS_KEY
from review.errors import UsageError
from review.model import Grade, Way
from review.plan import Plan, read_plan, reviewed
from tests.engine.conftest import NewRegion, Region, config

PROJECT = "maestro-stack"


def _plan(stack: Region, folder: Path) -> Plan:
    file = folder / "plan.json"
    file.write_text(stack.engine.plan())
    return read_plan(file, PROJECT)


def test_a_stack_that_is_not_there_yet_is_created(region: NewRegion, tmp_path: Path) -> None:
    plan = _plan(region(), tmp_path)
    assert {change.way for change in plan.changes.values()} == {Way.CREATED}
    assert "aws:rds/instance:Instance instance" in plan.changes
    assert (plan.region, plan.errors, plan.unread) == ("us-east-1", (), ())


CASES: tuple[tuple[dict[str, object], str, Way, Grade, str], ...] = (
    (
        {"database": {"instanceClass": "db.t4g.small"}},
        "aws:rds/instance:Instance instance",
        Way.UPDATED,
        Grade.LOOK,
        "instanceClass",
    ),
    (
        {"rotation": {"certificate": "2026-11"}},
        "aws:iot/certificate:Certificate certificate",
        Way.REPLACED,
        Grade.LOOK,
        "",
    ),
    (
        {"bootstrapConfigMap": "external"},
        "kubernetes:core/v1:ConfigMap bootstrap-output",
        Way.DELETED,
        Grade.DANGEROUS,
        "",
    ),
    (
        {"database": {"kmsKeyArn": KMS_KEY}},
        "aws:rds/instance:Instance instance",
        Way.REPLACED,
        Grade.DANGEROUS,
        "kmsKeyId",
    ),
)  # fmt: skip


def test_each_kind_of_operation_is_read_and_graded_and_no_secret_told(
    region: NewRegion, tmp_path: Path
) -> None:
    built = region()
    built.up()
    unchanged = reviewed(_plan(built, tmp_path))
    assert (unchanged.changes, unchanged.grade) == ((), Grade.SAFE)
    for keys, subject, way, grade, path in CASES:
        built.configure(config(**keys))
        plan = _plan(built, tmp_path)
        found = {change.subject: change for change in reviewed(plan).changes}[subject]
        assert (found.way, found.grade) == (way, grade), found
        assert path in [difference.path for difference in found.differences] or not path
        assert not [secret for secret in built.secrets() if secret in repr(plan)]


def _cut(content: str) -> str:
    return content[: len(content) // 2]


def _without_steps(content: str) -> str:
    return json.dumps({key: value for key, value in json.loads(content).items() if key != "steps"})


def _of_another(content: str) -> str:
    return content.replace(f"::{PROJECT}::", "::another::")


def test_a_plan_that_cannot_be_read_is_refused(region: NewRegion, tmp_path: Path) -> None:
    plan = region().engine.plan()
    file = tmp_path / "plan.json"
    for spoil, said in (
        (_cut, "is cut off"),
        (_without_steps, "has no steps"),
        (_of_another, 'of project "another"'),
    ):
        file.write_text(spoil(plan))
        with pytest.raises(UsageError, match=said):
            read_plan(file, PROJECT)
