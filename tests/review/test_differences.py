"""Two values compared: what differs, without the noise of order."""

import pytest

from common.json_values import Json
from review.differences import differences
from review.model import Difference


def _found(before: Json, after: Json) -> list[tuple[str, Json, Json]]:
    return [(each.path, each.before, each.after) for each in differences(before, after)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": None}, {}),
        ([{"name": "a", "x": 1}], [{"x": 1, "name": "a"}]),
        ({}, {}),
    ],
)
def test_what_means_the_same_is_no_difference(before: Json, after: Json) -> None:
    assert _found(before, after) == []


def test_a_field_is_named_by_its_path_and_a_key_with_dots_is_quoted() -> None:
    before: Json = {"metadata": {"annotations": {"a.b/c": "1"}}}
    after: Json = {"metadata": {"annotations": {"a.b/c": "2"}}}
    assert _found(before, after) == [('metadata.annotations."a.b/c"', "1", "2")]


def test_items_with_names_are_compared_by_them_and_come_and_go() -> None:
    before: Json = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    after: Json = {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "9"}]}
    assert _found(before, after) == [
        ("env[A].value", "1", "9"),
        ("env[B]", {"name": "B", "value": "2"}, None),
        ("env[C]", None, {"name": "C", "value": "3"}),
    ]


def test_named_items_in_another_order_are_reported_as_reordered() -> None:
    one: Json = {"name": "A"}
    two: Json = {"name": "B"}
    assert list(differences([one, two], [two, one], "containers")) == [
        Difference(path="containers", before=["A", "B"], after=["B", "A"], note="in another order")
    ]


def test_other_lists_are_compared_as_a_whole_and_items_that_share_a_name_too() -> None:
    assert _found({"args": ["a", "b"]}, {"args": ["b", "a"]}) == [("args", ["a", "b"], ["b", "a"])]
    twins: Json = [{"name": "A", "x": 1}, {"name": "A", "x": 2}]
    others: Json = [{"name": "A", "x": 1}]
    assert _found(twins, others) == [("", twins, others)]


def test_another_type_is_a_difference() -> None:
    assert _found({"a": "1"}, {"a": 1}) == [("a", "1", 1)]
    assert _found({"a": {"b": 1}}, {"a": [1]}) == [("a", {"b": 1}, [1])]
