"""A review for a person at a terminal of 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator

from rehearsal.paint import Paint
from rehearsal.report import WIDTH
from review.escape import SAME, clipped, line_changes, lines_of, pair, split
from review.grouping import Group, by_part, counted, grouped
from review.model import Change, Difference, Grade, Review

MARKS = {Grade.SAFE: ("✓", "32"), Grade.LOOK: ("?", "33"), Grade.DANGEROUS: ("✗", "31")}

SENTENCE = 1_000
VALUE = 400
LINES = 40
"""Lines of each side of a difference; `--json` has them all."""


def as_text(review: Review, paint: Paint) -> str:
    """The whole review; values are clipped, and nothing in them moves the cursor or changes colours."""
    return "\n".join(_lines(review, paint)) + "\n"


def _lines(review: Review, paint: Paint) -> Iterator[str]:
    base, head = (clipped(revision, SENTENCE) for revision in (review.base, review.head))
    yield from _wrapped(f"{head} compared with {base}", "", paint, "1")
    for note in review.notes:
        yield from _wrapped(clipped(note, SENTENCE), "  ", paint)
    yield ""
    for group in grouped(review.stacks):
        yield from _group(group, paint)
        yield ""
    counts = counted(stack.grade for stack in review.stacks) or "no stack"
    yield paint(f"{review.grade.word}: {counts}", MARKS[review.grade][1])


def _group(group: Group, paint: Paint) -> Iterator[str]:
    stack = group[0]
    names = ", ".join(clipped(f"{each.stack} ({each.profile} in {each.region})", SENTENCE) for each in group)
    yield from _wrapped(f"{'stack' if len(group) == 1 else 'stacks'} {names}", "", paint, "1")
    changes = counted(change.counts_as for change in stack.changes)
    yield paint(f"{stack.grade.word}: {changes or 'no change'}", MARKS[stack.grade][1])
    if not stack.changes:
        return
    if len(group) > 1:
        yield from _wrapped(
            f"told for {clipped(stack.stack, SENTENCE)}: "
            "the others differ in their own names and regions at most",
            "",
            paint,
        )
    because = clipped(stack.rolls_because, SENTENCE)
    rolls = f"are replaced: {because}" if stack.rolls else "are not replaced"
    yield from _wrapped(f"the server's pods {rolls}", "", paint)
    for grade in sorted(Grade, reverse=True):
        for part, own in by_part(change for change in stack.changes if change.counts_as is grade):
            yield paint(part, "36")
            for change in own:
                yield from _change(change, paint)


def _change(change: Change, paint: Paint) -> Iterator[str]:
    mark, colour = MARKS[change.counts_as]
    sentence = clipped(change.sentence, SENTENCE)
    named = change.subject in change.sentence
    told = sentence if named else f"{clipped(change.subject, SENTENCE)} {change.way}: {sentence}"
    first, *rest = _wrapped(told, "    ", paint)
    yield f"  {paint(mark, colour)} {first[4:]}"
    yield from rest
    if change.effect:
        yield from _wrapped(f"effect: {clipped(change.effect, SENTENCE)}", "    ", paint)
    yield from _wrapped(f"{change.grade.word}: {clipped(change.reason, SENTENCE)}", "    ", paint, colour)
    if change.acknowledged:
        yield from _wrapped(f"acknowledged: {clipped(change.acknowledged, SENTENCE)}", "    ", paint)
    for difference in change.differences:
        yield from _difference(difference, paint)


def _difference(difference: Difference, paint: Paint) -> Iterator[str]:
    note = f" ({clipped(difference.note, SENTENCE)})" if difference.note else ""
    path = clipped(difference.path, SENTENCE) or "all of it"
    before, after = difference.before, difference.after
    if before == after:
        yield from _wrapped(f"{path}{note or ' differs'}", "      ", paint)
        return
    old, new = pair(before, after, VALUE)
    of_lines = [lines_of(each, WIDTH) for each in (before, after)]
    if any(lines is not None for lines in of_lines):
        yield from _wrapped(f"{path}{note}:", "      ", paint)
        sides = [
            split(each) if lines is None else lines
            for each, lines in zip((before, after), of_lines, strict=True)
        ]
        yield from _diff(line_changes(*sides, most=LINES, limit=VALUE), paint)
    elif before is None:
        yield from _wrapped(f"{path} added: {new}{note}", "      ", paint)
    elif after is None:
        yield from _wrapped(f"{path} removed, was {old}{note}", "      ", paint)
    else:
        yield from _wrapped(f"{path}: {old} → {new}{note}", "      ", paint)


def _diff(lines: Iterable[str], paint: Paint) -> Iterator[str]:
    colours = {"-": "31", "+": "32", SAME: "2"}
    for line in lines:
        yield from _wrapped(line, "        ", paint, colours[line[0]])


def _wrapped(text: str, indent: str, paint: Paint, colour: str = "") -> Iterator[str]:
    """Lines of at most `WIDTH` characters, at least one; a word that is longer is broken."""
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    for line in lines or [indent]:
        start = len(line) - len(line.lstrip(" "))
        yield f"{line[:start]}{paint(line[start:], colour)}" if colour else line
