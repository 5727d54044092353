"""A review as a comment on its pull request: GitHub's Markdown, of bounded length whatever the change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from review.escape import clipped, code, fence, line_changes, pair, prose, sides_in_lines
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
from review.picture import picture

MARKER = "<!-- maestro-stack review -->"
"""The first line, which identifies the comment, so that it is updated instead of added again."""
LIMIT = 65_000
"""Characters; below GitHub's 65,536, to leave room for what an action adds."""
MARKS = {Grade.DANGEROUS: "🔴", Grade.LOOK: "🟡", Grade.SAFE: "🟢"}
COMMAND = "python -m review --json"

# How much of each thing a comment shows; the JSON has everything.
NOTES = 10
SENTENCE = 400
NAME = 120
VALUE = 160
LINES, WHOLE = 12, 40
DIFFERENCES = 20
_NAMED = 10
"""Stacks per group that are named when little else fits."""
_TOGETHER = 20
"""How many of the changes reported in the same words are named."""
_ROOM_FOR_REST = 200
"""Characters reserved for the line that says how many more there are."""


@dataclass(frozen=True, kw_only=True)
class _Detail:
    """How much a comment shows; everything by default."""

    opened: bool = True
    """Whether the changes to look at are unfolded if none is worse."""
    pictures: bool = True
    differences: int = Grade.SAFE
    """The lowest grade whose changes are shown with their differences."""
    changes: int = Grade.SAFE
    """The lowest grade that is shown."""
    most: int | None = None
    """How many changes are shown per group of stacks; None for all."""
    named: int = 200
    """How many stacks are named per group."""


_NONE = Grade.DANGEROUS + 1
_FOLDED = _Detail(opened=False)
_BARE = replace(_FOLDED, pictures=False, named=60)
_WORST = replace(_BARE, changes=Grade.DANGEROUS, differences=Grade.DANGEROUS)
_SENTENCES = replace(_WORST, differences=_NONE)
_LADDER = (
    _Detail(),
    _FOLDED,
    _BARE,
    replace(_BARE, differences=Grade.LOOK),
    replace(_BARE, differences=Grade.DANGEROUS),
    replace(_BARE, differences=Grade.DANGEROUS, changes=Grade.LOOK),
    _WORST,
    _SENTENCES,
    *(replace(_SENTENCES, most=most, named=_NAMED) for most in (100, 30, 10, 3, 1)),
)
"""From everything to the least that still shows changes; the first that fits is used."""


def as_markdown(review: Review) -> str:
    """The comment, shorter than `LIMIT` in characters and in UTF-16 code units.

    It names what it leaves out to fit, and the command that shows it.
    """
    groups = grouped(review.stacks)
    for detail in _LADDER:
        text = _joined(_comment(review, groups, detail))
        if text is not None:
            return text
    return _verdicts(review, groups)


def _joined(lines: Iterable[str], limit: int = LIMIT) -> str | None:
    """The lines as a text; None, without reading them all, if it would be too long."""
    kept: list[str] = []
    for line in lines:
        limit -= _length(line) + 1
        if limit < 0:
            return None
        kept.append(line)
    return "\n".join(kept) + "\n"


def _length(text: str) -> int:
    """In UTF-16 code units; never less than the number of characters."""
    return len(text.encode("utf-16-le")) // 2


def _comment(review: Review, groups: Sequence[Group], detail: _Detail) -> Iterator[str]:
    """A section for each group of stacks, and one for what concerns all of them; worst first."""
    yield MARKER
    sections = [(group[0].grade, _group_title(group), _section(group, detail)) for group in groups]
    if review.project:
        project = review.project
        grade = worst(change.counts_as for change in project)
        title = _title(grade, "all stacks", headline(project, rolls=None))
        sections.append((grade, title, _by_grade(project, grade, detail)))
    sections.sort(key=lambda section: -section[0])
    titles = [title for _, title, _ in sections] or [f"{MARKS[review.grade]} no region changes"]
    yield f"## {titles[0]}"
    yield ""
    yield from _compared(review)
    left_out = _left_out(groups, detail)
    if left_out:
        yield f"**Shortened to fit a comment**: left out are {left_out}. `{COMMAND}` shows everything."
        yield ""
    for index, (_, title, lines) in enumerate(sections):
        if index:
            yield f"## {title}"
            yield ""
        yield from lines
    yield from _acknowledging(review)


def _compared(review: Review) -> Iterator[str]:
    base, head = (code(clipped(revision, NAME)) for revision in (review.base, review.head))
    yield f"{head} compared with {base}."
    yield ""
    yield from (f"- {prose(clipped(note, SENTENCE))}" for note in review.notes[:NOTES])
    if len(review.notes) > NOTES:
        yield f"- and {len(review.notes) - NOTES:,} more notes, in `{COMMAND}`"
    if review.notes:
        yield ""


