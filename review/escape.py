"""Makes untrusted text harmless in Markdown's sentences, code spans and fences, in Mermaid, on a terminal.

Whoever opens a pull request chooses every name and value that a review shows. GitHub looks for @mentions,
issues, commits and emoji in rendered Markdown, so escaping doesn't stop them; a code span does. Therefore
only words and numbers stay plain in a sentence, and everything else becomes code.
Source: GitHub Flavored Markdown 0.29; GitHub's documentation, "Autolinked references and URLs".
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from common.json_values import Json

# Letters and marks that are invisible: fillers, the joiner, variation selectors, the empty Braille cell.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# A word of a sentence: the punctuation that may surround it, and what may stay plain.
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
# `:fa-` would become an icon, and punctuation at the end of a word a list.
_UNSAFE_IN_LABEL = re.compile(r"(?!(?<=[A-Za-z0-9])(?!:fa-)[-./:](?=[A-Za-z0-9]))[^A-Za-z0-9 ]")
_LIST_MARKER = re.compile(r"\A\d+(?=[.)])")
SAME = "·"
"""Begins a diff line that both sides have: not a space, so that no bot reads a command there."""
_CONTEXT = 2
"""Lines of context in a diff."""
_SHARED = 24
"""How many of the characters that two long values share are shown before they differ."""


def visible(text: str) -> str:
    """The text on one line, with backslash escapes for what is invisible or would move other text.

    That is: control characters, including line ends and terminal escapes; direction marks; spaces other than
    the plain one; zero-width characters; halves of surrogate pairs.
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
    """The text made visible, cut to `limit` characters; if it is cut, its length is added."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}… ({len(text):,} characters)"


def value(content: Json) -> str:
    """A value as JSON, on one line but not yet made visible."""
    return json.dumps(content, ensure_ascii=False)


def pair(before: Json, after: Json, limit: int) -> tuple[str, str]:
    """Two values as visible JSON of about `limit` characters each; long ones start where they differ."""
    return _parted(value(before), value(after), limit)


def _parted(old: str, new: str, limit: int) -> tuple[str, str]:
    skipped = _shared(old, new) - _SHARED if max(len(old), len(new)) > limit else 0
    if skipped <= 0:
        return clipped(old, limit), clipped(new, limit)
    return f"…{clipped(old[skipped:], limit)}", f"…{clipped(new[skipped:], limit)}"


def sides_in_lines(before: Json, after: Json, limit: int) -> tuple[list[str], list[str]] | None:
    """Both values as lines, if one has several lines of text, or is JSON longer than `limit`.

    The lines are not yet made visible. None if both values read well on one line.
    """
    if not any(_has_lines(each, limit) for each in (before, after)):
        return None
    return _in_lines(before), _in_lines(after)


def _has_lines(content: Json, limit: int) -> bool:
    if isinstance(content, str):
        return "\n" in content.rstrip("\n")
    return isinstance(content, list | dict) and len(value(content)) > limit


def _in_lines(content: Json) -> list[str]:
    return [*_outline(content)] if isinstance(content, list | dict) else split(content)


def _outline(content: Json, indent: str = "") -> Iterator[str]:
    """As YAML has it, so that few lines say much; each text in quotes, but one of several lines."""
    match content:
        case dict() if content:
            for key, inner in content.items():
                yield from _under(f"{indent}{key}:", inner, f"{indent}  ")
        case list() if content:
            for inner in content:
                first, *rest = _outline(inner, f"{indent}  ")
                yield f"{indent}- {first[len(indent) + 2 :]}"
                yield from rest
        case _:
            yield f"{indent}{value(content)}"


def _under(key: str, content: Json, indent: str) -> Iterator[str]:
    if isinstance(content, list | dict) and content:
        yield key
        yield from _outline(content, indent)
    elif isinstance(content, str) and "\n" in content.rstrip("\n"):
        yield f"{key} |"
        yield from (f"{indent}{line}" for line in split(content))
    else:
        yield f"{key} {value(content)}"


def split(content: Json) -> list[str]:
    """A value as lines: none if it is absent, a text's own lines, else its JSON."""
    if content is None:
        return []
    # Not splitlines, which also splits at other characters, and drops them.
    return (content if isinstance(content, str) else value(content)).split("\n")


def line_changes(before: list[str], after: list[str], *, most: int, limit: int) -> Iterator[str]:
    """A diff of two texts, as visible lines clipped to `limit`.

    Of the lines that both texts begin or end with, the nearest are shown as context; of the rest, the first
    `most` of each side. It takes linear time on purpose: the values are untrusted.
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
    """How many leading items, or characters, both share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def code(text: str) -> str:
    """A code span: shows the text and nothing else, on one line."""
    shown = visible(text) or '""'
    marks = "`" * (_longest_run(shown) + 1)
    # A backtick at an end would lengthen the marks; spaces on both sides are stripped unless all is space.
    if shown.strip() and {shown[0], shown[-1]} & {"`", " "}:
        shown = f" {shown} "
    return f"{marks}{shown}{marks}"


def fence(lines: Iterable[str], language: str = "") -> Iterator[str]:
    """The lines of a fenced block; `lines` are made visible, `language` must be trusted."""
    shown = [visible(line) for line in lines]
    marks = "`" * max(3, max(map(_longest_run, shown), default=0) + 1)
    yield marks + language
    yield from shown
    yield marks


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def prose(text: str) -> str:
    """Text for a sentence of Markdown: words and numbers stay, everything else becomes code spans.

    Text between two backticks becomes one code span. The result has no line ends, and is safe at the start of
    a line, too.
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
    """Text for between the quotes of a node's label in Mermaid.

    Everything becomes an entity code except letters, digits, spaces and the punctuation in a resource's type.
    Source: Mermaid, "Flowcharts: special characters that break syntax".
    """
    # Mermaid marks its entities with this ligature, and would take one in the text for its own.
    shown = visible(text).replace("\ufb02", "fl") or '""'
    return _UNSAFE_IN_LABEL.sub(lambda match: f"#{ord(match[0])};", shown)
