"""How long RDS supports a major version of PostgreSQL."""

from collections.abc import Mapping
from datetime import date, timedelta

from maestro_stack.errors import Problem

STANDARD_SUPPORT_ENDS: Mapping[str, date] = {
    "11": date(2024, 2, 29),
    "12": date(2025, 2, 28),
    "13": date(2026, 2, 28),
    "14": date(2027, 2, 28),
    "15": date(2028, 2, 29),
    "16": date(2029, 2, 28),
    "17": date(2030, 2, 28),
    "18": date(2031, 2, 28),
}
"""Source: RDS for PostgreSQL release notes, "Release calendar for major versions"."""
SOON = timedelta(days=365)


def leaving_support(engine_version: str, today: date) -> str | None:
    """What happens to an instance whose version leaves RDS standard support within a year, or has left it.

    The same words before and after, so that comparing two texts compares the versions.
    Source: RDS user guide, "Creating a DB instance with RDS Extended Support".
    """
    major = engine_version.partition(".")[0]
    end = STANDARD_SUPPORT_ENDS.get(major)
    if end is None or end - today > SOON:
        return None
    return (
        f"RDS standard support for PostgreSQL {major} ends on {end}; RDS then upgrades the instance to "
        "another major version by itself, because extended support is off"
    )


def support_warning(engine_version: str, today: date) -> Problem | None:
    """For the program, which must not refuse: somebody may have to rotate a credential before the upgrade."""
    leaving = leaving_support(engine_version, today)
    if leaving is None:
        return None
    example = "example: pulumi config set --path database.engineVersion 17"
    return Problem(key="database.engineVersion", problem=leaving, example=example)
