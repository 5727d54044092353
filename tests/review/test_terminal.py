"""The review at a terminal: 80 columns, the worst first, and nothing of a pull request moves the cursor."""

import io
import re
from dataclasses import replace

import pytest

from common.terminal import WIDTH, Colours
from review.model import Change, Difference, Grade, Part, Review, StackReview, Way
from review.terminal import as_text

HOSTILE = (
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "a\rb", "a\nb", "a\x08b", "\u202ereversed",
    "\u2066x\u2069", "zero\u200bwidth", "\x00", "\ud800", "\u2028", "x" * 500,
)  # fmt: skip

CHANGE = Change(
    part=Part.RESOURCE,
    subject="aws:rds/instance:Instance instance",
    way=Way.REPLACED,
    sentence="aws:rds/instance:Instance instance is replaced, by identifier",
    effect="minutes away",
    grade=Grade.DANGEROUS,
    reason="the data is lost",
    differences=(Difference(path="identifier", before="a", after="b"),),
)
STACK = StackReview(
    stack="prod",
    region="eu-central-1",
    profile="production",
    changes=(CHANGE,),
    rolls=True,
    rolls_because="the image changes",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def text(*stacks: StackReview, notes: tuple[str, ...] = ()) -> str:
    return as_text(Review(base="main", head="work tree", notes=notes, stacks=stacks), Colours(io.StringIO()))


def test_a_change_is_shown_with_its_effect_and_reason() -> None:
    assert text(STACK, notes=("a dirty work tree",)) == (
        "✗ prod (production in eu-central-1): database replaced: the data is lost · pods\n"
        "    roll · identifier a → b\n"
        "the server's pods are replaced: the image changes\n"
        "resources\n"
        "  ✗ aws:rds/instance:Instance instance is replaced, by identifier\n"
        "    effect: minutes away\n"
        f"    dangerous: the data is lost [{STACK.changes[0].fingerprint}]\n"
        '      identifier: "a" → "b"\n'
        "\n"
        "work tree compared with main\n"
        "  a dirty work tree\n"
        "to acknowledge all that is dangerous:\n"
        f'  --acknowledge "{STACK.changes[0].fingerprint}: REASON"\n'
        "dangerous: 1 dangerous\n"
    )


def test_the_worst_comes_first() -> None:
    look = replace(CHANGE, part=Part.STACK, grade=Grade.LOOK, sentence="a look")
    told = text(
        replace(STACK, stack="quiet", changes=()),
        replace(STACK, changes=(look, CHANGE)),
    )

    assert told.index("✗ prod") < told.index("  ✗") < told.index("  ? ") < told.index("✓ quiet")


def test_colours_are_a_terminal_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    review = Review(base="a", head="b", notes=(), stacks=(STACK,))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    coloured = as_text(review, Colours(Terminal()))
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[31m✗\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == as_text(review, Colours(Terminal())) == text_of(review)


def text_of(review: Review) -> str:
    return as_text(review, Colours(io.StringIO()))


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_nothing_that_a_pull_request_says_reaches_the_terminal_raw(name: str) -> None:
    differences = (
        Difference(path=name, before=name, after=[name], note=name),
        Difference(path=name, before=f"{name}\n1", after=f"{name}\n2"),
        Difference(path=name, before=None, after={name: name}),
        Difference(path=name, before=name, after=None),
        Difference(path="", before="[secret]", after="[secret]"),
    )
    change = Change(
        part=Part.OBJECT,
        subject=name,
        way=Way.CREATED,
        sentence=name,
        effect=name,
        grade=Grade.LOOK,
        reason=name,
        differences=differences,
        acknowledged=name,
    )
    stack = StackReview(
        stack=name, region=name, profile=name, changes=(change,), rolls=True, rolls_because=name
    )
    review = Review(base=name, head=name, notes=(name,), stacks=(stack, replace(stack, stack="other")))
    told = text_of(review)

    assert all(character.isprintable() or character == "\n" for character in told)
    assert max(map(len, told.splitlines())) <= WIDTH
    assert told.count("\n") == len(told.splitlines())


def test_stacks_with_the_same_change_are_shown_once() -> None:
    told = text(*(replace(STACK, stack=f"s{number}") for number in range(60)))

    assert told.count("is replaced") == 1
    assert told.startswith("✗ 60 stacks: ")
    assert {f"s{number}" for number in range(60)} <= {*told.split()}


def test_a_large_value_is_clipped() -> None:
    large = Difference(path="data", before="x" * 2_000_000, after="y\n" * 500_000)

    assert len(text(replace(STACK, changes=(replace(CHANGE, differences=(large,)),)))) < 10_000


def test_nothing_to_review_is_said() -> None:
    assert text().endswith("safe: no stack\n")
