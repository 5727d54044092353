"""Validates objects against Kubernetes' own JSON schemas for a cluster's version.

Kinds defined by a CustomResourceDefinition (SecretProviderClass, PodMonitor) have no schema.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from common.json_values import Json, record
from emulator.aws import NoHandlerError
from emulator.kubernetes.objects import KubernetesError

if TYPE_CHECKING:
    from referencing import Registry

CUSTOM_KINDS = frozenset({"PodMonitor", "PrometheusRule", "SecretProviderClass"})


def validate(content: Mapping[str, Json], version: str) -> None:
    """Validate an object against Kubernetes' JSON schemas, without unknown fields; custom kinds pass.

    Raises:
        KubernetesError: with everything that is wrong with it.
        NoHandlerError: there are no schemas for the version.
    """
    api_version, kind = str(content["apiVersion"]), str(content["kind"])
    if kind in CUSTOM_KINDS:
        return
    errors = [
        f"{e.json_path}: {e.message}" for e in _validator(api_version, kind, version).iter_errors(content)
    ]
    if errors:
        name = record(content, "metadata").get("name")
        raise KubernetesError(f'{kind} "{name}" is invalid: {"; ".join(errors)}')


class _SchemaError(Protocol):
    json_path: str
    message: str


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Iterable[_SchemaError]: ...


# kubernetes-validate ships the schemas; its own function loads their 1.4 MB of definitions for each object.


@functools.cache
def _validator(api_version: str, kind: str, version: str) -> _Validator:
    """The validator of one kind; its schema is named after kind, first part of the group, and version."""
    from jsonschema import Draft202012Validator

    group, _, group_version = api_version.rpartition("/")
    parts = [kind.lower(), *([group.partition(".")[0]] if group else []), group_version]
    file = _schemas(version) / f"{'-'.join(parts)}.json"
    if not file.is_file():
        raise KubernetesError(f"Kubernetes {version} has no {kind} in {api_version}")
    schema = json.loads(file.read_text(encoding="utf-8"))
    return cast(_Validator, Draft202012Validator(schema, registry=_definitions(version)))


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    from referencing import Registry, Resource

    definitions = json.loads((_schemas(version) / "_definitions.json").read_text(encoding="utf-8"))
    return Registry[Any]().with_resource(definitions["$id"], Resource.from_contents(definitions))


def _schemas(version: str) -> Path:
    folder = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    if not folder.is_dir():
        raise NoHandlerError(f"kubernetes-validate has no schemas for Kubernetes {version}")
    return folder
