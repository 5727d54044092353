"""Untrusted text made harmless: for Markdown's sentences, code spans and fences, for Mermaid, for a terminal.

Whoever opens a pull request chooses every name and value that a review shows. GitHub looks for @mentions,
issues, commits and emoji in the text that Markdown leaves, so an escape doesn't stop them; a code span does.
A sentence is therefore plain only where it is made of words and numbers, and code for the rest.
Source: GitHub Flavored Markdown 0.29; GitHub's documentation, "Autolinked references and URLs".
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from common.json_values import Json

# Letters and marks that draw nothing: fillers, the joiner, variation selectors, the empty Braille cell.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# A word of a sentence: what may stand around it, and what it may be to stay plain.
_WORDS = re.compile(r"(?:`[^`]+`|\S)+")
_SPAN = re.compile(r"`[^`]+`")
_WORD = re.compile(r"""(?P<before>[("']*)(?P<core>.*?)(?P<after>[.,;:!?)"'…]*)""")
_PLAIN = re.compile(
    r"""
    (?!.*[0-9a-f]{7})                     # a commit
    (?!.*[^\W\d_]-\d)                     # GH-1, and a repository's own prefixes
    (?: [^\W_]+ (?: ['-] [^\W_]+ )* %?    # a word
      | \d+ (?: [.,] \d+ )* %?            # a number, a version
      | [^\W\d_]+ / [^\W\d_]+             # this/that
      | [^\x00-\x7f]+                     # an arrow, a dash
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_SIGNS = frozenset("-+=&")
# `:fa-` would become an icon, a mark at a word's end a list.
_UNSAFE_IN_LABEL = re.compile(r"(?!(?<=[A-Za-z0-9])(?!:fa-)[-./:](?=[A-Za-z0-9]))[^A-Za-z0-9 ]")
_LIST_MARKER = re.compile(r"\A\d+(?=[.)])")
SAME = "·"
"""Begins a line of a diff that both sides have: no space, so that no bot reads a command there."""
_CONTEXT = 2
"""Lines of a diff around what differs."""
_SHARED = 24
"""Characters that two long values share and that are shown before they part."""


def visible(text: str) -> str:
    """The text on one line, with a backslash escape for what would not show, or would move other text.

    That is control characters, among them line ends and those of terminals; marks of direction; spaces that
    aren't the plain one; what is of no width; halves of surrogate pairs.
    """
    return text if text.isascii() and text.isprintable() else "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if character.isprintable() and not _BLANK.match(character):
        return character
    short = _SHORT.get(character)
    if short:
        return short
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def clipped(text: str, limit: int) -> str:
    """The text made visible, at most `limit` characters of it, with its length where that isn't all."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}… ({len(text):,} characters)"


def value(content: Json) -> str:
    """A value as JSON, on one line but not yet made visible."""
    return json.dumps(content, ensure_ascii=False)


def pair(before: Json, after: Json, limit: int) -> tuple[str, str]:
    """Two values as JSON, visible, each of about `limit` characters: long ones from where they part."""
    return _parted(value(before), value(after), limit)


def _parted(old: str, new: str, limit: int) -> tuple[str, str]:
    skipped = _shared(old, new) - _SHARED if max(len(old), len(new)) > limit else 0
    if skipped <= 0:
        return clipped(old, limit), clipped(new, limit)
    return f"…{clipped(old[skipped:], limit)}", f"…{clipped(new[skipped:], limit)}"


def sides_in_lines(before: Json, after: Json, limit: int) -> tuple[list[str], list[str]] | None:
    """Both values' lines if one is better read so: a text that has several, JSON longer than `limit`.

    The lines are not yet made visible; None if both values read well on one.
    """
    if not any(_has_lines(each, limit) for each in (before, after)):
        return None
    return _in_lines(before), _in_lines(after)


def _has_lines(content: Json, limit: int) -> bool:
    if isinstance(content, str):
        return "\n" in content.rstrip("\n")
    return isinstance(content, list | dict) and len(value(content)) > limit


def _in_lines(content: Json) -> list[str]:
    if isinstance(content, list | dict) and content:
        return split(json.dumps(content, ensure_ascii=False, indent=2))
    return split(content)


def split(content: Json) -> list[str]:
    """A value as lines: none if it is absent, those of a text, else its JSON."""
    if content is None:
        return []
    # Not splitlines, which takes other characters for line ends too, and hides them.
    return (content if isinstance(content, str) else value(content)).split("\n")


def line_changes(before: list[str], after: list[str], *, most: int, limit: int) -> Iterator[str]:
    """What differs between two texts, as lines of a diff that are visible and clipped to `limit`.

    Of the lines that both begin or end with, the nearest are shown; of the others the first `most` of a side.
    It takes linear time on purpose: the values are untrusted.
    """
    start = _shared(before, after)
    end = _shared(before[start:][::-1], after[start:][::-1])
    yield from (SAME + clipped(line, limit) for line in before[max(0, start - _CONTEXT) : start])
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    both = [_parted(left, right, limit) for left, right in zip(old[:most], new[:most], strict=False)]
    for sign, lines, side in (("-", old, 0), ("+", new, 1)):
        yield from (sign + parted[side] for parted in both)
        yield from (sign + clipped(line, limit) for line in lines[len(both) : most])
        if len(lines) > most:
            yield f"{sign}… {len(lines) - most:,} more lines"
    shared = before[len(before) - end :]
    yield from (SAME + clipped(line, limit) for line in shared[:_CONTEXT])


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items, or characters, both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def code(text: str) -> str:
    """A code span: shows the text and nothing else, on one line."""
    shown = visible(text) or '""'
    marks = "`" * (_longest_run(shown) + 1)
    # A backtick would lengthen the fence, and a space on both sides is stripped unless all is space.
    if shown.strip() and {shown[0], shown[-1]} & {"`", " "}:
        shown = f" {shown} "
    return f"{marks}{shown}{marks}"


def fence(lines: Iterable[str], language: str = "") -> Iterator[str]:
    """The lines of a fenced block; `lines` are made visible, `language` is ours."""
    shown = [visible(line) for line in lines]
    marks = "`" * max(3, max(map(_longest_run, shown), default=0) + 1)
    yield marks + language
    yield from shown
    yield marks


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def prose(text: str) -> str:
    """Text for a sentence of Markdown: words and numbers as they are, everything else as code spans.

    What is between two backticks is code as a whole. The result has no line ends, and may also stand at the
    start of a line.
    """
    sentence = " ".join(_word(word) for word in _WORDS.findall(visible(text)))
    return _LIST_MARKER.sub(r"\g<0>\\", sentence, count=1)


def _word(word: str) -> str:
    parts = _WORD.fullmatch(word)
    if not parts:
        return code(word)
    core = parts["core"]
    if core in _SIGNS:
        core = f"\\{core}"
    elif _SPAN.fullmatch(core):
        core = code(core[1:-1])
    elif core and not _PLAIN.fullmatch(core):
        core = code(core)
    return f"{parts['before']}{core}{parts['after']}"


def label(text: str) -> str:
    """What stands between the quotes of a node's label in Mermaid.

    Everything is an entity code but letters, digits, spaces and the marks within a resource's type.
    Source: Mermaid, "Flowcharts: special characters that break syntax".
    """
    # Mermaid marks its entities with this ligature, and would take a text's own for one.
    shown = visible(text).replace("\ufb02", "fl") or '""'
    return _UNSAFE_IN_LABEL.sub(lambda match: f"#{ord(match[0])};", shown)
