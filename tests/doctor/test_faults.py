"""Each planted fault is found by exactly the questions that it explains; once mended, nothing fails."""

from pathlib import Path

import pytest

from checks.finding import Finding, Status
from doctor.catalogue import CATEGORIES, PHASES
from tests.doctor.faults import FAULTS, Fault
from tests.doctor.patient import patient


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found_and_nothing_else(fault: Fault, tmp_path: Path) -> None:
    with patient(tmp_path, **fault.settings) as region:
        if fault.phase == "after":
            region.build()
        fault.plant(region)
        diagnosis = region.examine(fault.phase)
        failing, unknown = diagnosis.findings(Status.FAILS), diagnosis.findings(Status.UNVERIFIED)
        assert _questions(failing) == fault.finds, failing
        assert _questions(unknown) == fault.leaves, unknown
        assert fault.says in [*failing, *unknown][0].text
        assert all(each.remedy and each.page for each in failing)
        if fault.mend:
            fault.mend(region)
            assert (region.fails(fault.phase), region.unverified(fault.phase)) == ({}, {})


def _questions(findings: list[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(each.name) for each in findings))


def test_every_question_has_a_fault() -> None:
    asked = {q.name for category in CATEGORIES for phase in PHASES for q in category.of(phase)}
    assert asked == {name for fault in FAULTS for name in fault.shows_in}
