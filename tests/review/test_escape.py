"""Escaping: Markdown's own parser shows hostile text as it is, and GitHub finds nothing to link."""

import re
import unicodedata
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from common.json_values import Json
from review.escape import clipped, code, fence, label, line_changes, pair, prose, sides_in_lines, visible

HOSTILE = (
    "</details>", "</summary><h1>x</h1>", "```", "`", "``` x", "|", "| a | b |", "@team", "a@team",
    "@org/team", "[x](javascript:alert(1))", "![x](http://x/y.png)", "<img src=x onerror=alert(1)>",
    "<!-- x -->", "&lt;b&gt;", "#123", "owner/repo#1", "GH-1", "JIRA-12", "d45e5d5",
    "owner/repo@d45e5d5abc", "D45E5D5ABC", ":tada:", "https://x.y", "www.x.y", "mail@x.y",
    "mailto:mail@x.y", "# heading", "- item", "+ item", "1. item", "1) item", "12)", "> quote", "    code",
    "\tcode", "a\n\n# b", "a\r\n---", "***", "---", "===", "**b**", "_i_", "~~s~~", "[^1]", "[ ] task",
    "[!NOTE]", "$x$", "$$x$$", "\\", "a\\", "x\u202ey", "x\u2066y", "x\u200by", "x\ufeffy", "x\u00a0y",
    "x\u2028y", "x\x1b[31my", "x\x00y", "x\ud800y", "x\u3164y", "x\ufe0fy", "n0 --> evil", '"]; click n0',
    "%%{init: {}}%%", "", " ", "  ", " x ", "`x", "x`", "`a` `b", "/merge", "`up` would fail", "'@team'",
    '("#1")', "(@a).",
)  # fmt: skip
"""Names that a pull request may give things."""

# What GitHub links or replaces in text that isn't code: "Autolinked references and URLs", "Using emoji".
LINKED = re.compile(r"@\w|#\d|[a-z]-\d|[0-9a-f]{7}|:[\w+-]+:|://|\bwww\.|mailto:|\$", re.IGNORECASE)
GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])

hostile = pytest.mark.parametrize("text", HOSTILE, ids=ascii)


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from inline(token.children or [])


def shown(tokens: list[Token]) -> str:
    return "".join(token.content for token in inline(tokens) if token.type in ("text", "code_inline"))


@hostile
def test_a_sentence_is_one_paragraph_of_text_and_code(text: str) -> None:
    tokens = GITHUB.parse(prose(text))

    assert {token.type for token in inline(tokens)} <= {
        "paragraph_open", "inline", "paragraph_close", "text", "code_inline", "text_special",
    }  # fmt: skip
    assert not LINKED.search("".join(t.content for t in inline(tokens) if t.type == "text"))


@hostile
def test_a_sentence_shows_every_visible_character(text: str) -> None:
    tokens = GITHUB.parse(prose(text))

    def bare(string: str) -> str:
        return re.sub(r"[\s`]", "", string)

    assert bare(shown(tokens)) == bare(visible(text))


@hostile
@pytest.mark.parametrize("around", ["{}", "- x {} y", "## {}", "**{}** (`b`)"])
def test_a_code_span_shows_its_text_and_nothing_else(text: str, around: str) -> None:
    tokens = GITHUB.parse(around.format(code(text)))
    spans = [token.content for token in inline(tokens) if token.type == "code_inline"]

    assert spans[0] == (visible(text) or '""')
    assert not any(
        token.type in ("html_inline", "html_block", "link_open", "image") for token in inline(tokens)
    )


def test_a_sentence_of_plain_words_stays_plain() -> None:
    for text in (
        "the database's data is lost, except for its snapshots",
        "minutes away, in the window (5% of 1,000)",
        "from 16.4 → 17.2; this/that, and more: none!",
    ):
        assert prose(text) == text


def test_what_is_between_backticks_is_one_span() -> None:
    assert prose("see `python -m x --y`, now") == "see `python -m x --y`, now"


def test_a_sentence_can_t_begin_a_list() -> None:
    assert [prose(text) for text in ("1. x", "2) x", "- x", "+ x")] == [r"1\. x", r"2\) x", r"\- x", r"\+ x"]


UNSEEN = (
    *range(0x20), *range(0x7F, 0xA1), 0xAD, 0x61C, 0x115F, 0x180E, *range(0x2000, 0x2010),
    *range(0x2028, 0x2030), *range(0x205F, 0x2070), 0x2800, 0x3000, 0x3164, 0xD800, 0xDFFF,
    *range(0xFE00, 0xFE10), 0xFEFF, 0xE0041, 0xE0100,
)  # fmt: skip


