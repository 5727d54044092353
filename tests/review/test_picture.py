"""The picture: what changes and what depends on it, and nothing that a name could draw."""

import re
from dataclasses import replace

import pytest

from review.model import Change, Grade, Part, StackReview, Way
from review.picture import EDGES, NODES, picture

HOSTILE = (
    "n0 --> evil", '"]; click n0 "javascript:alert(1)"', '%%{init: {"securityLevel": "loose"}}%%',
    "a\nclick n0", "a\n```\n</details>", "`**x**`", "end", "fa:fa-car", "#quot;", "<img src=x>", "\u202e",
    "@team", "", "x" * 5_000,
)  # fmt: skip

# All that the picture may contain, line by line.
GRAMMAR = re.compile(
    r"""flowchart\ LR
    | \ \ (n\d+|more|edges)\["[A-Za-z0-9 #;:./,()-]+"\]
    | \ \ n\d+\ -->\ n\d+
    | \ \ classDef\ [a-z]+\ [a-z0-9:#,\ -]+
    | \ \ class\ n\d+(,n\d+)*\ [a-z]+""",
    re.VERBOSE,
)


def change(subject: str, grade: Grade, acknowledged: str = "") -> Change:
    return Change(
        part=Part.RESOURCE,
        subject=subject,
        way=Way.REPLACED,
        sentence="",
        effect="",
        grade=grade,
        reason="",
        acknowledged=acknowledged,
    )


def stack(resources: dict[str, tuple[str, ...]], *changes: Change) -> StackReview:
    return StackReview(
        stack="dev",
        region="eu-central-1",
        profile="dev",
        changes=changes,
        rolls=False,
        rolls_because="",
        resources=tuple(resources.items()),
    )


def members(lines: tuple[str, ...], name: str) -> list[str]:
    return [id_ for line in lines if line.startswith("  class n") and line.endswith(f" {name}")
            for id_ in line.split()[1].split(",")]  # fmt: skip


def test_nothing_is_drawn_if_no_resource_changes() -> None:
    assert picture(stack({})) == ()


def test_arrows_lead_to_what_depends() -> None:
    lines = picture(stack({"db": ("secret", "release")}, change("db", Grade.DANGEROUS)))

    assert lines[:6] == (
        "flowchart LR",
        '  n0["db (replaced, dangerous)"]',
        '  n1["secret"]',
        '  n2["release"]',
        "  n0 --> n1",
        "  n0 --> n2",
    )
    assert members(lines, "dangerous") == ["n0"]
    assert members(lines, "unchanged") == ["n1", "n2"]


def test_a_dependent_that_changes_too_has_its_grade() -> None:
    lines = picture(stack({"db": ("secret",), "secret": ()}, change("secret", Grade.LOOK)))

    assert members(lines, "look") == ["n0"]
    assert members(lines, "safe") == ["n1"]
    assert members(lines, "unchanged") == []


def test_an_acknowledged_change_is_drawn_as_to_be_looked_at() -> None:
    lines = picture(stack({"db": ()}, change("db", Grade.DANGEROUS, acknowledged="planned")))

    assert members(lines, "look") == ["n0"]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_a_name_draws_nothing(name: str) -> None:
    lines = picture(stack({name: (f"{name} {name}",)}, change(name, Grade.LOOK)))

    assert [line for line in lines if not GRAMMAR.fullmatch(line)] == []
    assert sum('["' in line for line in lines) == 2
    assert sum(" --> " in line for line in lines) == 1


def test_of_many_resources_the_worst_stay() -> None:
    many = {f"r{number}": (f"d{number}",) for number in range(500)}
    lines = picture(stack(many, change("r499", Grade.DANGEROUS), change("r498", Grade.LOOK)))

    assert '  n0["r499 (replaced, dangerous)"]' in lines
    assert '  n1["r498 (replaced, look)"]' in lines
    assert sum('["r' in line or '["d' in line for line in lines) == NODES
    assert f'  more["and {1_000 - NODES} more resources"]' in lines


def test_of_many_dependencies_mermaid_gets_what_it_takes() -> None:
    tangle = {f"r{one}": tuple(f"r{other}" for other in range(one)) for one in range(NODES)}
    lines = picture(stack(tangle))

    assert sum(" --> " in line for line in lines) == EDGES
    assert f'  edges["and {NODES * (NODES - 1) // 2 - EDGES} more dependencies"]' in lines


def test_a_release_whose_upgrade_is_reported_by_its_object_has_that_one_s_grade() -> None:
    told = replace(
        change("Deployment maestro", Grade.DANGEROUS), part=Part.OBJECT, resource="Release release"
    )
    assert '  n0["Release release (replaced, dangerous)"]' in picture(stack({"Release release": ()}, told))
