"""A review from start to end: two revisions, the stacks of both, what each becomes."""

import importlib
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.project import UsageError as FileUsageError
from engine.project import read_project, stack_name
from review.errors import UsageError
from review.model import Change, Grade, Part, Review, StackReview, Way, worst_first
from review.rehearsals import Interpreter, Progress, Task, rehearse_all
from review.revisions import DEPENDENCIES, RUN_TIME, Repository, Revision

BASE, HEAD = "base", "head"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to review."""

    root: Path
    """Folder of Pulumi.yaml: the work tree as it is."""
    base: str | None
    """The revision to compare with; None to read plans only."""
    plans: Sequence[Path] = ()
    """Files that `pulumi preview --json` printed."""
    stacks: Sequence[str] = ()
    """Those to rehearse; all if there are none."""
    acknowledged: Mapping[str, str] = field(default_factory=dict[str, str])
    """Reasons by subject."""


def review(request: Request, progress: Progress) -> Review:
    """Compare the work tree with where it parted from the base, and read the plans.

    Raises:
        UsageError: there is no such revision, stack, plan or subject.
    """
    try:
        project = str(read_project(request.root).get("name", ""))
        request = replace(request, stacks=[stack_name(each, project) for each in request.stacks])
    except FileUsageError as wrong:
        raise UsageError(str(wrong)) from None
    repository = Repository(root=request.root)
    base, notes = "a plan", list[str]()
    reviews = [*_planned(request.plans, project)]
    if request.base is not None:
        commit = repository.commit(request.base)
        base = f"{request.base} ({commit[:10]})"
        if repository.is_dirty():
            notes.append("The work tree holds changes that are in no commit; it is reviewed as it is.")
        reviews += _compared(request, repository, commit, notes, progress)
    known = {change.subject for each in reviews for change in each.changes}
    unknown = [subject for subject in request.acknowledged if subject not in known]
    if unknown:
        raise UsageError(f'--acknowledge: nothing happens to "{unknown[0]}"')
    settled = [_acknowledge(each, request.acknowledged) for each in reviews]
    return Review(
        base=base,
        head=repository.describe(),
        notes=tuple(notes),
        stacks=tuple(sorted(settled, key=lambda each: (-each.grade, each.stack))),
    )


def _planned(plans: Sequence[Path], project: str) -> Iterator[StackReview]:
    """What the plans do. Raises UsageError."""
    if plans:
        from review.plan import read_plan, reviewed  # as slow to import as what compares

        yield from (reviewed(read_plan(file, project)) for file in plans)


def _compared(
    request: Request, repository: Repository, commit: str, notes: list[str], progress: Progress
) -> list[StackReview]:
    """Each stack whose two rehearsals may differ; what the reader must know goes to `notes`."""
    with tempfile.TemporaryDirectory(prefix="maestro-review-") as folder:
        before = Revision(name=BASE, root=repository.unpack(commit, Path(folder)))
        after = Revision(name=HEAD, root=request.root)
        names = _chosen(before, after, request.stacks)
        changed = [name for name in names if before.stack_digest(name) != after.stack_digest(name)]
        here = Interpreter(python=Path(sys.executable))
        interpreters, dependencies = {BASE: here, HEAD: here}, list[Change]()
        if changed and before.digest(*DEPENDENCIES) != after.digest(*DEPENDENCIES):
            interpreters = {each.name: _interpreter(each, notes, progress) for each in (before, after)}
            dependencies += _dependencies(before, after)
        tasks = [
            Task(revision=each, interpreter=interpreters[each.name], stacks=tuple(_of(each, changed)))
            for each in (before, after)
        ]
        rehearsed = rehearse_all(tasks, progress, meanwhile=_import_what_compares)
    from review.stacks import reviewed

    reviews = [reviewed(name, rehearsed.get((BASE, name)), rehearsed.get((HEAD, name))) for name in changed]
    return [replace(each, changes=worst_first([*each.changes, *dependencies])) for each in reviews]


def _import_what_compares() -> None:
    """The providers' tables take a tenth of the time of a rehearsal."""
    importlib.import_module("review.stacks")


def _interpreter(revision: Revision, notes: list[str], progress: Progress) -> Interpreter:
    from review.environments import interpreter_for  # rarely needed

    progress(f"looking for what the {revision.name} pins")
    found = interpreter_for(revision)
    if found.problem:
        notes.append(
            f"What the {revision.name} pins couldn't be installed, so it was rehearsed with what is here: "
            f"{found.problem}"
        )
    return found


def _dependencies(before: Revision, after: Revision) -> Iterator[Change]:
    """What the program runs with, where that changes."""
    from review.environments import changed_pins

    for name, (old, new) in changed_pins(before, after, RUN_TIME).items():
        is_provider = name.startswith("pulumi-")
        yield Change(
            part=Part.DEPENDENCY,
            subject=name,
            way=Way.UPDATED if old and new else Way.CREATED if new else Way.DELETED,
            sentence=f"{name} goes from {old or 'nothing'} to {new or 'nothing'}",
            effect="",
            grade=Grade.LOOK,
            reason="the provider's plugin goes with it, which no rehearsal runs: read the real preview"
            if is_provider
            else "the program runs with it",
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


def _acknowledge(stack: StackReview, reasons: Mapping[str, str]) -> StackReview:
    changes = tuple(replace(change, acknowledged=reasons.get(change.subject, "")) for change in stack.changes)
    return replace(stack, changes=changes)
