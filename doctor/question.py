"""Questions, and how all of them are asked at once."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace

from checks.aws_policy import PolicyError
from checks.finding import Check, Finding, Findings, Status
from doctor.case import Case
from doctor.errors import UnaskedError

AT_ONCE = 24
"""How many questions are asked at the same time; they wait for AWS, not for this machine."""
PAGE = "docs/doctor.md"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to ask."""

    name: str
    """Also its anchor in docs/doctor.md."""
    that: str
    """What is unverified if it can't be asked: "that the cluster is ACTIVE"."""
    ask: Callable[[Case, Findings], None]


@dataclass(frozen=True, kw_only=True)
class Category:
    """Questions that are reported together."""

    name: str
    question: str
    before: tuple[Question, ...] = ()
    """Asked before anything is built."""
    after: tuple[Question, ...] = ()
    """Asked about what is built, even if only half of it is."""

    def of(self, phase: str) -> tuple[Question, ...]:
        """The questions of a phase, "before" or "after"."""
        return self.before if phase == "before" else self.after


def ask_all(
    categories: Sequence[Category], case: Case, phase: str, progress: Callable[[str], None]
) -> tuple[Check, ...]:
    """The answers of every category."""
    asked = [(category, question) for category in categories for question in category.of(phase)]
    with ThreadPoolExecutor(AT_ONCE) as together:
        answers = {together.submit(_answer, question, case): question for _, question in asked}
        for done, _ in enumerate(as_completed(answers), 1):
            progress(f"{phase}: {done} of {len(asked)} questions")
    found = {question.name: answer.result() for answer, question in answers.items()}
    return tuple(
        Check(
            name=category.name,
            question=category.question,
            findings=tuple(finding for question in category.of(phase) for finding in found[question.name]),
        )
        for category in categories
        if category.of(phase)
    )


def _answer(question: Question, case: Case) -> tuple[Finding, ...]:
    findings = Findings()
    try:
        question.ask(case, findings)
    except UnaskedError as unasked:
        findings.unverified(f"{question.that}: {unasked}", unasked.remedy)
    except PolicyError as unknown:
        findings.unverified(f"{question.that}: {unknown}", None)
    return tuple(_placed(finding, question) for finding in findings.found)


def _placed(finding: Finding, question: Question) -> Finding:
    """The finding with its question's name and, if it fails, the page that explains it."""
    page = finding.page or f"{PAGE}#{question.name}"
    return replace(finding, name=question.name, page=page if finding.status is Status.FAILS else None)
