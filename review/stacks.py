"""A stack's review from its rehearsals at both revisions, even if one is missing, fails or is refused."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from review.compare import compare, failing, failures
from review.grading import leaving
from review.model import Change, Grade, Part, StackReview, Way, worst_first
from review.rehearsals import Rehearsed
from review.snapshot import Snapshot, SnapshotError, read


def reviewed(
    stack: str,
    old: Rehearsed | None,
    new: Rehearsed | None,
    *,
    own: Rehearsed | None = None,
    settings: Callable[[bool], Iterable[Change]] = lambda _: (),
) -> StackReview:
    """What happens to a stack; `old` or `new` is None if that revision doesn't have it.

    `own` is what the later revision's own judges say if the base's can't rehearse it; `settings` returns the
    changes of the stack file, and takes whether the rehearsals show anything that isn't safe.
    """
    if new is None:
        return _alone(
            stack,
            Way.DELETED,
            "its file is gone, and nothing manages the region any more",
            Grade.DANGEROUS,
            "what was built stays, and is forgotten; destroy the stack first",
        )
    found = _rehearsed(stack, old, new, own)
    return replace(
        found,
        changes=worst_first(
            [*found.changes, *settings(any(each.grade > Grade.SAFE for each in found.changes))]
        ),
    )


def _rehearsed(stack: str, old: Rehearsed | None, new: Rehearsed, own: Rehearsed | None) -> StackReview:
    if new.report is None and (own is None or own.report is None):
        return _alone(
            stack, Way.UPDATED, "it can't be built", Grade.DANGEROUS, "`up` would fail", new.problem
        )
    said = list[Change]()
    if new.report is None and own is not None:
        # The verdict remains the base's.
        reason = "the rest is what the pull request's own code says of itself"
        said += _alone(
            stack, Way.UPDATED, "the base's checks can't judge it", Grade.DANGEROUS, reason, new.problem
        ).changes
        new = own
    try:
        found = _compared_with(old, read(new.report or {}))
    except SnapshotError as unreadable:
        found = _incomparable(stack, "the rehearsals can't be compared", str(unreadable))
    return replace(found, changes=worst_first([*said, *found.changes]))


def _compared_with(old: Rehearsed | None, after: Snapshot) -> StackReview:
    if old is None:
        return _built(after)
    if old.report is None:
        return _incomparable(after.stack, "the base can't be rehearsed", old.problem, after)
    before = read(old.report)
    if before.failures and not after.failures:
        return _incomparable(after.stack, "a provider refuses the base", "\n".join(before.failures), after)
    return compare(before, after)


def _incomparable(stack: str, what: str, said: str, after: Snapshot | None = None) -> StackReview:
    """A stack that can't be compared; what the later revision alone shows is reported all the same."""
    reason = "what it changes isn't known: read the preview of the real stack"
    found = _alone(stack, Way.UPDATED, f"{what}, so nothing is compared", Grade.DANGEROUS, reason, said)
    return found if after is None else _with(found, after, (*failures(after), *failing(after)))


def _built(after: Snapshot) -> StackReview:
    """A new stack."""
    review = _alone(
        after.stack,
        Way.CREATED,
        f"a new region is built, of {len(after.resources) + len(after.components)} resources",
        Grade.LOOK,
        "it costs money, and nothing uses it yet",
    )
    return _with(review, after, (*failures(after), *_leaving(after), *failing(after)))


def _with(review: StackReview, after: Snapshot, more: Iterable[Change]) -> StackReview:
    return replace(
        review, region=after.region, profile=after.profile, changes=worst_first([*more, *review.changes])
    )


def _leaving(after: Snapshot) -> Iterator[Change]:
    """A new database whose version will soon leave RDS standard support."""
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
    """A stack about which there is one thing to say."""
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
