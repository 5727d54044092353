"""How checks and their findings look to people and to programs, the same in every report."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from checks.finding import Check, Finding, Status
from common.json_values import Json
from common.terminal import Colours, command, wrapped

MARKS = {Status.HOLDS: ("✓", "32"), Status.UNVERIFIED: ("?", "33"), Status.FAILS: ("✗", "31")}


def check_lines(checks: Sequence[Check], colour: Colours, *, verbose: bool) -> Iterator[str]:
    """What fails, then what is unverified, each with its remedy, then a line for each check that holds.

    Or, if `verbose`, each check with all of its findings.
    """
    if verbose:
        for check in checks:
            yield from _heading(check, check.status, colour)
            yield from _findings(check.findings, colour)
        return
    for status in (Status.FAILS, Status.UNVERIFIED):
        for check in checks:
            findings = [finding for finding in check.findings if finding.status is status]
            if findings:
                yield from _heading(check, status, colour)
                yield from _findings(findings, colour)
    held = [check for check in checks if check.status is Status.HOLDS]
    if 0 < len(held) < len(checks):
        yield ""
    for check in held:
        yield from _heading(check, Status.HOLDS, colour)


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Findings that differ only in their subject become one, about all of the subjects."""
    alike: dict[Finding, list[str]] = {}
    for finding in findings:
        of_any = finding if finding.subject is None else _of(finding, "\0")
        alike.setdefault(of_any, []).append(finding.subject or "")
    return [
        finding if finding.subject is None else _of(finding, ", ".join(dict.fromkeys(subjects)))
        for finding, subjects in alike.items()
    ]


def things(count: int, verb: str) -> str:
    """`2 things fail`, `1 thing is`: the subject and verb of a verdict."""
    return f"1 thing {'is' if verb == 'are' else f'{verb}s'}" if count == 1 else f"{count} things {verb}"


def _of(finding: Finding, subject: str) -> Finding:
    """The same finding about another subject."""
    was = finding.subject or ""
    remedy = finding.remedy and finding.remedy.replace(was, subject)
    return replace(finding, text=finding.text.replace(was, subject), remedy=remedy, subject=subject)


def _heading(check: Check, status: Status, colour: Colours) -> Iterator[str]:
    mark, code = MARKS[status]
    held = sum(finding.status is Status.HOLDS for finding in check.findings)
    count = f"{held} of {len(check.findings)}"
    start = f"{colour(mark, code)} {colour(f'{check.name:<9}', '1')} {count:>8}  "
    yield from wrapped(start, check.question, indent=" " * 22)


def _findings(findings: Iterable[Finding], colour: Colours) -> Iterator[str]:
    for finding in together(findings):
        mark, code = MARKS[finding.status]
        text = finding.text if finding.status is not Status.UNVERIFIED else f"unverified: {finding.text}"
        yield from wrapped(f"    {colour(mark, code)} ", text, indent="      ")
        if finding.remedy:
            yield from command(finding.remedy, indent="        ")
        if finding.page:
            yield f"        more: {finding.page}"


def check_json(check: Check) -> dict[str, Json]:
    """A check for programs to read."""
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