@pytest.mark.parametrize("number", UNSEEN, ids=hex)
def test_what_draws_nothing_is_shown_as_an_escape(number: int) -> None:
    assert re.fullmatch(r"a\\(x..|u....|U.{8}|[nrt])b", visible(f"a{chr(number)}b"))


def test_letters_of_all_languages_stay() -> None:
    assert visible("Größe 区域 ✓ 😀") == "Größe 区域 ✓ 😀"
    assert unicodedata.category("区") == "Lo"


@hostile
@pytest.mark.parametrize("indent", ["", "    "])
def test_a_fence_ends_only_where_it_should(text: str, indent: str) -> None:
    block = "\n".join(indent + line for line in (*fence([text, "``````", "~~~"], "diff"), "", "end"))
    tokens = GITHUB.parse(f"- x\n  - y\n{block}" if indent else block)

    (found,) = [token for token in tokens if token.type == "fence"]
    assert found.content == f"{visible(text)}\n``````\n~~~\n"
    assert [t.content for t in tokens if t.type == "inline"][-1] == "end"


@hostile
def test_a_label_has_nothing_that_mermaid_reads(text: str) -> None:
    shown_label = label(text)

    assert re.fullmatch(r"(?:[A-Za-z0-9 ]|#\d+;|(?<=\w)[-./:](?=\w))+", shown_label)
    decoded = re.sub(r"#(\d+);", lambda match: chr(int(match[1])), shown_label)
    assert decoded == (visible(text) or '""')


def test_a_label_has_no_icon_and_none_of_mermaid_s_own_marks() -> None:
    assert label("fa:fa-car") == "fa#58;fa-car"
    assert label("\ufb02°°60¶ß").startswith("fl#176;")


def test_a_clipped_text_says_how_long_it_is() -> None:
    assert clipped("x" * 50, 50) == "x" * 50
    assert clipped("x" * 2_000_000, 3) == "xxx… (2,000,000 characters)"
    assert len(clipped("\U000e0001" * 1_000, 100)) < 130


def test_two_long_values_show_where_they_differ() -> None:
    old, new = pair("x" * 1_000_000 + "old", "x" * 1_000_000 + "new", 50)

    assert "old" in old
    assert "new" in new
    assert max(len(old), len(new)) < 90


def test_values_of_other_types_read_differently() -> None:
    assert pair("3", 3, 50) == ('"3"', "3")
    assert pair(None, True, 50) == ("null", "true")  # noqa: FBT003 a value


def test_a_diff_shows_what_differs_with_two_lines_around() -> None:
    before = [f"line {number}" for number in range(10)]
    after = [*before[:5], "changed", *before[6:]]

    assert [*line_changes(before, after, most=5, limit=50)] == [
        "·line 3", "·line 4", "-line 5", "+changed", "·line 6", "·line 7",
    ]  # fmt: skip


def test_a_diff_shows_where_long_lines_differ_and_how_many_are_left_out() -> None:
    before, after = ["x" * 10_000 + "old", *"abc"], ["x" * 10_000 + "new", *"def"]

    changed = [*line_changes(before, after, most=2, limit=50)]

    assert [line[-3:] for line in changed if "…x" in line] == ["old", "new"]
    assert [line for line in changed if "more" in line] == ["-… 2 more lines", "+… 2 more lines"]


def test_only_what_has_lines_is_read_in_lines() -> None:
    assert sides_in_lines("one\n", "two\n", 50) is None
    assert sides_in_lines("one\ntwo", None, 50) == (["one", "two"], [])
    assert sides_in_lines("one\u2028two\nthree", "x", 50) == (["one\u2028two", "three"], ["x"])
    assert sides_in_lines({"a": 1}, {"a": 2}, 50) is None
    assert sides_in_lines({"a": 1}, {"a": "x" * 60}, 50) == (["a: 1"], [f'a: "{"x" * 60}"'])


def test_an_object_is_read_as_an_outline_that_leaves_nothing_out() -> None:
    content: Json = {"a": [{"b": 1, "c": ["x", {}]}, [None], []], "d": "one\n two", "e": {}, "f": "x" * 60}
    assert sides_in_lines(None, content, 50) == (
        [],
        ["a:", "  - b: 1", "    c:", '      - "x"', "      - {}", "  - - null", "  - []",
         "d: |", "  one", "   two", "e: {}", f'f: "{"x" * 60}"'],
    )  # fmt: skip
