"""What the person sees: what fails and what is unverified first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from checks.finding import Check, Finding, Status
from checks.report import check_lines
from common.terminal import Colours, wrapped
from doctor.case import Case


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One examination of a stack."""

    case: Case
    phase: str
    checks: tuple[Check, ...]
    seconds: float

    def findings(self, status: Status) -> list[Finding]:
        """Those that stand so, in order."""
        return [finding for check in self.checks for finding in check.findings if finding.status is status]

    @property
    def is_content(self) -> bool:
        """Whether nothing fails."""
        return not self.findings(Status.FAILS)


def as_text(diagnosis: Diagnosis, colour: Colours, *, verbose: bool) -> str:
    """The report for a person."""
    return "\n".join(_lines(diagnosis, colour, verbose=verbose)) + "\n"


def _lines(diagnosis: Diagnosis, colour: Colours, *, verbose: bool) -> Iterator[str]:
    case, settings = diagnosis.case, diagnosis.case.settings
    profile = "production" if settings.is_production else "dev"
    yield colour(f"{case.stack.project} · stack {case.stack.name} · {diagnosis.phase}", "1")
    yield from wrapped(
        "", f"cluster {settings.cluster_name} in {settings.region}, account {case.identity.account}, profile "
        f"{profile}", indent="  ",
    )  # fmt: skip
    yield ""
    if verbose:
        for check in diagnosis.checks:
            yield from check_lines(check, colour)
    else:
        for status in (Status.FAILS, Status.UNVERIFIED):
            yield from _standing(diagnosis.checks, status, colour)
        held = [check.name for check in diagnosis.checks if check.status is Status.HOLDS]
        count = len(diagnosis.findings(Status.HOLDS))
        if count:
            whole = f"; all of {', '.join(held)}" if held else ""
            told = f"{count} things hold{whole} (--verbose lists them)"
            yield from wrapped(f"{colour('✓', '32')} ", told, indent="  ")
    yield ""
    yield _verdict(diagnosis, colour)


def _standing(checks: Sequence[Check], status: Status, colour: Colours) -> Iterator[str]:
    """The checks with the findings that stand so, and without the rest."""
    for check in checks:
        findings = tuple(finding for finding in check.findings if finding.status is status)
        if findings:
            yield from check_lines(replace(check, findings=findings), colour)


def _verdict(diagnosis: Diagnosis, colour: Colours) -> str:
    fails, open_ = (len(diagnosis.findings(status)) for status in (Status.FAILS, Status.UNVERIFIED))
    told = f"{_things(fails, 'fail')}, {_things(open_, 'are')} unverified, in {diagnosis.seconds:.1f} s"
    return colour(told, "31" if fails else "32")


def _things(count: int, verb: str) -> str:
    return f"1 thing {'is' if verb == 'are' else f'{verb}s'}" if count == 1 else f"{count} things {verb}"
