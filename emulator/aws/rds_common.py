"""What the handlers of RDS's resources share."""

from collections.abc import Iterable, Mapping

from common.json_values import Json, text
from emulator.aws.cloud import Cloud
from emulator.aws.tags import tag_changes, tags_in
from emulator.lifecycle import State


def read_tags(cloud: Cloud, arn: str) -> dict[str, Json]:
    """`tags` and `tagsAll`, from ListTagsForResource."""
    return tags_in(cloud.call("rds", "ListTagsForResource", {"ResourceName": arn}), "TagList")


def update_tags(cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> None:
    """RemoveTagsFromResource and AddTagsToResource, as needed."""
    changes, arn = tag_changes(state.outputs, inputs), text(state.outputs, "arn")
    if changes.removed:
        cloud.call("rds", "RemoveTagsFromResource", {"ResourceName": arn, "TagKeys": changes.removed})
    if changes.added:
        cloud.call("rds", "AddTagsToResource", {"ResourceName": arn, "Tags": changes.added_pairs})


def in_order_of(known: Iterable[str], found: Iterable[str]) -> list[str]:
    """What was found: first in the known order, then sorted.

    In Terraform these are sets, but Pulumi shows a list: a stable order keeps a refresh from showing changes.
    """
    order = {value: place for place, value in enumerate(known)}
    return sorted(found, key=lambda value: (order.get(value, len(order)), value))
