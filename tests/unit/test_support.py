"""How long RDS supports a major version: warned of for a year, never refused."""

from datetime import date, timedelta

import pytest

from maestro_stack.schema import ENGINE_VERSIONS
from maestro_stack.support import SOON, STANDARD_SUPPORT_ENDS, leaving_support, support_warning

END = STANDARD_SUPPORT_ENDS["16"]


@pytest.mark.parametrize("version", ["16", "16.9"])
@pytest.mark.parametrize(
    ("today", "is_leaving"),
    [
        (END - SOON - timedelta(days=1), False),
        (END - SOON, True),
        (END, True),
        (END + timedelta(days=1000), True),
    ],
)
def test_a_version_is_leaving_from_a_year_before_its_end(version: str, today: date, is_leaving: bool) -> None:  # noqa: FBT001
    said = leaving_support(version, today)
    assert (said is not None) is is_leaving
    assert said is None or f"PostgreSQL 16 ends on {END}" in said


def test_what_is_advised_is_not_leaving_itself() -> None:
    warning = support_warning("14", STANDARD_SUPPORT_ENDS["14"])
    assert warning is not None
    advised = warning.example.rpartition(" ")[2]
    assert support_warning(advised, STANDARD_SUPPORT_ENDS["14"]) is None


def test_the_end_of_each_version_that_may_be_chosen_is_known() -> None:
    assert set(ENGINE_VERSIONS) <= STANDARD_SUPPORT_ENDS.keys()


def test_a_version_that_nobody_knows_is_not_warned_of() -> None:
    assert support_warning("99", date(2026, 11, 30)) is None
