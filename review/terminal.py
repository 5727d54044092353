"""A review as text for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator

from common.terminal import WIDTH, Colours
from review.escape import SAME, clipped, line_changes, pair, sides_in_lines
from review.grouping import (
    Group,
    acknowledgeable,
    alike,
    by_part,
    counted,
    grouped,
    tells_why_pods_roll,
    together,
)
from review.headline import CAUSE, headline
from review.model import RIGHTS, Change, Difference, Grade, Part, Review, StackReview, worst

MARKS = {Grade.SAFE: ("✓", "32"), Grade.LOOK: ("?", "33"), Grade.DANGEROUS: ("✗", "31")}

SENTENCE = 1_000
VALUE = 400
LINES = 40
"""Lines of each side of a difference; `--json` has them all."""


def as_text(review: Review, colour: Colours) -> str:
    """The whole review; values are clipped, and can't move the cursor or change colours."""
    return "\n".join(_lines(review, colour)) + "\n"


def _lines(review: Review, colour: Colours) -> Iterator[str]:
    sections = [(group[0].grade, _group(group, colour)) for group in grouped(review.stacks)]
    if review.project:
        sections.append((worst(each.counts_as for each in review.project), _project(review.project, colour)))
    for _, lines in sorted(sections, key=lambda section: -section[0]):
        yield from lines
        yield ""
    base, head = (clipped(revision, SENTENCE) for revision in (review.base, review.head))
    yield from _wrapped(f"{head} compared with {base}", "", colour)
    for note in review.notes:
        yield from _wrapped(clipped(note, SENTENCE), "  ", colour)
    prints = acknowledgeable(review)
    if prints:
        yield "to acknowledge all that is dangerous:"
        yield from (f'  --acknowledge "{each}: REASON" \\' for each in prints[:-1])
        yield f'  --acknowledge "{prints[-1]}: REASON"'
    grades = [*(stack.grade for stack in review.stacks), *(each.counts_as for each in review.project)]
    counts = counted(grades) or "no stack"
    yield colour(f"{review.grade.word}: {counts}", MARKS[review.grade][1])


def _title(grade: Grade, who: str, phrases: Iterable[str], colour: Colours) -> Iterator[str]:
    mark, code = MARKS[grade]
    told = f"{clipped(who, SENTENCE)}: {' · '.join(phrases)}"
    first, *rest = _wrapped(told, "  ", colour, "1")
    yield f"{colour(mark, code)} {first[2:]}"
    yield from rest


def _project(changes: tuple[Change, ...], colour: Colours) -> Iterator[str]:
    grade = worst(each.counts_as for each in changes)
    yield from _title(grade, "all stacks", headline(changes, rolls=None), colour)
    yield from _by_grade(changes, colour)


def _group(group: Group, colour: Colours) -> Iterator[str]:
    stack = group[0]
    who = _name(stack) if len(group) == 1 else f"{len(group):,} stacks"
    yield from _title(stack.grade, who, headline(stack.changes, rolls=stack.rolls), colour)
    if len(group) > 1:
        yield from _wrapped(", ".join(clipped(_name(each), SENTENCE) for each in group), "", colour)
    if not stack.changes:
        return
    if len(group) > 1:
        yield from _wrapped(
            f"shown for {clipped(stack.stack, SENTENCE)}: "
            "the others differ only in their own names and regions, if at all",
            "",
            colour,
        )
    if stack.rolls is not None and not tells_why_pods_roll(stack):
        because = clipped(stack.rolls_because, SENTENCE)
        rolls = f"are replaced: {because}" if stack.rolls else "are not replaced"
        yield from _wrapped(f"the server's pods {rolls}", "", colour)
    yield from _by_grade(stack.changes, colour)


def _by_grade(changes: Iterable[Change], colour: Colours) -> Iterator[str]:
    told = [*changes]
    for grade in sorted(Grade, reverse=True):
        for part, own in by_part(change for change in told if change.counts_as is grade):
            yield colour(part, "36")
            for several in alike(own):
                yield from _change(several, colour)


def _name(stack: StackReview) -> str:
    return f"{stack.stack} ({stack.profile} in {stack.region})" if stack.region else stack.stack


def _change(several: tuple[Change, ...], colour: Colours) -> Iterator[str]:
    """One change, or several that are reported in the same words."""
    change = several[0]
    mark, code = MARKS[change.counts_as]
    sentence, differences = (change.sentence, change.differences) if len(several) == 1 else together(several)
    named = len(several) > 1 or change.subject in sentence
    sentence = clipped(sentence, SENTENCE)
    told = sentence if named else f"{clipped(change.subject, SENTENCE)}: {sentence}"
    first, *rest = _wrapped(told, "    ", colour)
    yield f"  {colour(mark, code)} {first[4:]}"
    yield from rest
    if len(several) > 1 and not (change.part is Part.OUTPUT and differences):
        for each in several:
            yield from _wrapped(clipped(each.subject, SENTENCE), "      ", colour)
    if change.effect:
        yield from _wrapped(f"effect: {clipped(change.effect, SENTENCE)}", "    ", colour)
    mine = f" [{', '.join(each.fingerprint for each in several)}]" if change.grade is Grade.DANGEROUS else ""
    reason = f"{change.grade.word}: {clipped(change.reason, SENTENCE)}{mine}"
    yield from _wrapped(reason, "    ", colour, code)
    if change.acknowledged:
        yield from _wrapped(f"acknowledged: {clipped(change.acknowledged, SENTENCE)}", "    ", colour)
    for line in change.quoted.strip("\n").split("\n") if change.quoted else ():
        yield from _wrapped(clipped(line, SENTENCE), "      ", colour)
    for cause in change.causes:
        yield from _difference(cause, colour, CAUSE)
    for difference in differences:
        yield from _difference(difference, colour)


def _difference(difference: Difference, colour: Colours, start: str = "") -> Iterator[str]:
    note = f" ({clipped(difference.note, SENTENCE)})" if difference.note else ""
    path = f"{start}{clipped(difference.path, SENTENCE) or 'all of it'}"
    before, after = difference.before, difference.after
    if difference.values_say_nothing:
        yield from _wrapped(f"{path}{note or ' differs'}", "      ", colour)
        return
    if difference.path in RIGHTS:
        right = before if after is None else after
        yield from _wrapped(f"{path} {clipped(str(right), VALUE)}", "      ", colour)
        return
    old, new = pair(before, after, VALUE)
    sides = sides_in_lines(before, after, WIDTH)
    if sides:
        yield from _wrapped(f"{path}{note}:", "      ", colour)
        yield from _diff(line_changes(*sides, most=LINES, limit=VALUE), colour)
    elif before is None:
        yield from _wrapped(f"{path} added: {new}{note}", "      ", colour)
    elif after is None:
        yield from _wrapped(f"{path} removed, was {old}{note}", "      ", colour)
    else:
        yield from _wrapped(f"{path}: {old} → {new}{note}", "      ", colour)


def _diff(lines: Iterable[str], colour: Colours) -> Iterator[str]:
    colours = {"-": "31", "+": "32", SAME: "2"}
    for line in lines:
        yield from _wrapped(line, "        ", colour, colours[line[0]])


def _wrapped(text: str, indent: str, colour: Colours, code: str = "") -> Iterator[str]:
    """One or more lines of at most `WIDTH` characters; longer words are broken."""
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
        yield f"{line[:start]}{colour(line[start:], code)}" if code else line
