"""A stack's rehearsals at both revisions as its review, also where one is missing, fails, or is refused."""

from collections.abc import Iterator
from dataclasses import replace

from review.compare import compare, failures
from review.grading import leaving
from review.model import Change, Grade, Part, StackReview, Way, worst_first
from review.rehearsals import Rehearsed
from review.snapshot import Snapshot, SnapshotError, read


def reviewed(stack: str, old: Rehearsed | None, new: Rehearsed | None) -> StackReview:
    """What becomes of a stack; None where a revision doesn't have it."""
    if new is None:
        return _alone(
            stack,
            Way.DELETED,
            "its file is gone, and nothing manages the region any more",
            Grade.DANGEROUS,
            "what was built stays, and is forgotten; destroy the stack first",
        )
    if new.report is None:
        return _alone(
            stack, Way.UPDATED, "it can't be built", Grade.DANGEROUS, "`up` would fail", new.problem
        )
    try:
        return _compared_with(old, read(new.report))
    except SnapshotError as unreadable:
        return _incomparable(stack, "the rehearsals can't be compared", str(unreadable))


def _compared_with(old: Rehearsed | None, after: Snapshot) -> StackReview:
    if old is None:
        return _built(after)
    if old.report is None:
        return _incomparable(after.stack, "the base can't be rehearsed", old.problem)
    before = read(old.report)
    if before.failures and not after.failures:
        return _incomparable(after.stack, "a provider refuses the base", "\n".join(before.failures))
    return compare(before, after)


def _incomparable(stack: str, what: str, said: str) -> StackReview:
    reason = "what it changes isn't known: read the preview of the real stack"
    return _alone(stack, Way.UPDATED, f"{what}, so nothing is compared", Grade.LOOK, reason, said)


def _built(after: Snapshot) -> StackReview:
    """A stack that is new."""
    review = _alone(
        after.stack,
        Way.CREATED,
        f"a new region is built, of {len(after.resources)} resources",
        Grade.LOOK,
        "it costs, and nothing uses it yet",
    )
    told = [*failures(after), *_leaving(after), *review.changes]
    return replace(review, region=after.region, profile=after.profile, changes=worst_first(told))


def _leaving(after: Snapshot) -> Iterator[Change]:
    """A new database of a version that RDS doesn't support much longer."""
    for subject, resource in after.resources.items():
        if soon := leaving(resource):
            yield Change(
                part=Part.RESOURCE,
                subject=subject,
                way=Way.CREATED,
                sentence=f"{subject} is created",
                effect="",
                grade=Grade.DANGEROUS,
                reason=soon,
            )


def _alone(  # noqa: PLR0913, PLR0917 a change's parts
    stack: str, way: Way, sentence: str, grade: Grade, reason: str, quoted: str = ""
) -> StackReview:
    """A stack of which there is one thing to say."""
    change = Change(
        part=Part.STACK,
        subject=stack,
        way=way,
        sentence=sentence,
        effect="",
        grade=grade,
        reason=reason,
        quoted=quoted,
    )
    return StackReview(stack=stack, region="", profile="", changes=(change,), rolls=None, rolls_because="")
