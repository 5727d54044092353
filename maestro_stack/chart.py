"""The Helm chart that the stack installs: what a release is made of, and which values it takes."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from maestro_stack.errors import Problem
from maestro_stack.messages import shown
from maestro_stack.schema import Tree

CHART_PATH = "charts/maestro-server-eso"
RELEASED = ("Chart.yaml", "values.yaml", "values.schema.json", "templates/**/*", "files/**/*")
"""Files of the chart that a release depends on."""
EXAMPLE = f"what each value takes: {CHART_PATH}/README.md, Configuration"
_EDITORS = re.compile(r"\..*|#.*#|.*(~|\.bak|\.orig|\.rej|\.swp)")


def chart_digest(chart: Path) -> str:
    """SHA-256 over the names and contents of a release's files, whatever their line endings.

    The Helm provider doesn't notice edits to a local chart; this value does. Source of the names: Helm
    documentation, "The Chart File Structure".
    """
    digest = hashlib.sha256()
    for file in sorted(each for pattern in RELEASED for each in chart.glob(pattern) if each.is_file()):
        if _EDITORS.fullmatch(file.name):
            continue
        digest.update(file.relative_to(chart).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).digest())
    return digest.hexdigest()


def merge(values: Mapping[str, object], more: Mapping[str, object]) -> dict[str, object]:
    """`more` over `values`, as Helm merges values: objects key by key, everything else as a whole."""
    return {**values, **{key: _merge_one(values.get(key), value) for key, value in more.items()}}


def _merge_one(below: object, value: object) -> object:
    if not (isinstance(below, Mapping) and isinstance(value, Mapping)):
        return value
    return merge(cast(Mapping[str, object], below), cast(Mapping[str, object], value))


def values_problems(values: Tree, root: Path) -> Iterator[Problem]:
    """Where `server.values` and the chart's own values together break its schema.

    Helm would report it too, but only at the release, after the database. The program's own values are
    left out: `server.values` can't change them, and the settings' rules are as strict.
    """
    if not values:
        return
    yield from _nulls(values, "server.values")
    import jsonschema  # as slow to import as a look-up, and few stacks set values

    chart = root / CHART_PATH
    defaults = cast(Tree, yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8")))
    schema = cast(Tree, json.loads((chart / "values.schema.json").read_text(encoding="utf-8")))
    validator: Any = jsonschema.Draft7Validator(schema)
    for error in validator.iter_errors(merge(defaults, values)):
        path = ".".join(["server.values", *map(str, error.absolute_path)])
        if error.instance is not None:
            yield Problem(key=path, problem=_sentence(error), example=EXAMPLE)


def _nulls(values: Mapping[str, object], path: str) -> Iterator[Problem]:
    """Nulls, with which Helm would drop a default; but the Kubernetes provider's Check drops the nulls.

    Source: pulumi-kubernetes, provider/pkg/provider/helm_release.go (Check, SkipNulls).
    """
    for key, value in values.items():
        if value is None:
            problem = "must not be null: Pulumi's Kubernetes provider drops it, and the chart's default stays"
            yield Problem(key=f"{path}.{key}", problem=problem, example=EXAMPLE)
        elif isinstance(value, Mapping):
            yield from _nulls(cast(Mapping[str, object], value), f"{path}.{key}")


def _sentence(error: Any) -> str:
    """jsonschema's own message, with the value that it may begin with shortened as in ours."""
    value, message = repr(error.instance), str(error.message)
    return f"{shown(error.instance)}{message.removeprefix(value)}" if message.startswith(value) else message
