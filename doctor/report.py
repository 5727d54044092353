"""The report for people: what fails and what is unverified comes first."""

from collections.abc import Iterator
from dataclasses import dataclass

from checks.finding import Check, Finding, Status
from checks.report import check_lines, things
from common.terminal import Colours, wrapped
from doctor.case import Case


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The result of examining a stack."""

    case: Case
    phase: str
    checks: tuple[Check, ...]
    seconds: float

    def findings(self, status: Status) -> list[Finding]:
        """The findings with this status, in order."""
        return [finding for check in self.checks for finding in check.findings if finding.status is status]

    @property
    def is_content(self) -> bool:
        """Whether nothing fails."""
        return not self.findings(Status.FAILS)


def as_text(diagnosis: Diagnosis, colour: Colours, *, verbose: bool) -> str:
    """The report as text."""
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
    yield from check_lines(diagnosis.checks, colour, verbose=verbose)
    yield ""
    yield _verdict(diagnosis, colour)


def _verdict(diagnosis: Diagnosis, colour: Colours) -> str:
    fails, open_ = (len(diagnosis.findings(status)) for status in (Status.FAILS, Status.UNVERIFIED))
    told = f"{things(fails, 'fail')}, {things(open_, 'are')} unverified, in {diagnosis.seconds:.1f} s"
    return colour(told, "31" if fails else "32")
