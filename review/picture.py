"""A picture of a stack's changes: a Mermaid flowchart of what changes and what depends on it."""

from collections.abc import Iterator, Mapping

from review.escape import clipped, label
from review.model import Change, StackReview, worst

NODES = 40
"""Nobody reads more; the worst are kept."""
EDGES = 200
"""Mermaid refuses more than 500."""
LABEL = 70
"""Characters of a resource's name."""

# Dark text on light fills reads on GitHub's light and dark themes alike.
_CLASSES = {
    "dangerous": "fill:#ffebe9,stroke:#cf222e,stroke-width:3px,color:#1f2328",
    "look": "fill:#fff8c5,stroke:#9a6700,stroke-width:2px,color:#1f2328",
    "safe": "fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
    "unchanged": "fill:#f6f8fa,stroke:#59636e,stroke-dasharray:4 3,color:#1f2328",
}


def picture(stack: StackReview) -> tuple[str, ...]:
    """The flowchart's lines, with arrows from a resource to what depends on it; empty if none changes."""
    if not stack.resources:
        return ()
    return tuple(_lines(stack))


def _lines(stack: StackReview) -> Iterator[str]:
    changes = _worst_by_subject(stack.changes)
    classes = _classes(stack, changes)
    subjects = sorted(classes, key=lambda subject: list(_CLASSES).index(classes[subject]))[:NODES]
    ids = {subject: f"n{index}" for index, subject in enumerate(subjects)}
    edges = [
        (ids[subject], ids[dependent])
        for subject, dependents in stack.resources
        for dependent in dict.fromkeys(dependents)
        if subject in ids and dependent in ids
    ]
    yield "flowchart LR"
    for subject, id_ in ids.items():
        change = changes.get(subject)
        told = f" ({change.way}, {change.counts_as.word})" if change else ""
        yield f'  {id_}["{label(clipped(subject, LABEL))}{told}"]'
    hidden = len(classes) - len(ids)
    if hidden:
        yield f'  more["and {hidden:,} more resources"]'
    yield from (f"  {start} --> {end}" for start, end in edges[:EDGES])
    if len(edges) > EDGES:
        yield f'  edges["and {len(edges) - EDGES:,} more dependencies"]'
    for name, style in _CLASSES.items():
        members = [id_ for subject, id_ in ids.items() if classes[subject] == name]
        if members:
            yield f"  classDef {name} {style}"
            yield f"  class {','.join(members)} {name}"


def _worst_by_subject(changes: tuple[Change, ...]) -> Mapping[str, Change]:
    found: dict[str, Change] = {}
    for change in changes:
        subject = change.resource or change.subject
        if subject not in found or change.counts_as > found[subject].counts_as:
            found[subject] = change
    return found


def _classes(stack: StackReview, changes: Mapping[str, Change]) -> Mapping[str, str]:
    """The class of each subject's node, changed ones first."""
    changed = dict.fromkeys(subject for subject, _ in stack.resources)
    dependents = dict.fromkeys(each for _, each_of in stack.resources for each in each_of)
    graded = {
        subject: worst([changes[subject].counts_as] if subject in changes else []).word
        for subject in (*changed, *(each for each in dependents if each in changes))
    }
    return graded | {each: "unchanged" for each in dependents if each not in graded}
