"""A healthy region: nothing fails, before and after, and nothing is changed."""

import pytest

from doctor.calls import AWS_CALLS, READING
from tests.doctor.patient import Patient


def test_a_region_in_which_nothing_is_built_is_ready_for_it(region: Patient) -> None:
    diagnosis = region.examine()
    assert diagnosis.phase == "before"
    assert region.fails() == {}
    assert region.unverified() == {}


def test_a_built_region_is_healthy(built: Patient) -> None:
    diagnosis = built.examine()
    assert diagnosis.phase == "after"
    assert built.fails() == {}
    assert built.unverified() == {}


def test_a_built_region_is_ready_for_the_next_update(built: Patient) -> None:
    assert built.fails("before") == {}


@pytest.mark.parametrize("phase", ["before", "after"])
def test_only_what_reads_is_called(built: Patient, phase: str) -> None:
    built.examine(phase)
    assert built.calls
    assert set(built.calls) <= AWS_CALLS.keys()


def test_every_call_of_the_list_reads() -> None:
    assert [name for name in AWS_CALLS if not name.partition(":")[2].startswith(READING)] == []


def test_every_call_of_the_list_is_made(region: Patient) -> None:
    region.examine()
    region.build()
    region.examine()
    # For keys and boundaries of one's own, and for restores.
    rest = {"iam:GetPolicy", "iam:GetPolicyVersion", "kms:DescribeKey", "kms:GetKeyPolicy"}
    rest |= {"rds:DescribeDBInstanceAutomatedBackups", "rds:DescribeDBSnapshots"}
    assert AWS_CALLS.keys() - set(region.calls) == rest
