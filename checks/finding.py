"""The result of a check: findings, each with its evidence, and the worst of them."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from engine.run import UnverifiedError

PREVIEW = "pulumi preview --diff"
"""Shows what the real providers make of the plan."""


class Status(StrEnum):
    """How a finding stands. What can't be known here is unverified, never passed."""

    HOLDS = "holds"
    UNVERIFIED = "unverified"
    FAILS = "fails"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at."""

    status: Status
    text: str
    """What was found, with its evidence."""
    remedy: str | None = None
    """A command that verifies what is unverified, or fixes what fails."""
    page: str | None = None
    """Where to read more: a file and its anchor."""
    name: str | None = None
    """Name of the question that it answers, if a check asks several."""
    subject: str | None = None
    """The part of the text that names one of several: findings that differ only in it are shown as one."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A question about the plan, and its answer."""

    name: str
    question: str
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst of its findings; a check that found nothing to look at fails."""
        order = (Status.FAILS, Status.UNVERIFIED, Status.HOLDS)
        found = {finding.status for finding in self.findings}
        return next((status for status in order if status in found), Status.FAILS)


@dataclass
class Findings:
    """Collects findings while a check runs."""

    found: list[Finding] = field(default_factory=list[Finding])

    def expect(
        self,
        holds: bool,  # noqa: FBT001 reads as a statement
        text: str,
        otherwise: str,
        remedy: str | None = None,
    ) -> None:
        """`text` if it holds, else a failure that says `otherwise`, and what fixes it."""
        if holds:
            self.holds(text)
        else:
            self.fail(otherwise, remedy)

    def holds(self, text: str) -> None:
        """Something that holds."""
        self.found.append(Finding(status=Status.HOLDS, text=text))

    def fail(self, text: str, remedy: str | None = None, *, subject: str | None = None) -> None:
        """A failure, and what fixes it."""
        self.found.append(Finding(status=Status.FAILS, text=text, remedy=remedy, subject=subject))

    def unverified(self, text: str, remedy: str | None, *, subject: str | None = None) -> None:
        """Something that isn't known here, and what would show it."""
        self.found.append(Finding(status=Status.UNVERIFIED, text=text, remedy=remedy, subject=subject))

    @contextmanager
    def refusing(self, *refusals: type[Exception]) -> Generator[None]:
        """Turn one of these exceptions into a failure of the check, and an unknown into unverified."""
        try:
            yield
        except UnverifiedError as unknown:
            self.unverified(str(unknown), PREVIEW)
        except refusals as refusal:
            self.fail(str(refusal))
