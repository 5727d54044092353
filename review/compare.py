"""Compares one stack at two revisions: every change with its sentence, its effect and its grade."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from policies import types
from review import manifests, move, objects, resources
from review.differences import differences
from review.grading import UPGRADES
from review.manifests import ObjectChange
from review.model import Change, Difference, Grade, Part, StackReview, Way, worst_first
from review.resources import ResourceChange
from review.snapshot import CheckResult, Snapshot
from review.wording import told

CHART_DIGEST = "values.chartDigest"
"""The chart value that changes with every edit of the chart's files."""


def compare(before: Snapshot, after: Snapshot) -> StackReview:
    """The review of a stack: what the later revision changes."""
    before = resources.aligned(before, after)
    found = resources.changes(before, after)
    if after.failures:
        return _refused(after, found)
    moved = move.move_of(found, after.region)
    found = move.paired(found, moved)
    reasons = objects.why_pods_roll(before, after, found)
    differing = [*manifests.changes(before, after)]
    of_objects = [*objects.told(differing, before, after, found, reasons)]
    of_resources = told(found, is_production=after.profile == "production", rolls=bool(reasons))
    changes = [
        *move.told(found, moved, after.stack),
        *_told_once([*of_resources], of_objects, found),
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
        clusters=move.clusters_of(before, after),
        templates=_templates(before, after, differing),
        resources=tuple(
            (subject, resources.dependents(after, subject)) for subject in found if subject in after.resources
        ),
    )


def _templates(before: Snapshot, after: Snapshot, differing: Iterable[ObjectChange]) -> Mapping[str, int]:
    """By template of the objects that differ, how many more kinds they name."""
    more: dict[str, dict[str, int]] = {}
    for each in differing:
        count = manifests.kinds_in({**(each.after or {})}) - manifests.kinds_in({**(each.before or {})})
        for template in {s.templates[each.subject] for s in (before, after) if each.subject in s.templates}:
            own = more.setdefault(template, {})
            own[each.subject] = max(count, own.get(each.subject, count))
    return {template: sum(own.values()) for template, own in more.items()}


def _refused(after: Snapshot, found: Mapping[str, ResourceChange]) -> StackReview:
    """What a provider refuses, and what is made before that; what would come after is unknown."""
    made = {subject: change for subject, change in found.items() if change.way is not Way.DELETED}
    of_resources = told(made, is_production=after.profile == "production")
    return StackReview(
        stack=after.stack,
        region=after.region,
        profile=after.profile,
        changes=worst_first([*failures(after), *of_resources]),
        rolls=None,
        rolls_because="",
    )


def _told_once(
    of_resources: list[Change], of_objects: list[Change], found: Mapping[str, ResourceChange]
) -> Iterator[Change]:
    """Report an upgrade of the release once, with its objects: the values that differ are their cause."""
    if not of_objects:
        yield from (_if_only_words(change, found) for change in of_resources)
        return
    upgrades = [each for each in of_resources if {*each.reason.split("; ")} <= {UPGRADES, resources.FOLLOWS}
                and found[each.subject].resource.type == types.RELEASE]  # fmt: skip
    yield from (each for each in of_resources if each not in upgrades)
    if not upgrades:
        yield from of_objects
        return
    (upgrade, *_) = upgrades
    causes = tuple(each for each in upgrade.differences if each.path != CHART_DIGEST)
    first = next((each for each in of_objects if each.subject.startswith("Deployment ")), of_objects[0])
    for each in of_objects:
        if each is first:
            effect = each.effect or upgrade.effect
            effects = each.effects or upgrade.effects
            yield replace(each, causes=causes, resource=upgrade.subject, effect=effect, effects=effects)
        else:
            yield each


def _if_only_words(change: Change, found: Mapping[str, ResourceChange]) -> Change:
    """A release is safe if only the chart's digest differs, and no object does."""
    is_release = found[change.subject].resource.type == types.RELEASE
    if not is_release or {each.path for each in change.differences} != {CHART_DIGEST}:
        return change
    reason = "the chart's files differ, and render the same objects"
    return replace(change, grade=Grade.SAFE, reason=reason)


def failures(after: Snapshot) -> Iterator[Change]:
    """What providers refuse."""
    for failure in after.failures:
        yield Change(
            part=Part.STACK,
            subject=after.stack,
            way=Way.UPDATED,
            sentence="a provider refuses it",
            effect="",
            grade=Grade.DANGEROUS,
            reason="`up` would fail",
            quoted=failure,
        )


# --- outputs and checks ---------------------------------------------------------------------------------


_JSON_TYPES: Mapping[type, str] = {
    bool: "boolean",
    dict: "object",
    float: "number",
    int: "integer",
    list: "array",
    str: "string",
    type(None): "null",
}


def _of_outputs(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    told = partial(_told, Part.OUTPUT, "output")
    for name in sorted({*before.outputs, *after.outputs}):
        if name not in after.outputs:
            yield told(name, Way.DELETED, "is removed", Grade.DANGEROUS, "consumers that read it break")
        elif name not in before.outputs:
            yield told(name, Way.CREATED, "is added", Grade.SAFE, "no consumer reads it yet")
        else:
            old, new = before.outputs[name], after.outputs[name]
            found = tuple(differences(old, new, name))
            if type(old) is not type(new):
                what = f"changes its type, {_JSON_TYPES[type(old)]} to {_JSON_TYPES[type(new)]}"
                reason = "consumers that read it break"
                yield told(name, Way.UPDATED, what, Grade.DANGEROUS, reason, differences=found)
            elif found:
                reason = "consumers get another value"
                yield told(name, Way.UPDATED, "changes", Grade.LOOK, reason, differences=found)


def _of_checks(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """What a check finds that it didn't find before: new failures show even if it failed already."""
    for name in sorted({*before.checks, *after.checks}):
        was, now = before.checks.get(name), after.checks.get(name)
        if now is None:
            reason = "nothing says whether it holds"
            yield _told(
                Part.CHECK,
                "the rehearsal's check",
                name,
                Way.DELETED,
                "is no longer made",
                Grade.LOOK,
                reason,
            )
        elif was is None or now.fails:
            yield from _failing(name, now, set() if was is None else {*was.failures})


def failing(after: Snapshot) -> Iterator[Change]:
    """Every check that doesn't hold."""
    for name, now in sorted(after.checks.items()):
        yield from _failing(name, now, set())


def _failing(name: str, now: CheckResult, known: set[str]) -> Iterator[Change]:
    new = [failure for failure in now.failures if failure not in known]
    if new:
        what = "finds more that doesn't hold" if known else "no longer holds"
        reason, said = "the region would not work, or not as it should", "\n".join(new)
        yield _told(
            Part.CHECK, "the rehearsal's check", name, Way.UPDATED, what, Grade.DANGEROUS, reason, quoted=said
        )


def _told(  # noqa: PLR0913, PLR0917 a change's parts
    part: Part,
    kind: str,
    name: str,
    way: Way,
    what: str,
    grade: Grade,
    reason: str,
    *,
    differences: tuple[Difference, ...] = (),
    quoted: str = "",
) -> Change:
    return Change(
        part=part,
        subject=name,
        way=way,
        sentence=f"{kind} {name} {what}",
        effect="",
        grade=grade,
        reason=reason,
        differences=differences,
        quoted=quoted,
    )
