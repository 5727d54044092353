"""The comment on a pull request: what it says, what it keeps out, and that it always fits."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from common.json_values import Json
from review.markdown import COMMAND, LIMIT, MARKER, as_markdown
from review.model import Change, Difference, Grade, Part, Review, StackReview, Way

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = (
    "</details>", "</summary>", "```", "``````\n</details>", "|", "| a |\n|---|\n| b |", "@team", "#123",
    "owner/repo#1", "GH-1", "d45e5d5", ":tada:", "https://evil.example", "www.evil.example",
    "[x](javascript:alert(1))", "![x](https://evil.example/x.png)", "<img src=x onerror=alert(1)>",
    "<!-- maestro-stack review -->", "-->", "\u202e", "\u2066", "\u200b", "n0 --> evil", '"]; click n0',
    "%%{init: {}}%%", "# heading", "\n\n# heading\n\n", "\n- [ ] task", "\n> [!CAUTION]", "\n===",
    "\n---\n", "\r\n\t code", "$x$", "/merge", "\n/merge", "`", "a `b", "\\", "\x1b[31m", "\x00", "\ud800",
    "", " ", "x" * 3_000, "` " * 300, "\U000e0001" * 500,
)  # fmt: skip
LINKED = re.compile(r"@\w|#\d|[a-z]-\d|[0-9a-f]{7}|:[\w+-]+:|://|\bwww\.|\$", re.IGNORECASE)
BLOCKS = {
    "heading", "inline", "paragraph", "bullet_list", "list_item", "fence", "html_block", "text",
    "code_inline", "strong", "softbreak", "text_special",
}  # fmt: skip
DETAILS = re.compile(r"<details( open)?><summary>[^<>`]+</summary>\n")
HEADING = re.compile(r"[🔴🟡🟢] (no region changes|.*:.+)")


def difference(path: str = "identifier", before: Json = "a", after: Json = "b", note: str = "") -> Difference:
    return Difference(path=path, before=before, after=after, note=note)


def change(
    grade: Grade = Grade.DANGEROUS, *differences: Difference, what: str = "it", acknowledged: str = ""
) -> Change:
    return Change(
        part=Part.RESOURCE,
        subject=f"type {what}",
        way=Way.REPLACED,
        sentence=f"type {what} is replaced",
        effect=f"effect on {what}",
        grade=grade,
        reason=f"reason for {what}",
        differences=differences,
        acknowledged=acknowledged,
    )


def stack(*changes: Change, name: str = "prod", region: str = "eu-central-1") -> StackReview:
    return StackReview(
        stack=name,
        region=region,
        profile="production",
        changes=changes,
        rolls=False,
        rolls_because="",
        resources=tuple((each.subject, (changes[0].subject,)) for each in changes),
    )


def review(*stacks: StackReview, notes: tuple[str, ...] = ()) -> Review:
    return Review(base="main", head="work tree", notes=notes, stacks=stacks)


def hostile_stack(name: str, grade: Grade = Grade.DANGEROUS) -> StackReview:
    differences = (
        difference(name, name, [name], name),
        difference(name, f"{name}\n1\n", f"{name}\n2\n"),
        difference(name, None, {name: name, "items": [*range(60)]}),
        difference(name, name, None),
    )
    changes = tuple(
        Change(
            part=part, subject=name, way=Way.UPDATED, sentence=sentence, effect=name, grade=grade,
            reason=name, differences=differences, acknowledged=acknowledged,
        )
        for part in Part for sentence in (name, f"{name} is updated {name}") for acknowledged in ("", name)
    )  # fmt: skip
    return StackReview(
        stack=name, region=name, profile=name, changes=changes, rolls=True, rolls_because=name,
        resources=((name, (f"{name}{name}", "other")),),
    )  # fmt: skip


def inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from inline(token.children or [])


def assert_only_ours(text: str) -> None:
    """The text has no markup that this package didn't write, and it fits."""
    assert text.startswith(f"{MARKER}\n")
    assert max(len(text), len(text.encode("utf-16-le")) // 2) <= LIMIT
    assert all(character.isprintable() or character == "\n" for character in text)
    tokens = GITHUB.parse(text)
    every = [*inline(tokens)]
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in every} <= BLOCKS
    html = "".join(token.content for token in every if token.type == "html_block")
    assert html.startswith(f"{MARKER}\n")
    # What remains are pairs of our own tags, none inside another.
    assert re.fullmatch(rf"(?:{DETAILS.pattern}</details>\n)*", html.removeprefix(f"{MARKER}\n"))
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert [heading for heading in headings if not HEADING.fullmatch(heading)] == []
    assert {token.info for token in every if token.type == "fence"} <= {"diff", "mermaid"}
    assert not LINKED.search(" ".join(token.content for token in every if token.type == "text"))
    # A bot that reads the comment's source finds no command.
    assert not re.search(r"^\s*[/@]", text, re.MULTILINE)


