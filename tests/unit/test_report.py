"""How checks and their findings look to a person."""

import io

from checks.finding import Check, Findings
from checks.report import check_lines
from common.terminal import Colours

TEN = [f"resource-{number}" for number in range(10)]


def lines(findings: Findings, *, verbose: bool = False) -> list[str]:
    check = Check(
        name="rules", question="Does every resource keep the rules?", findings=tuple(findings.found)
    )
    return list(check_lines([check], Colours(io.StringIO()), verbose=verbose))


def test_ten_like_findings_are_one_with_ten_subjects() -> None:
    findings = Findings()
    for name in TEN:
        findings.fail(f"tags: {name}: owner is missing", f"pulumi up --target {name}", subject=name)
    findings.fail("tags: other: team is missing", subject="other")
    findings.holds("tags: somebody's are kept")
    for verbose in (False, True):
        heading, *told = lines(findings, verbose=verbose)
        assert heading == "✗ rules      1 of 12  Does every resource keep the rules?"
        assert sum(line.startswith("    ✗ ") for line in told) == 2
        assert " ".join(line.strip() for line in told[:3]) == f"✗ tags: {', '.join(TEN)}: owner is missing"


def test_those_that_differ_otherwise_are_not_put_together() -> None:
    findings = Findings()
    findings.fail("tags: a: owner is missing", subject="a")
    findings.unverified("tags: b: owner is missing", None, subject="b")
    findings.fail("tags: c: owner is missing")
    assert len(lines(findings)) == 2 + 3  # one heading for what fails, one for what is unverified


def test_what_holds_is_a_line_unless_all_is_asked_for() -> None:
    findings = Findings()
    findings.holds("this")
    findings.holds("that")
    assert lines(findings) == ["✓ rules       2 of 2  Does every resource keep the rules?"]
    assert lines(findings, verbose=True)[1:] == ["    ✓ this", "    ✓ that"]
