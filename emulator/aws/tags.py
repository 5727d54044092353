"""Resource tags: how the provider reads them back, and which calls an update makes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from common.json_values import Json, record, records, text
from emulator.lifecycle import Difference, State


@dataclass(frozen=True)
class TagChanges:
    """What an update does to a resource's tags."""

    removed: list[Json]
    """Keys."""
    added: dict[str, Json]
    """New and changed ones."""

    @property
    def added_pairs(self) -> list[Json]:
        """As the list of Key and Value that most AWS APIs expect."""
        return [{"Key": key, "Value": value} for key, value in self.added.items()]


def tag_changes(state: Mapping[str, Json], inputs: Mapping[str, Json]) -> TagChanges:
    """The changes from the tags in the state to the program's.

    A tag that a refresh found and the program doesn't have is removed, as the provider does.
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


@dataclass(frozen=True)
class DefaultTags:
    """The tags that the provider gives every taggable resource, unless the program sets others.

    AWS and `tagsAll` have them, `tags` doesn't. Handlers know one set of tags: what AWS has.
    Source: pulumi-aws, provider/tags.go; terraform-provider-aws, internal/tags/key_value_tags.go
    (ResolveDuplicates).
    """

    tags: Mapping[str, Json]

    @classmethod
    def configured(cls, value: Json) -> "DefaultTags":
        """From the provider's `defaultTags`, which is JSON text, as the engine passes objects."""
        try:
            decoded = cast(Json, json.loads(value)) if isinstance(value, str) else None
        except ValueError:
            decoded = None
        return cls(record(decoded, "tags") if isinstance(decoded, dict) else {})

    def under(self, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The inputs with all the tags that AWS should have."""
        tags = {**self.tags, **record(inputs, "tags")}
        return {**inputs, "tags": tags} if tags else dict(inputs)

    @staticmethod
    def at_aws(state: State) -> State:
        """The state with all the tags that AWS has."""
        return replace(state, outputs={**state.outputs, "tags": record(state.outputs, "tagsAll")})

    def left_out(self, state: State, own: Mapping[str, Json]) -> State:
        """The state as the provider reports it: `tags` has only those defaults that are also in `own`."""
        kept = {
            key: value
            for key, value in record(state.outputs, "tagsAll").items()
            if key in record(own, "tags") or self.tags.get(key) != value
        }
        return replace(state, outputs={**state.outputs, "tags": kept})

    @staticmethod
    def told(found: Difference, state: State, inputs: Mapping[str, Json]) -> Difference:
        """A difference in the tags that AWS should have, as one in `tagsAll` if `tags` didn't change."""
        if "tags" not in found.updates or record(state.outputs, "tags") != record(inputs, "tags"):
            return found
        updates = tuple("tagsAll" if key == "tags" else key for key in found.updates)
        return replace(found, updates=updates, kinds={**found.kinds, "tagsAll": "update"})
