"""The review of plans from the real engine and Kubernetes provider, one for each kind of operation."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane
from emulator.client import Emulation
from review.effects import KMS_KEY
from review.errors import UsageError
from review.model import Grade, Way
from review.plan import Plan, read_plan, reviewed
from tests.cluster.stacks import RELEASE, OnCluster, on_cluster
from tests.engine.conftest import Region, config

PROJECT = "maestro-stack"


@pytest.fixture
def stack(emulation: Emulation, control_plane: ControlPlane, tmp_path: Path) -> Iterator[OnCluster]:
    """A dev stack that isn't built yet."""
    with on_cluster(emulation, control_plane, tmp_path / "stack", config()) as stack:
        yield stack


def _plan(stack: Region, folder: Path) -> Plan:
    file = folder / "plan.json"
    file.write_text(stack.engine.plan())
    return read_plan(file, PROJECT)


def test_a_stack_that_does_not_exist_yet_is_created(stack: OnCluster, tmp_path: Path) -> None:
    plan = _plan(stack.region, tmp_path)
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
        Way.DELETED,
        Grade.LOOK,
        "",
    ),
    (
        {"bootstrapConfigMap": "external"},
        "kubernetes:core/v1:ConfigMap bootstrap-output-regional-xyz",
        Way.DELETED,
        Grade.DANGEROUS,
        "",
    ),
    (
        {"server": {"image": {"tag": "0123456789abcdef0123456789abcdef01234567"}}},
        RELEASE,
        Way.UPDATED,
        Grade.LOOK,
        "values.image.tag",
    ),
    (
        {"database": {"kmsKeyArn": KMS_KEY}},
        "aws:rds/instance:Instance instance",
        Way.REPLACED,
        Grade.DANGEROUS,
        "kmsKeyId",
    ),
)  # fmt: skip


def test_each_kind_of_operation_is_read_and_graded_and_no_secret_revealed(
    stack: OnCluster, tmp_path: Path
) -> None:
    built = stack.region
    built.up()
    unchanged = reviewed(_plan(built, tmp_path))
    assert (unchanged.changes, unchanged.grade) == ((), Grade.SAFE)
    for keys, subject, way, grade, path in CASES:
        built.configure(config(**keys))
        plan = _plan(built, tmp_path)
        found = {change.subject: change for change in reviewed(plan).changes}[subject]
        assert (found.way, found.grade) == (way, grade), found
        assert path in [difference.path for difference in found.differences] or not path
        if release := plan.changes.get(RELEASE):
            assert "version" not in [difference.path for difference in release.differences]
        assert not [secret for secret in built.secrets() if secret in repr(plan)]


def _cut(content: str) -> str:
    return content[: len(content) // 2]


def _without_steps(content: str) -> str:
    return json.dumps({key: value for key, value in json.loads(content).items() if key != "steps"})


def _of_another(content: str) -> str:
    return content.replace(f"::{PROJECT}::", "::another::")


def test_a_plan_that_cannot_be_read_is_refused(stack: OnCluster, tmp_path: Path) -> None:
    plan = stack.region.engine.plan()
    file = tmp_path / "plan.json"
    for spoil, said in (
        (_cut, "is cut off"),
        (_without_steps, "has no steps"),
        (_of_another, 'of project "another"'),
    ):
        file.write_text(spoil(plan))
        with pytest.raises(UsageError, match=said):
            read_plan(file, PROJECT)
