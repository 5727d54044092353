"""Renders charts with Helm's own engine, and computes a release's inputs and outputs as the provider does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import yaml

from common.json_values import Json, flag, overlaid, record, records, text, whole_numbers
from emulator.kubernetes.objects import (
    INPUTS,
    RELEASE,
    InputError,
    KubernetesError,
    Manifest,
    resource_names,
)
from emulator.kubernetes.tables import NOT_REHEARSED, TABLES
from engine import properties

if TYPE_CHECKING:
    from helm_python import Chart

# pulumi-kubernetes, provider/pkg/provider/helm_release.go, defaultTimeoutSeconds.
DEFAULT_TIMEOUT = 300


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A chart rendered with a release's values."""

    templates: dict[str, str]
    """YAML by template path."""
    chart: str
    """The chart's name."""
    version: str
    app_version: str

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """The objects, in the order of the templates."""
        return tuple(manifests_of(self.templates))


def render(
    chart: Path, values: Mapping[str, Json], *, name: str, namespace: str, revision: int = 1
) -> Rendered:
    """Render a chart; `lookup` finds nothing, as in a preview. The first revision is an installation.

    Raises KubernetesError with Helm's own message.
    """
    import helm_python as helm

    try:
        with helm.Chart.load(chart) as loaded:
            _validate(loaded, values)
            rendered = loaded.render(
                dict(values),
                name=name,
                namespace=namespace,
                revision=revision,
                is_install=revision == 1,
                is_upgrade=revision > 1,
            )
            about = cast("Mapping[str, Json]", loaded.metadata)
    except helm.HelmError as refused:
        raise KubernetesError(str(refused)) from None
    return Rendered(
        templates={path: content for path, content in rendered.items() if content.strip()},
        chart=text(about, "name"),
        version=text(about, "version"),
        app_version=text(about, "appVersion"),
    )


def _validate(chart: "Chart", values: Mapping[str, Json]) -> None:
    import helm_python as helm

    try:
        chart.validate_schema(dict(values))
    except helm.HelmError as refused:
        # Framed in Helm's own words: Helm 3, pkg/chartutil/values.go.
        about = "values don't meet the specifications of the schema(s) in the following chart(s)"
        raise KubernetesError(f"{about}:\n{refused}") from None


def chart_version(chart: Path) -> str:
    """The version in a chart's Chart.yaml.

    For a local chart, the provider uses it as the wanted version: a new one upgrades the release, and edits
    of other files go unnoticed.
    """
    about: object = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    return text(cast("Mapping[str, Json]", about), "version") if isinstance(about, dict) else ""


def complete(inputs: Mapping[str, Json], chart: Path) -> dict[str, Json]:
    """A release's inputs with what the provider's Check fills in: all zero values, and the chart's version.

    While an input is unknown, the provider doesn't load the chart. It drops inputs that it doesn't know.
    Raises InputError if there is no chart.
    Source: pulumi-kubernetes, provider/pkg/provider/helm_release.go (Check).
    """
    is_known = not properties.holds_unknown(dict(inputs))
    if is_known and not chart.exists():
        problem = f'path "{inputs["chart"]}" not found; check the chart name and repository configuration.'
        raise InputError("chart", problem)
    given = {
        key: whole_numbers(value)
        for key, value in inputs.items()
        if value is not None and key in (_FILLED.keys() | TABLES[RELEASE].changes)
    }
    version: dict[str, Json] = {"version": chart_version(chart)} if is_known else {}
    return {**_FILLED, **given, **version}


_FILLED: Mapping[str, Json] = {**NOT_REHEARSED, **TABLES[RELEASE].defaults, "values": {}, "version": ""}
"""What Check fills in for inputs that the program doesn't set."""


def effective_values(inputs: Mapping[str, Json], current: Mapping[str, Json]) -> dict[str, Json]:
    """The values that an upgrade uses: usually the program's alone.

    Source: Helm 3.20.2, pkg/action/upgrade.go, reuseValues: `resetValues` wins; with `reuseValues` they are
    merged over the last revision's; and without any values the last revision's are used.
    """
    wanted = record(inputs, "values")
    if flag(inputs, "resetValues"):
        return wanted
    if flag(inputs, "reuseValues"):
        return overlaid(current, wanted)
    return wanted or dict(current)


def outputs(
    inputs: Mapping[str, Json],
    *,
    values: Mapping[str, Json],
    manifests: tuple[Manifest, ...],
    status: Mapping[str, Json],
) -> dict[str, Json]:
    """A release's outputs: the inputs, what the cluster says about it, and again the original inputs.

    `values` are the live ones. The provider merges them over the program's, so a value that somebody has
    removed doesn't show.
    Source: pulumi-kubernetes, provider/pkg/provider/helm_release.go, setReleaseAttributes.
    """
    return {
        **inputs,
        "values": overlaid(record(inputs, "values"), values),
        "version": text(status, "version"),
        "resourceNames": resource_names(manifests),
        "status": dict(status),
        INPUTS: dict(inputs),
    }


def manifests_of(rendered: Mapping[str, str]) -> Iterator[Manifest]:
    """The objects in rendered templates: Helm installs them whatever the template's extension.

    Source: Helm 3.20.2, pkg/action/action.go (renderResources): only notes aren't installed.
    """
    for template, content in sorted(rendered.items()):
        if not template.endswith("NOTES.txt"):
            for document in _documents(template, content):
                yield from _manifests(template, cast("Mapping[str, Json]", document))


def _manifests(template: str, document: Mapping[str, Json]) -> Iterator[Manifest]:
    """An object, or the objects in a list. Source: Kubernetes, cli-runtime (FlattenListVisitor)."""
    if not text(document, "kind"):
        raise KubernetesError(f"{_BROKEN.format(template)} validating data: kind not set")
    if text(document, "kind").endswith("List") and "items" in document:
        for each in records(document, "items"):
            yield from _manifests(template, each)
    else:
        yield Manifest(template=template, content=document)


_BROKEN = "YAML parse error on {}: error"


def _documents(template: str, content: str) -> Iterator[object]:
    """The objects in a rendered template.

    Raises KubernetesError, in Helm's words, if it isn't YAML, or not an object; the text may hold a secret,
    and isn't quoted. Source: Helm 3.20.2, pkg/releaseutil/manifest_sorter.go.
    """
    about = _BROKEN.format(template)
    try:
        for document in yaml.load_all(content, Loader=yaml.CSafeLoader):  # libyaml: ten times faster
            if document is None:
                continue
            if not isinstance(document, dict):
                raise KubernetesError(f"{about} unmarshaling JSON: it renders something other than an object")
            yield cast(object, document)
    except yaml.MarkedYAMLError as refused:
        mark = refused.problem_mark
        where = f"line {mark.line + 1} of what it renders" if mark else "what it renders"
        raise KubernetesError(f"{about} converting YAML to JSON: yaml: {where}: {refused.problem}") from None
    except yaml.YAMLError as refused:  # a character that YAML doesn't allow
        raise KubernetesError(f"{about} converting YAML to JSON: yaml: {refused}") from None


def known_inputs(outputs: Mapping[str, Json], status: Mapping[str, Json]) -> dict[str, Json]:
    """The inputs that a release was created with; on an import, what the cluster says about it."""
    kept = record(outputs, INPUTS)
    if kept:
        return kept
    imported: dict[str, Json] = {
        **_FILLED,
        "name": status.get("name"),
        "namespace": status.get("namespace"),
        "chart": status.get("chart"),
        "version": status.get("version"),
        "timeout": DEFAULT_TIMEOUT,
    }
    return imported