def _acknowledging(review: Review) -> Iterator[str]:
    """The options that would let the dangerous changes pass."""
    prints = acknowledgeable(review)
    if prints:
        options = " ".join(f'--acknowledge "{each}: REASON"' for each in prints[:_TOGETHER])
        more = f", and {len(prints) - _TOGETHER:,} more" if len(prints) > _TOGETHER else ""
        yield f"To acknowledge all that is dangerous: `{options}`{more}"


def _title(grade: Grade, who: str, phrases: Sequence[str]) -> str:
    """`🟡 dev (us-east-1): database offline for minutes · pods roll`."""
    return f"{MARKS[grade]} {who}: {' · '.join(prose(each) for each in phrases)}"


def _group_title(group: Group) -> str:
    stack = group[0]
    name, region = (prose(clipped(each, NAME)) for each in (stack.stack, stack.region))
    who = f"{name} ({region})" if region else name
    return _title(
        stack.grade,
        who if len(group) == 1 else f"{len(group):,} stacks",
        headline(stack.changes, rolls=stack.rolls),
    )


def _stacks(count: int) -> str:
    return f"{count:,} {'stack' if count == 1 else 'stacks'}"


def _section(group: Group, detail: _Detail) -> Iterator[str]:
    stack = group[0]
    yield _names(group, detail.named)
    yield ""
    if stack.changes:
        if stack.rolls is not None and not tells_why_pods_roll(stack):
            yield _rolling(stack)
            yield ""
        if len(group) > 1:
            first = code(clipped(stack.stack, NAME))
            yield f"Shown for {first}: the others differ only in their own names and regions, if at all."
            yield ""
    yield from _by_grade(stack.changes, stack.grade, detail)
    drawn = _drawn(stack) if detail.pictures else ()
    if drawn:
        title = "What changes, and what depends on it: arrows lead to what depends"
        yield from _folded(title, (*fence(drawn, "mermaid"), ""))


def _drawn(stack: StackReview) -> tuple[str, ...]:
    """The picture, if it has several arrows: a single one is easier to put in words."""
    lines = picture(stack)
    return lines if sum(" --> " in line for line in lines) > 1 else ()


def _by_grade(changes: Sequence[Change], worst_: Grade, detail: _Detail) -> Iterator[str]:
    told = [change for change in changes if change.counts_as >= detail.changes]
    if detail.most is not None:
        told = sorted(told, key=lambda change: -change.counts_as)[: detail.most]
    for grade in sorted(Grade, reverse=True):
        own = [change for change in told if change.counts_as is grade]
        if own and grade is Grade.DANGEROUS:
            yield from _changes(own, detail)
        elif own:
            opened = " open" if detail.opened and grade is Grade.LOOK and worst_ is grade else ""
            title = f"{MARKS[grade]} {counted(change.counts_as for change in own)}"
            yield from _folded(title, _changes(own, detail), opened)
    if len(told) < len(changes):
        yield f"Not shown here: {len(changes) - len(told):,} of {len(changes):,} changes."
        yield ""


def _names(group: Group, most: int) -> str:
    names = ", ".join(_name(stack) for stack in group[:most])
    more = f" and {len(group) - most:,} more" if len(group) > most else ""
    return f"{'Stack' if len(group) == 1 else 'Stacks'} {names}{more}."


def _name(stack: StackReview) -> str:
    name = code(clipped(stack.stack, NAME))
    if not stack.region:  # it couldn't be rehearsed, or no longer exists
        return name
    return f"{name} ({prose(clipped(stack.profile, NAME))} in {code(clipped(stack.region, NAME))})"


def _rolling(stack: StackReview) -> str:
    if not stack.rolls:
        return "The server's pods are not replaced."
    because = prose(clipped(stack.rolls_because, SENTENCE))
    return f"**The server's pods are replaced**{f': {because}' if because else '.'}"


def _folded(title: str, lines: Iterable[str], opened: str = "") -> Iterator[str]:
    """A block that the reader unfolds; `title` must be trusted."""
    yield f"<details{opened}><summary>{title}</summary>"
    yield ""  # ends the HTML block, so that Markdown can follow
    yield from lines
    yield "</details>"
    yield ""


def _changes(changes: Iterable[Change], detail: _Detail) -> Iterator[str]:
    for part, own in by_part(changes):
        yield f"**{part[0].upper()}{part[1:]}**"
        yield ""
        for several in alike(own):
            yield from _change(several, detail)
        yield ""


