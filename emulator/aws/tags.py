"""Tags of resources: as the provider reads them back, and which calls an update makes."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.json_values import Json, record, records, text


@dataclass(frozen=True)
class TagChanges:
    """What an update does to a resource's tags."""

    removed: list[Json]
    """Keys."""
    added: dict[str, Json]
    """New and changed ones."""

    @property
    def added_pairs(self) -> list[Json]:
        """As the list of Key and Value that most AWS APIs take."""
        return [{"Key": key, "Value": value} for key, value in self.added.items()]


def tag_changes(state: Mapping[str, Json], inputs: Mapping[str, Json]) -> TagChanges:
    """From the tags in state to the program's.

    A tag that a refresh found, and that the program doesn't have, is removed, as the provider does.
    """
    found, wanted = record(state, "tags"), record(inputs, "tags")
    return TagChanges(
        removed=[key for key in found if key not in wanted],
        added={key: value for key, value in wanted.items() if found.get(key) != value},
    )


def tags_in(answer: Mapping[str, Json], key: str) -> dict[str, Json]:
    """`tags` and `tagsAll` from a list of Key and Value in AWS's answer, without AWS's own tags (aws:…)."""
    return tags_of({text(tag, "Key"): text(tag, "Value") for tag in records(answer, key)})


def tags_of(tags: Mapping[str, Json]) -> dict[str, Json]:
    """`tags` and `tagsAll` from a map, without AWS's own tags (aws:…)."""
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return {"tags": own, "tagsAll": dict(own)}