def code_spans(text: str) -> list[str]:
    return [token.content for token in inline(GITHUB.parse(text)) if token.type == "code_inline"]


# --- what it says -------------------------------------------------------------------------------------


def test_a_dangerous_change_is_unfolded_with_all_that_is_known() -> None:
    dangerous = change(Grade.DANGEROUS, difference(note="by hand"))
    found = as_markdown(
        review(
            replace(
                stack(dangerous),
                rolls=True,
                rolls_because="an image",
            ),
            notes=("The work tree is dirty.",),
        )
    )

    assert found.startswith(
        f"{MARKER}\n"
        "## 🔴 prod (`eu-central-1`): type replaced: reason for it · pods roll · identifier a → b\n"
        "\n"
        "`work tree` compared with `main`.\n"
        "\n"
        "- The work tree is dirty.\n"
        "\n"
        "Stack `prod` (production in `eu-central-1`).\n"
        "\n"
        "**The server's pods are replaced**: an image\n"
        "\n"
        "**Resources**\n"
        "\n"
        "- 🔴 `type it` is replaced\n"
        "  - Effect: effect on it\n"
        "  - Why dangerous: reason for it\n"
        f"  - To acknowledge: `{dangerous.fingerprint}`\n"
        '  - `identifier`: `"a"` → `"b"` (by hand)\n'
        "\n"
        "To acknowledge"
    )
    assert found.endswith(
        f'\nTo acknowledge all that is dangerous: `--acknowledge "{dangerous.fingerprint}: REASON"`\n'
    )
    assert_only_ours(found)


def test_what_deserves_a_look_is_unfolded_only_where_nothing_is_worse() -> None:
    look, safe = change(Grade.LOOK), change(Grade.SAFE)

    assert "<details open><summary>🟡 1 to look at" in as_markdown(review(stack(look, safe)))
    assert "<details><summary>🟡 1 to look at" in as_markdown(review(stack(change(), look, safe)))
    assert "<details><summary>🟢 1 safe" in as_markdown(review(stack(safe)))


def test_the_worst_comes_first_and_parts_have_the_order_of_the_enum() -> None:
    changes = [
        replace(change(grade, what=f"{grade.word}{part.name.lower()}"), part=part)
        for grade in Grade
        for part in reversed(Part)
    ]
    spans = code_spans(as_markdown(review(stack(*changes))))
    order = [
        f"type {grade.word}{part.name.lower()}" for grade in sorted(Grade, reverse=True) for part in Part
    ]

    assert [span for span in spans if span.startswith("type ")] == order


def test_the_worst_stack_comes_first() -> None:
    found = as_markdown(review(stack(name="quiet"), stack(change(), name="loud")))

    assert found.index("`loud`") < found.index("`quiet`")
    assert re.findall("^## (.)", found, re.MULTILINE) == ["🔴", "🟢"]


def test_an_acknowledged_change_is_folded_and_says_so() -> None:
    found = as_markdown(review(stack(change(acknowledged="agreed on Monday"))))

    assert "## 🟡 prod (`eu-central-1`): type replaced: reason for it\n" in found
    assert "--acknowledge" not in found
    assert "- 🟡 `type it` is replaced" in found
    assert "  - Why dangerous: reason for it\n  - Acknowledged: agreed on Monday" in found


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (difference(before=None, after=1), "`identifier` added: `1`"),
        (difference(before=1, after=None), "`identifier` removed, was `1`"),
        (difference(before="1", after=1), '`identifier`: `"1"` → `1`'),
        (difference(before="[secret]", after="[secret]", note="follows it"), "`identifier` (follows it)"),
        (difference(before=None, after=None), "`identifier` differs"),
        (difference(before="0a" * 32, after="0b" * 32), "`identifier` differs"),
        (difference(path="", before=1, after=2), "all of it: `1` → `2`"),
        (
            difference(before="a: 1\nb: 1\n", after="a: 1\nb: 2\n"),
            "`identifier`:\n    ```diff\n    ·a: 1\n    -b: 1\n    +b: 2\n    ·\n    ```",
        ),
    ],
)
def test_a_difference_reads_by_its_kind(of: Difference, told: str) -> None:
    assert f"  - {told}\n" in as_markdown(review(stack(change(Grade.DANGEROUS, of))))


