"""Each planted fault is found by exactly the questions that it explains; once mended, nothing fails."""

from pathlib import Path

import pytest

from checks.finding import Status
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
        failing = diagnosis.findings(Status.FAILS)
        assert tuple(dict.fromkeys(str(each.name) for each in failing)) == fault.finds, failing
        assert fault.says in failing[0].text
        assert all(each.remedy and each.page for each in failing)
        if fault.mend:
            fault.mend(region)
            assert region.fails(fault.phase) == {}


def test_every_question_has_a_fault() -> None:
    asked = {q.name for category in CATEGORIES for phase in PHASES for q in category.of(phase)}
    found = {name for fault in FAULTS for name in fault.finds}
    # These never fail, or are tested in test_bad_luck.py.
    assert asked - found == {
        "credentials-last", "state-secrets", "admission", "network-policy", "database-pending"
    }  # fmt: skip
