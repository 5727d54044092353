"""AWS's partitions and regions, according to botocore."""

import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

# The partitions that the stack supports; botocore knows more (isolated and sovereign ones).
PARTITIONS = ("aws", "aws-us-gov", "aws-cn")


class UnknownRegionError(Exception):
    """No supported partition has a region of this name."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.closest = closest_region(region)
        hint = f"did you mean {self.closest}?" if self.closest else "for example us-east-1"
        super().__init__(f"unknown AWS region {region!r}: {hint}")


@dataclass(frozen=True)
class Region:
    """An AWS region and the partition it is in."""

    name: str
    description: str  # "US East (N. Virginia)"
    partition: str
    dns_suffix: str  # "amazonaws.com"


@cache
def regions() -> dict[str, Region]:
    """Every region of the supported partitions, by name. Source: botocore's endpoints.json."""
    import botocore

    text = (Path(botocore.__file__).parent / "data" / "endpoints.json").read_text(encoding="utf-8")
    # Shape: {"partitions": [{"partition", "dnsSuffix", "regions": {name: {"description"}}, "services"}]}
    parsed = cast("dict[str, list[dict[str, object]]]", json.loads(text))
    return {
        name: Region(name, facts.get("description", name), str(entry["partition"]), str(entry["dnsSuffix"]))
        for entry in parsed["partitions"]
        if entry["partition"] in PARTITIONS
        for name, facts in cast("dict[str, dict[str, str]]", entry["regions"]).items()
    }


def find_region(name: str) -> Region:
    """The region with this name; raises UnknownRegionError with the closest known name."""
    found = regions().get(name)
    if found is None:
        raise UnknownRegionError(name)
    return found


def closest_region(name: str) -> str | None:
    """The known region that a mistyped name most likely meant."""
    matches = difflib.get_close_matches(name, sorted(regions()), n=1)
    return matches[0] if matches else None