def _change(several: tuple[Change, ...], detail: _Detail) -> Iterator[str]:
    """One change, or several that are reported in the same words."""
    change, differences = several[0], several[0].differences
    if len(several) == 1:
        yield f"- {MARKS[change.counts_as]} {_sentence(change)}"
    else:
        sentence, differences = together(several)
        yield f"- {MARKS[change.counts_as]} {_text(sentence)}"
        if change.part is not Part.OUTPUT or not differences:
            names = ", ".join(code(clipped(each.subject, NAME)) for each in several[:_TOGETHER])
            more = f" and {len(several) - _TOGETHER:,} more" if len(several) > _TOGETHER else ""
            yield f"  - {names}{more}"
    if change.effect:
        yield f"  - Effect: {_text(change.effect)}"
    yield f"  - Why {change.grade.word}: {_text(change.reason)}"
    if change.acknowledged:
        yield f"  - Acknowledged: {_text(change.acknowledged)}"
    elif change.grade is Grade.DANGEROUS:
        prints = [code(each.fingerprint) for each in several[:_TOGETHER]]
        yield f"  - To acknowledge: {', '.join(prints)}"
    if change.counts_as < detail.differences:
        return
    if change.quoted:
        yield "  - It says:"
        yield from (f"    {line}" for line in fence(_quoted(change.quoted), "text"))
    told = [*((CAUSE, each) for each in change.causes), *(("", each) for each in differences)]
    for start, difference in told[:DIFFERENCES]:
        yield from _difference(difference, start)
    if len(told) > DIFFERENCES:
        yield f"  - and {len(told) - DIFFERENCES:,} more differences, in `{COMMAND}`"


def _quoted(text: str) -> Iterator[str]:
    lines = text.strip("\n").split("\n")
    yield from (clipped(line, SENTENCE) for line in lines[:LINES])
    if len(lines) > LINES:
        yield f"… {len(lines) - LINES:,} more lines"


def _sentence(change: Change) -> str:
    """The sentence, with its subject as one code span even if that has spaces."""
    sentence, subject = clipped(change.sentence, SENTENCE), clipped(change.subject, NAME)
    before, found, after = f" {sentence} ".partition(f" {subject} ")
    if not found:
        return f"{code(subject)}: {prose(sentence)}"
    return " ".join(filter(None, (prose(before), code(subject), prose(after))))


def _text(text: str) -> str:
    return prose(clipped(text, SENTENCE))


def _difference(difference: Difference, start: str = "") -> Iterator[str]:
    if difference.path in RIGHTS:
        right = difference.before if difference.after is None else difference.after
        yield f"  - {difference.path} {code(clipped(str(right), VALUE))}"
        return
    path = f"{start}{code(clipped(difference.path, NAME)) if difference.path else 'all of it'}"
    note = f" ({_text(difference.note)})" if difference.note else ""
    if difference.values_say_nothing:
        yield f"  - {path}{note or ' differs'}"
        return
    sides = sides_in_lines(difference.before, difference.after, VALUE)
    if sides:
        changed = line_changes(*sides, most=LINES if difference.path else WHOLE, limit=VALUE)
        yield f"  - {path}{note}:"
        yield from (f"    {line}" for line in fence(changed, "diff"))
        return
    old, new = (code(each) for each in pair(difference.before, difference.after, VALUE))
    if difference.before is None:
        yield f"  - {path} added: {new}{note}"
    elif difference.after is None:
        yield f"  - {path} removed, was {old}{note}"
    else:
        yield f"  - {path}: {old} → {new}{note}"


# --- what doesn't fit ---------------------------------------------------------------------------------


def _left_out(groups: Sequence[Group], detail: _Detail) -> str:
    """What is left out, in words; empty if nothing is."""
    changes = [change for group in groups for change in group[0].changes]
    told = [change for change in changes if change.counts_as >= detail.changes]
    hidden = counted(change.counts_as for change in changes if change.counts_as < detail.changes)
    bare = {c.counts_as for c in told if c.differences and c.counts_as < detail.differences}
    return ", ".join(
        [
            *(["the pictures"] if not detail.pictures and any(_drawn(group[0]) for group in groups) else []),
            *(f"the differences of {grade.word} changes" for grade in sorted(bare)),
            *([f"changes of lower grades ({hidden})"] if hidden else []),
            *([f"all but the worst {detail.most:,} changes of each section"] if detail.most else []),
        ]
    )


def _verdicts(review: Review, groups: Sequence[Group]) -> str:
    """One line for each group of stacks, worst first, as many as fit."""
    lines = [
        MARKER,
        f"## {_group_title(groups[0])}",
        "",
        *_compared(review),
        f"**Shortened to fit a comment**: left out are all changes. `{COMMAND}` shows everything.",
        "",
    ]
    room = LIMIT - _ROOM_FOR_REST - sum(_length(line) + 1 for line in lines)
    for index, group in enumerate(groups):
        line = f"- {_group_title(group)}. {_names(group, _NAMED)}"
        room -= _length(line) + 1
        if room < 0:
            rest = [stack.grade for other in groups[index:] for stack in other]
            lines.append(f"- and {_stacks(len(rest))} more: {counted(rest)}")
            break
        lines.append(line)
    return "\n".join(lines) + "\n"
