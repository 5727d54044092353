"""A review from start to end: two revisions, the stacks of both, and what happens to each."""

import importlib
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.project import UsageError as FileUsageError
from engine.project import read_project, stack_name
from review.errors import UsageError
from review.model import Change, Review, StackReview, worst_first
from review.rehearsals import Interpreter, Progress, Rehearsed, Task, rehearse_all
from review.revisions import DEPENDENCIES, JUDGES, Repository, Revision, changed_files

BASE, HEAD = "base", "head"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to review."""

    root: Path
    """Folder of Pulumi.yaml, in the work tree under review."""
    base: str | None
    """The revision to compare with; None to read plans only."""
    is_deployed: bool = False
    """Whether to compare with `base` itself, which regions run, or with where the work tree branched off."""
    plans: Sequence[Path] = ()
    """Files that `pulumi preview --json` printed."""
    stacks: Sequence[str] = ()
    """The stacks to rehearse; empty for all."""
    acknowledged: Mapping[str, str] = field(default_factory=dict[str, str])
    """Reasons by fingerprint."""


def review(request: Request, progress: Progress) -> Review:
    """Compare the work tree with the base, and read the plans.

    Raises:
        UsageError: there is no such revision, stack, plan or fingerprint.
    """
    try:
        project = str(read_project(request.root).get("name", ""))
        request = replace(request, stacks=[stack_name(each, project) for each in request.stacks])
    except FileUsageError as wrong:
        raise UsageError(str(wrong)) from None
    repository = Repository(root=request.root)
    base, notes = "a plan", list[str]()
    reviews, concerning_all = [*_planned(request.plans, project)], list[Change]()
    if request.base is not None:
        commit = repository.commit(request.base, is_exact=request.is_deployed)
        how = "as it is" if request.is_deployed else "where the work tree parted from it"
        base = f"{request.base} ({commit[:10]})"
        notes += [f"Compared with {request.base} {how}."] if request.is_deployed else []
        if repository.is_dirty():
            notes.append("The work tree holds changes that are in no commit; it is reviewed as it is.")
        compared, files = _compared(request, project, repository, commit, notes, progress)
        reviews += compared
        concerning_all += files
    changes = [*concerning_all, *(change for each in reviews for change in each.changes)]
    known = {change.fingerprint for change in changes}
    unknown = [each for each in request.acknowledged if each not in known]
    if unknown:
        raise UsageError(f'--acknowledge: no change here has the fingerprint "{unknown[0]}"')
    settled = [
        replace(each, changes=tuple(_acknowledge(each.changes, request.acknowledged))) for each in reviews
    ]
    return Review(
        base=base,
        head=repository.describe(),
        notes=tuple(notes),
        stacks=tuple(sorted(settled, key=lambda each: (-each.grade, each.stack))),
        project=worst_first(_acknowledge(concerning_all, request.acknowledged)),
    )


def _planned(plans: Sequence[Path], project: str) -> Iterator[StackReview]:
    """What the plans do. Raises UsageError."""
    if plans:
        from review.plan import read_plan, reviewed  # slow to import, like `review.stacks`

        yield from (reviewed(read_plan(file, project)) for file in plans)


def _compared(  # noqa: PLR0913, PLR0917 what a review is made of
    request: Request,
    project: str,
    repository: Repository,
    commit: str,
    notes: list[str],
    progress: Progress,
) -> tuple[list[StackReview], list[Change]]:
    """The reviews of stacks that change, and the changes of files that concern all stacks."""
    with tempfile.TemporaryDirectory(prefix="maestro-review-") as folder:
        before = repository.unpack(BASE, commit, Path(folder))
        after = repository.work_tree(HEAD)
        names = _chosen(before, after, request.stacks)
        changed = [name for name in names if before.stack_digest(name) != after.stack_digest(name)]
        if before.deployed == after.deployed and not changed:
            return [], _files(before, after)
        interpreters = dict.fromkeys([before.name, after.name], Interpreter(python=Path(sys.executable)))
        if changed and before.digest(*DEPENDENCIES) != after.digest(*DEPENDENCIES):
            interpreters = {each.name: _interpreter(each, notes, progress) for each in (before, after)}
        tasks = [
            Task(
                revision=each,
                interpreter=interpreters[each.name],
                stacks=tuple(_of(each, changed)),
                judge=before,
            )
            for each in (before, after)
        ]
        concerning_all = list[Change]()
        rehearsed = rehearse_all(
            tasks, progress, meanwhile=lambda: concerning_all.extend(_files(before, after))
        )
        own = _by_its_own(before, after, rehearsed, tasks[1], progress)
        from review import charts
        from review.stacks import reviewed

        files = (before.stacks(), after.stacks())
        reviews = [
            reviewed(
                name,
                rehearsed.get((BASE, name)),
                rehearsed.get((HEAD, name)),
                own=own.get((HEAD, name)),
                settings=_settings(project, name, *files),
            )
            for name in changed
        ]
        found = [each for each in reviews if each.changes]
        counts = [pair for each in found for pair in each.templates.items()]
        rendered = dict(sorted(counts))  # the most of all stacks
        is_compared = any(each.rolls is not None for each in reviews)
        return found, [*concerning_all, *charts.told(before, after, rendered, is_compared=is_compared)]


def _by_its_own(
    before: Revision,
    after: Revision,
    rehearsed: Mapping[tuple[str, str], Rehearsed],
    task: Task,
    progress: Progress,
) -> dict[tuple[str, str], Rehearsed]:
    """For information: what the head's own judges say, if they differ and the base's can't rehearse it."""
    if before.deployed == after.deployed:
        return {}
    broken = [stack for stack in task.stacks if rehearsed[HEAD, stack].report is None]
    judges = [f"{package}/" for package in JUDGES]
    if not broken or not any(path.startswith(tuple(judges)) for path in changed_files(before, after)):
        return {}
    return rehearse_all([replace(task, stacks=tuple(broken), judge=after)], progress, meanwhile=lambda: None)


def _settings(
    project: str, stack: str, before: Mapping[str, Path], after: Mapping[str, Path]
) -> Callable[[bool], Iterator[Change]]:
    """A function for the changes of a stack file, which takes whether the rehearsals show anything unsafe."""
    from review import settings

    old, new = before.get(stack), after.get(stack)
    if new is None:
        return lambda _: iter(())
    if old is None:
        return lambda _: settings.told_of_new(project, new, before.values())
    return lambda shows: settings.told(project, old, new, shows=shows)


def _files(before: Revision, after: Revision) -> list[Change]:
    """Changes of files that concern all stacks. The imports happen only now, while rehearsals run."""
    _import_what_compares()
    from review import files

    return files.told(before, after)


def _import_what_compares() -> None:
    """Import what takes a tenth of a rehearsal's time; the program that runs can't exchange it any more."""
    for module in ("charts", "settings", "stacks"):
        importlib.import_module(f"review.{module}")


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


def _acknowledge(changes: Iterable[Change], reasons: Mapping[str, str]) -> Iterator[Change]:
    for change in changes:
        yield replace(change, acknowledged=reasons.get(change.fingerprint, ""))
