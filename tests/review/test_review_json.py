"""The review as JSON keeps to its schema, and loses nothing."""

import copy
import json
from typing import cast

import pytest
from jsonschema import Draft202012Validator

from common.json_values import Json, dig, record, text
from review.as_json import SCHEMA, as_json
from review.model import Change, Difference, Grade, Part, Review, StackReview, Way

DIFFERENCE = Difference(path="spec.x", before={"a": [1, None, "\u202e"]}, after=None, note="why")


def change(part: Part, way: Way, grade: Grade, acknowledged: str = "") -> Change:
    return Change(
        part=part,
        subject="</details>",
        way=way,
        sentence="it changes",
        effect="a restart",
        grade=grade,
        reason="because",
        differences=(DIFFERENCE,),
        acknowledged=acknowledged,
    )


EVERY = tuple(
    change(part, way, grade, acknowledged)
    for part in Part
    for way in Way
    for grade in Grade
    for acknowledged in ("", "planned")
)
STACK = StackReview(
    stack="prod",
    region="eu-central-1",
    profile="production",
    changes=EVERY,
    rolls=True,
    rolls_because="the image changes",
    resources=(("db", ("secret",)),),
)
REVIEW = Review(base="main", head="work tree", notes=("dirty",), stacks=(STACK,), project=EVERY)


def errors(document: dict[str, Json]) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)]  # pyright: ignore[reportUnknownMemberType]


def test_the_schema_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "review", [REVIEW, Review(base="", head="", notes=(), stacks=())], ids=["full", "empty"]
)
def test_a_review_keeps_the_schema_when_written_and_read(review: Review) -> None:
    written = json.dumps(as_json(review))

    assert errors(json.loads(written)) == []
    assert json.loads(written) == as_json(review)


def test_nothing_is_lost() -> None:
    found = as_json(REVIEW)
    (stack,) = cast("list[dict[str, Json]]", found["stacks"])
    changes = cast("list[dict[str, Json]]", stack["changes"])

    assert (found["version"], found["verdict"], found["base"], found["head"]) == (
        1,
        "dangerous",
        "main",
        "work tree",
    )
    assert len(changes) == len(EVERY)
    assert changes[0]["differences"] == [
        {"path": "spec.x", "before": {"a": [1, None, "\u202e"]}, "after": None, "note": "why"}
    ]
    assert {text(each, "part") for each in changes} == {
        "file", "stack", "setting", "dependency", "resource", "permission", "object", "output", "check",
    }  # fmt: skip
    assert stack["resources"] == [{"subject": "db", "dependents": ["secret"]}]
    assert (stack["rolls"], stack["rollsBecause"]) == (True, "the image changes")


def test_an_acknowledged_change_says_what_it_is_and_what_it_counts_as() -> None:
    stack = StackReview(
        stack="a",
        region="b",
        profile="c",
        changes=(change(Part.CHECK, Way.UPDATED, Grade.DANGEROUS, "planned"),),
        rolls=False,
        rolls_because="",
    )
    found = as_json(Review(base="", head="", notes=(), stacks=(stack,)))
    ((told,),) = [
        cast("list[dict[str, Json]]", s["changes"]) for s in cast("list[dict[str, Json]]", found["stacks"])
    ]

    assert found["verdict"] == "look"
    assert (told["grade"], told["countsAs"], told["acknowledged"]) == ("dangerous", "look", "planned")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("version", 2), ("verdict", "fine"), ("base", None), ("notes", [1]), ("extra", 1),
        ("stacks", [{"stack": "a"}]),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_not_a_review(path: str, wrong: Json) -> None:
    document = copy.deepcopy(as_json(REVIEW))
    document[path] = wrong

    assert errors(document)


def test_every_object_of_the_schema_is_closed() -> None:
    for name, definition in record(SCHEMA, "$defs").items():
        if name != "grade":
            assert dig(cast("dict[str, Json]", definition), "additionalProperties") is False
