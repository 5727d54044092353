"""How checks and their findings look, to people and to programs: the same in every report."""

from collections.abc import Iterator

from checks.finding import Check, Finding, Status
from common.json_values import Json
from common.terminal import Colours, command, wrapped

MARKS = {Status.HOLDS: ("✓", "32"), Status.UNVERIFIED: ("?", "33"), Status.FAILS: ("✗", "31")}


def check_lines(check: Check, colour: Colours) -> Iterator[str]:
    """A check's question, and its findings below it."""
    mark, code = MARKS[check.status]
    yield f"{colour(mark, code)} {colour(f'{check.name:<9}', '1')} {check.question}"
    for finding in check.findings:
        yield from _finding(finding, colour)


def _finding(finding: Finding, colour: Colours) -> Iterator[str]:
    mark, code = MARKS[finding.status]
    text = finding.text if finding.status is not Status.UNVERIFIED else f"unverified: {finding.text}"
    yield from wrapped(f"    {colour(mark, code)} ", text, indent="      ")
    if finding.remedy:
        yield from command(finding.remedy, indent="        ")
    if finding.page:
        yield f"        more: {finding.page}"


def check_json(check: Check) -> dict[str, Json]:
    """The same for programs."""
    return {
        "name": check.name,
        "question": check.question,
        "status": check.status.value,
        "findings": [_finding_json(finding) for finding in check.findings],
    }


def _finding_json(finding: Finding) -> dict[str, Json]:
    told: dict[str, Json] = {
        "status": finding.status.value,
        "text": finding.text,
        "remedy": finding.remedy,
    }
    return told if finding.name is None else {"name": finding.name, **told, "page": finding.page}
