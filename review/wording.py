"""Puts into words what happens to resources: each change with its sentence, its effect and its grade."""

from collections.abc import Iterator, Mapping

from review import impact, permissions
from review.grading import judged
from review.model import GAINED, KEPT, LOST, Change, Difference, Part, Way
from review.resources import ResourceChange, top

TOLD = 4
"""How many inputs a sentence names."""


def told(
    found: Mapping[str, ResourceChange], *, is_production: bool, rolls: bool | None = None
) -> Iterator[Change]:
    """What happens to each resource of a stack; `rolls` says whether its pods are replaced."""
    effects = impact.told(found, is_production=is_production, rolls=rolls)
    for subject, change in found.items():
        after = None if change.way is Way.DELETED else change.resource
        effect, title = effects.get(subject, ("", ()))
        granted = permissions.change(change.before, after)
        judgement = judged(change, granted, found)
        yield Change(
            part=Part.PERMISSION if granted else Part.RESOURCE,
            subject=subject,
            way=change.way,
            sentence=_sentence(subject, change),
            effect=effect,
            effects=title,
            grade=judgement.grade,
            reason=judgement.reason,
            differences=_differences(change, granted),
        )


def _sentence(subject: str, change: ResourceChange) -> str:
    match change.way:
        case Way.CREATED:
            return f"{subject} is created"
        case Way.DELETED | Way.REPLACED:
            return f"{subject} is {change.way}" + (
                f", by {', '.join(by)}" if (by := change.replaced_by) else ""
            )
        case Way.MOVED:
            return f"{subject} is {change.way}"
        case _:
            more = ", …" if len(change.inputs) > TOLD else ""
            return f"{subject} is updated in place: {', '.join(change.inputs[:TOLD])}{more}"


def _differences(
    change: ResourceChange, granted: permissions.PermissionChange | None
) -> tuple[Difference, ...]:
    """The change's differences, with those of a policy document as rights."""
    if granted is None:
        return change.differences
    document = permissions.DOCUMENTS[change.resource.type]
    return (
        *(Difference(path=GAINED, before=None, after=str(each)) for each in granted.gained),
        *(Difference(path=LOST, before=str(each), after=None) for each in granted.lost),
        *(Difference(path=KEPT, before=None, after=str(each)) for each in granted.narrowed),
        *(Difference(path=document, before=None, after=None, note=note) for note in [granted.unread] if note),
        *(each for each in change.differences if top(each.path) != document),
    )
