"""Groups and orders a review's stacks and changes, for all its output formats."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from review.model import Change, Difference, Grade, Part, Review, StackReview

Group: TypeAlias = tuple[StackReview, ...]
"""One or more stacks that change in the same way."""

_COUNTED = {Grade.DANGEROUS: "dangerous", Grade.LOOK: "to look at", Grade.SAFE: "safe"}


def grouped(stacks: Iterable[StackReview]) -> tuple[Group, ...]:
    """Stacks grouped if they change in the same way, apart from their own names and regions; worst first."""
    same: dict[bytes, list[StackReview]] = {}
    for stack in stacks:
        same.setdefault(_fingerprint(_told(stack)), []).append(stack)
    alike: dict[bytes, list[StackReview]] = {}
    for group in same.values():
        alike.setdefault(_fingerprint(_nameless(group[0])), []).extend(group)
    return tuple(sorted(map(tuple, alike.values()), key=lambda group: -group[0].grade))


def counted(grades: Iterable[Grade]) -> str:
    """`2 dangerous, 1 to look at`: how many there are of each grade, worst first."""
    found = [*grades]
    counts = [(_COUNTED[grade], found.count(grade)) for grade in sorted(Grade, reverse=True)]
    return ", ".join(f"{count:,} {word}" for word, count in counts if count)


def tells_why_pods_roll(stack: StackReview) -> bool:
    """Whether one of the stack's changes says why pods roll."""
    return bool(stack.rolls_because) and any(stack.rolls_because in each.reason for each in stack.changes)


def acknowledgeable(review: Review) -> list[str]:
    """The fingerprints of the dangerous changes that aren't acknowledged."""
    changes = [*review.project, *(change for stack in review.stacks for change in stack.changes)]
    return [*dict.fromkeys(each.fingerprint for each in changes if each.counts_as is Grade.DANGEROUS)]


def by_grade(changes: Iterable[Change]) -> list[Change]:
    """The changes, worst first."""
    return sorted(changes, key=lambda change: -change.counts_as)


def by_part(changes: Iterable[Change]) -> Iterator[tuple[Part, tuple[Change, ...]]]:
    """The changes of each part that has any, in the order of `Part`, worst first."""
    found = [*changes]
    for part in Part:
        own = sorted((each for each in found if each.part is part), key=lambda each: -each.grade)
        if own:
            yield part, tuple(own)


def alike(changes: Iterable[Change]) -> Iterator[tuple[Change, ...]]:
    """The changes in their order, with those reported in the same words grouped at the first of them."""
    found: dict[object, list[Change]] = {}
    for change in changes:
        found.setdefault(_words(change), []).append(change)
    yield from map(tuple, found.values())


def _words(change: Change) -> object:
    """What is reported about a change besides its name; an output's difference holds its name and values."""
    if change.part not in (Part.FILE, Part.RESOURCE, Part.OBJECT, Part.OUTPUT) or change.quoted:
        return change.subject, change.part
    differences = () if change.part is Part.OUTPUT else change.differences
    by = _without_name(change)
    return repr((change.part, change.way, by, change.counts_as, change.effect, change.reason,
                 change.acknowledged, differences, change.causes))  # fmt: skip


def together(changes: tuple[Change, ...]) -> tuple[str, tuple[Difference, ...]]:
    """One sentence for several changes that are reported in the same words, and their differences."""
    first = changes[0]
    count = f"{len(changes):,} {first.part}"
    if first.part is Part.OUTPUT:
        differences = tuple(difference for change in changes for difference in change.differences)
    else:
        differences = first.differences
    return f"{count}: each {_without_name(first)}", differences


def _without_name(change: Change) -> str:
    """The change's sentence after its subject."""
    before, found, after = f" {change.sentence} ".partition(f" {change.subject} ")
    return (after if found else before).strip()


def _told(stack: StackReview) -> str:
    return repr((stack.changes, stack.rolls, stack.rolls_because, stack.resources))


def _nameless(stack: StackReview) -> str:
    """Equal for two stacks only if they are the same apart from their names."""
    clusters = {name: f"\0cluster {number}\0" for number, name in enumerate(stack.clusters)}
    # A repr has no null character.
    names = {**clusters, stack.stack: "\0stack\0", stack.region: "\0region\0"}
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    pattern = f"(?<![0-9A-Za-z])(?:{'|'.join(map(re.escape, longest_first))})(?![0-9A-Za-z])"
    return re.sub(pattern, lambda match: names[match[0]], _told(stack)) if longest_first else _told(stack)


def _fingerprint(text: str) -> bytes:
    """A digest, so that long texts aren't kept as keys."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
