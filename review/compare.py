"""One stack at two revisions, as a review: every change with its sentence, its effect and its grade."""

from collections.abc import Iterator, Mapping

from rehearsal.checks import Status
from review import manifests, resources
from review.differences import differences
from review.grading import SECRET_VERSION, is_less
from review.model import Change, Difference, Grade, Part, StackReview, Way
from review.resources import ResourceChange
from review.snapshot import Snapshot
from review.telling import told, worst_first

NETWORK_POLICY = "NetworkPolicy"


def compare(before: Snapshot, after: Snapshot) -> StackReview:
    """What the later revision changes."""
    found = resources.changes(before, after)
    reasons = _why_pods_roll(before, after, found)
    changes = [
        *_failures(after),
        *told(found, is_production=after.profile == "production"),
        *_of_objects(before, after, reasons),
        *_of_outputs(before, after),
        *_of_checks(before, after),
    ]
    return StackReview(
        stack=after.stack,
        region=after.region,
        profile=after.profile,
        changes=worst_first(changes),
        rolls=bool(reasons),
        rolls_because="; ".join(reasons),
        resources=tuple(
            (subject, resources.dependents(after, subject)) for subject in found if subject in after.resources
        ),
    )


def _failures(after: Snapshot) -> Iterator[Change]:
    for failure in after.failures:
        yield Change(
            part=Part.STACK,
            subject=after.stack,
            way=Way.UPDATED,
            sentence=f"`up` would fail: {failure}",
            effect="",
            grade=Grade.DANGEROUS,
            reason="it can't be built",
        )


# --- the release's objects ----------------------------------------------------------------------------


def _why_pods_roll(before: Snapshot, after: Snapshot, found: Mapping[str, ResourceChange]) -> list[str]:
    reasons = manifests.why_pods_roll(before, after)
    for subject, change in found.items():
        if change.resource.type == SECRET_VERSION and change.way is Way.REPLACED:
            annotation = manifests.annotated_with(after, subject)
            if annotation:
                reasons.append(manifests.EXPLAINED.get(annotation, f"{annotation} changes"))
    return list(dict.fromkeys(reasons))


def _of_objects(before: Snapshot, after: Snapshot, reasons: list[str]) -> Iterator[Change]:
    for change in manifests.changes(before, after):
        grade, reason = _object_grade(change, reasons)
        yield Change(
            part=Part.OBJECT,
            subject=change.subject,
            way=change.way,
            sentence=f"{change.subject} is {change.way.value}",
            effect="rolling restart" if change.subject == manifests.DEPLOYMENT and reasons else "",
            grade=grade,
            reason=reason,
            differences=change.differences,
        )


def _object_grade(change: manifests.ObjectChange, reasons: list[str]) -> tuple[Grade, str]:
    kind = change.subject.partition(" ")[0]
    if kind == NETWORK_POLICY:
        return Grade.DANGEROUS, "others may reach the server, or it may no longer be reached"
    if change.way is Way.DELETED:
        return Grade.DANGEROUS, "what it does for the server ends"
    if change.subject == manifests.DEPLOYMENT:
        for difference in change.differences:
            if difference.path == "spec.replicas" and is_less(difference.before, difference.after):
                return Grade.DANGEROUS, "fewer pods are left to fail"
        if reasons:
            return Grade.LOOK, f"pods roll because {'; '.join(reasons)}"
        return Grade.LOOK, "the Deployment changes, and no pod is replaced"
    return Grade.LOOK, "the release changes, and no pod is replaced by it alone"


# --- outputs and checks ---------------------------------------------------------------------------------


def _of_outputs(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    for name in sorted({*before.outputs, *after.outputs}):
        if name not in after.outputs:
            yield _output(name, Way.DELETED, "is removed", Grade.DANGEROUS, "consumers that read it break")
        elif name not in before.outputs:
            yield _output(name, Way.CREATED, "is added", Grade.SAFE, "no consumer reads it yet")
        else:
            old, new = before.outputs[name], after.outputs[name]
            found = tuple(differences(old, new, name))
            if not found:
                continue
            if type(old) is not type(new):
                kinds = f"{type(old).__name__} to {type(new).__name__}"
                yield _output(
                    name,
                    Way.UPDATED,
                    f"changes its type, {kinds}",
                    Grade.DANGEROUS,
                    "consumers that read it break",
                    found,
                )
            else:
                yield _output(name, Way.UPDATED, "changes", Grade.LOOK, "consumers get another value", found)


def _output(  # noqa: PLR0913, PLR0917 a change's parts
    name: str,
    way: Way,
    what: str,
    grade: Grade,
    reason: str,
    found: tuple[Difference, ...] = (),
) -> Change:
    return Change(
        part=Part.OUTPUT,
        subject=name,
        way=way,
        sentence=f"output {name} {what}",
        effect="",
        grade=grade,
        reason=reason,
        differences=found,
    )


def _of_checks(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    for name, status in sorted(before.checks.items()):
        now = after.checks.get(name)
        if status != Status.FAILS and now == Status.FAILS:
            yield Change(
                part=Part.CHECK,
                subject=name,
                way=Way.UPDATED,
                sentence=f"the rehearsal's check {name} no longer holds",
                effect="",
                grade=Grade.DANGEROUS,
                reason=f"`python -m rehearsal --stack {after.stack}` says what is wrong",
            )
