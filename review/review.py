"""A review from start to end: two revisions, the stacks of both, what each becomes."""

import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from review.compare import compare
from review.errors import UsageError
from review.model import Change, Grade, Part, Review, StackReview, Way
from review.rehearsals import Progress, Rehearsed, Task, rehearse_all
from review.revisions import DEPENDENCIES, Repository, Revision
from review.snapshot import SnapshotError, read

BASE, HEAD = "base", "head"


def review(
    root: Path, base: str, *, stacks: Sequence[str], acknowledged: Mapping[str, str], progress: Progress
) -> Review:
    """Compare the work tree in `root` with where it parted from revision `base`.

    `stacks` are those to look at, all if there are none; `acknowledged` are reasons by subject.

    Raises:
        UsageError: there is no such revision, stack or subject.
    """
    repository = Repository(root=root)
    if not (root / "Pulumi.yaml").is_file():
        raise UsageError(f"there is no Pulumi.yaml in {root}; run it in the project's folder")
    commit = repository.commit(base)
    notes: list[str] = []
    if repository.is_dirty():
        notes.append("The work tree holds changes that are in no commit; it is reviewed as it is.")
    with tempfile.TemporaryDirectory(prefix="maestro-review-") as folder:
        before = Revision(name=BASE, root=repository.unpack(commit, Path(folder)))
        after = Revision(name=HEAD, root=root)
        if before.digest(*DEPENDENCIES) != after.digest(*DEPENDENCIES):
            notes.append(
                "The revisions pin different dependencies; both were rehearsed with this checkout's."
            )
        names = _chosen(before, after, stacks)
        changed = [name for name in names if before.stack_digest(name) != after.stack_digest(name)]
        tasks = [
            Task(revision=each, python=Path(sys.executable), stacks=tuple(_of(each, changed)))
            for each in (before, after)
        ]
        rehearsed = rehearse_all(tasks, progress)
    reviews = [_reviewed(stack, rehearsed, before=BASE, after=HEAD) for stack in changed]
    known = {change.subject for each in reviews for change in each.changes}
    unknown = [subject for subject in acknowledged if subject not in known]
    if unknown:
        raise UsageError(f'--acknowledge: nothing happens to "{unknown[0]}"')
    settled = [_acknowledge(each, acknowledged) for each in reviews]
    return Review(
        base=f"{base} ({commit[:10]})",
        head=repository.describe(),
        notes=tuple(notes),
        stacks=tuple(sorted(settled, key=lambda each: (-each.grade, each.stack))),
    )


def _chosen(before: Revision, after: Revision, wanted: Sequence[str]) -> list[str]:
    there = sorted({*before.stacks(), *after.stacks()})
    if not there:
        raise UsageError("neither revision has a stack file (Pulumi.<stack>.yaml)")
    for name in wanted:
        if name not in there:
            raise UsageError(f'there is no stack "{name}"; there are {", ".join(there)}')
    return [name for name in there if not wanted or name in wanted]


def _of(revision: Revision, stacks: Collection[str]) -> list[str]:
    return [stack for stack in revision.stacks() if stack in stacks]


def _reviewed(
    stack: str, rehearsed: Mapping[tuple[str, str], Rehearsed], *, before: str, after: str
) -> StackReview:
    old, new = rehearsed.get((before, stack)), rehearsed.get((after, stack))
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
            stack, Way.UPDATED, f"it can't be built: {new.problem}", Grade.DANGEROUS, "`up` would fail"
        )
    try:
        after_it = read(new.report)
        if old is None:
            return _alone(stack, Way.CREATED, "a new region is built", Grade.LOOK, "it costs")
        if old.report is None:
            return _alone(
                stack,
                Way.UPDATED,
                f"the base can't be rehearsed, so there is nothing to compare with: {old.problem}",
                Grade.LOOK,
                "what it changes isn't known: read the preview of the real stack",
            )
        return compare(read(old.report), after_it)
    except SnapshotError as unreadable:
        return _alone(stack, Way.UPDATED, str(unreadable), Grade.LOOK, "what it changes isn't known")


def _alone(stack: str, way: Way, sentence: str, grade: Grade, reason: str) -> StackReview:
    """A stack of which there is one thing to say."""
    change = Change(
        part=Part.STACK, subject=stack, way=way, sentence=sentence, effect="", grade=grade, reason=reason
    )
    return StackReview(stack=stack, region="", profile="", changes=(change,), rolls=False, rolls_because="")


def _acknowledge(stack: StackReview, reasons: Mapping[str, str]) -> StackReview:
    changes = tuple(replace(change, acknowledged=reasons.get(change.subject, "")) for change in stack.changes)
    return replace(stack, changes=changes)