def test_the_picture_is_drawn_where_it_has_more_than_one_arrow() -> None:
    alone = stack(change())
    drawn = replace(alone, resources=((change().subject, ("one", "another")),))
    assert "mermaid" not in as_markdown(review(alone))
    (picture,) = [
        token.content
        for token in GITHUB.parse(as_markdown(review(drawn)))
        if token.type == "fence" and token.info == "mermaid"
    ]

    assert picture.startswith("flowchart LR\n")
    assert "n0 --> n1" in picture


def test_sixty_stacks_with_the_same_change_read_as_one() -> None:
    stacks = [
        stack(
            change(Grade.LOOK, difference("arn", f"arn:r{number}:s{number}", f"arn:r{number}:s{number}/x")),
            name=f"s{number}",
            region=f"r{number}",
        )
        for number in range(60)
    ]
    found = as_markdown(review(*stacks))

    assert found.count("\n## ") == 1
    assert "## 🟡 60 stacks: arn `arn:r0:s0` → `arn:r0:s0/x`\n" in found
    assert {f"s{number}" for number in range(60)} <= {*code_spans(found)}
    assert "Shown for `s0`" in found
    assert_only_ours(found)


def test_a_stack_that_differs_in_one_value_is_shown_by_itself() -> None:
    stacks = [stack(change(Grade.LOOK, difference()), name=f"s{number}") for number in range(60)]
    stacks[30] = stack(change(Grade.LOOK, difference(after="s31")), name="s30")

    assert as_markdown(review(*stacks)).count("\n## ") == 2


def test_a_stack_whose_name_is_a_word_of_the_change_reads_with_the_others() -> None:
    found = as_markdown(review(*(stack(change(what="service"), name=name) for name in ("a", "service", "b"))))

    assert found.count("\n## ") == 1


@pytest.mark.parametrize("longer", ["{}1", "1{}"])
def test_names_that_only_contain_a_stack_s_are_not_taken_for_it(longer: str) -> None:
    one = stack(change(what=longer.format("a")), name="a")
    other = stack(change(what=longer.format("b")), name="b")

    assert as_markdown(review(one, other)).count("\n## ") == 2


def test_nothing_to_review_is_said() -> None:
    found = as_markdown(review())

    assert found.startswith(f"{MARKER}\n## 🟢 no region changes\n")
    assert_only_ours(found)


# --- what it keeps out --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
@pytest.mark.parametrize("grade", Grade)
def test_no_value_is_markup(name: str, grade: Grade) -> None:
    found = Review(
        base=name, head=name, notes=(name,), stacks=(hostile_stack(name, grade), stack(name="calm"))
    )

    assert_only_ours(as_markdown(found))


def test_no_value_is_markup_where_all_are_at_once() -> None:
    stacks = [hostile_stack(name, grade) for name in HOSTILE for grade in Grade]

    assert_only_ours(as_markdown(Review(base="a", head="b", notes=HOSTILE, stacks=tuple(stacks))))


def test_secrets_stay_masked() -> None:
    found = as_markdown(review(stack(change(Grade.DANGEROUS, difference("password", None, "[secret]")))))

    assert '`password` added: `"[secret]"`' in found


# --- that it fits -------------------------------------------------------------------------------------


def test_a_change_of_two_megabytes_fits_and_shows_where_it_begins() -> None:
    start = "x" * 1_000_000
    large = (
        difference("text", f"{start}old", f"{start}new"),
        difference("lines", "a\n" * 1_000_000, "a\n" * 999_999 + "b\n"),
        difference("object", None, {f"key{number}": number for number in range(100_000)}),
    )
    found = as_markdown(review(stack(change(Grade.DANGEROUS, *large))))

    assert len(found) < 10_000
    assert 'old"' in found
    assert 'new"' in found
    assert "    +b\n" in found
    assert_only_ours(found)


def numbered(grade: Grade, count: int, size: int = 10) -> list[Change]:
    found = tuple(difference(f"key{number}", "old", "new") for number in range(size))
    return [change(grade, *found, what=f"{grade.word}{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("changes", "left_out", "kept"),
    [
        ([*numbered(Grade.DANGEROUS, 5), *numbered(Grade.SAFE, 5)], None, "safe4"),
        (
            [*numbered(Grade.DANGEROUS, 50), *numbered(Grade.LOOK, 53), *numbered(Grade.SAFE, 50)],
            "the pictures.",
            "safe49",
        ),
        (
            [*numbered(Grade.DANGEROUS, 50), *numbered(Grade.LOOK, 70), *numbered(Grade.SAFE, 50)],
            "the pictures, the differences of safe changes.",
            "safe49",
        ),
        (
            [*numbered(Grade.DANGEROUS, 50), *numbered(Grade.LOOK, 110), *numbered(Grade.SAFE, 50)],
            "the pictures, the differences of safe changes, the differences of look changes.",
            "safe49",
        ),
        (
            [*numbered(Grade.DANGEROUS, 50), *numbered(Grade.LOOK, 100), *numbered(Grade.SAFE, 500)],
            "the pictures, the differences of look changes, changes of lower grades (500 safe).",
            "look99",
        ),
        (
            [*numbered(Grade.DANGEROUS, 50), *numbered(Grade.LOOK, 1_000), *numbered(Grade.SAFE, 500)],
            "the pictures, changes of lower grades (1,000 to look at, 500 safe).",
            "dangerous49",
        ),
        (
            [*numbered(Grade.DANGEROUS, 300), *numbered(Grade.LOOK, 10)],
            "the pictures, the differences of dangerous changes, changes of lower grades (10 to look at).",
            "dangerous299",
        ),
        (
            numbered(Grade.DANGEROUS, 3_000),
            (
                "the pictures, the differences of dangerous changes, "
                "all but the worst 100 changes of each section."
            ),
            "dangerous99",
        ),
    ],
    ids=[
        "all",
        "pictures",
        "safe-bare",
        "look-bare",
        "no-safe",
        "no-look",
        "dangerous-bare",
        "some-dangerous",
    ],
)
def test_the_least_important_is_left_out_first(
    changes: list[Change], left_out: str | None, kept: str
) -> None:
    found = as_markdown(review(stack(*changes)))

    line = next((line for line in found.splitlines() if line.startswith("**Shortened")), None)
    said = f"**Shortened to fit a comment**: left out are {left_out} `{COMMAND}` shows everything."
    assert line == (said if left_out else None)
    assert f"`type {kept}` is replaced" in found
    assert_only_ours(found)


def test_of_thousands_of_stacks_the_verdicts_of_the_worst_remain() -> None:
    stacks = [
        stack(change(grade, what=f"of{number}"), name=f"{grade.word}{number}")
        for number in range(800)
        for grade in Grade
    ]
    found = as_markdown(review(*stacks))

    assert "left out are all changes" in found
    assert "`dangerous0`" in found
    assert "`safe799`" not in found
    assert re.search(r"- and [\d,]+ stacks more: .*800 safe\n$", found)
    assert_only_ours(found)


def test_the_worst_change_stays_however_many_stacks_there_are() -> None:
    stacks = [
        stack(*numbered(grade, 1 + number % 3), name=f"{grade.word}{number}")
        for number in range(800)
        for grade in Grade
    ]
    found = as_markdown(review(*stacks))

    assert "`type dangerous2` is replaced" in found
    assert "and 207 more." in found
    assert_only_ours(found)


@pytest.mark.parametrize("seed", range(20))
def test_any_review_fits_and_has_only_our_markup(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 no secret
    size = chance.choice([1, 3, 10, 60])

    def text() -> str:
        return "".join(chance.choice([*HOSTILE, "word", " ", "😀"]) for _ in range(chance.randrange(6)))

    def differing() -> Difference:
        return difference(
            text(), chance.choice([None, text(), {text(): text()}]), f"{text()}\n{text()}", text()
        )

    stacks = tuple(
        StackReview(
            stack=text(), region=text(), profile=text(), rolls=chance.random() < 0.5, rolls_because=text(),
            changes=tuple(
                Change(
                    part=chance.choice([*Part]), subject=text(), way=chance.choice([*Way]), sentence=text(),
                    effect=text(), grade=chance.choice([*Grade]), reason=text(),
                    acknowledged=chance.choice(["", text()]),
                    differences=tuple(differing() for _ in range(chance.randrange(4))),
                )
                for _ in range(chance.randrange(size))
            ),
            resources=tuple((text(), (text(), text())) for _ in range(chance.randrange(4))),
        )
        for _ in range(chance.randrange(size))
    )  # fmt: skip
    found = Review(base=text(), head=text(), notes=tuple(text() for _ in range(size)), stacks=stacks)

    assert_only_ours(as_markdown(found))
