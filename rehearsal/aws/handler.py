"""What every handler is made of: JSON values, errors, and the two small interfaces.

A handler turns the inputs of one Pulumi resource type into the API call that the AWS provider would make, and
AWS's answer into the outputs that the provider would return. It gets a `Cloud` and plain values, so it can't
tell whether Pulumi mocks, a provider plugin or a test called it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    from rehearsal.aws.cloud import Cloud

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

# What Pulumi's AWS provider writes where AWS wants a description and the program gave none.
MANAGED_BY = "Managed by Pulumi"


class AwsError(Exception):
    """AWS (emulated) refused a call: what the AWS provider would report after `creating …:`."""

    def __init__(self, *, service: str, operation: str, code: str, message: str) -> None:
        super().__init__(f"operation error {service}: {operation}, {code}: {message}")
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message


class NoHandlerError(Exception):
    """The emulation can't say what AWS would do here; the message names the file to extend."""


class UnmappedInputError(NoHandlerError):
    """A handler was given inputs that it doesn't pass on to AWS: better refused than silently dropped."""


@dataclass(frozen=True)
class Created:
    """A resource as the AWS provider reports it after creation; outputs hold the inputs too, in camelCase."""

    id: str
    outputs: dict[str, Json]


class ResourceHandler(Protocol):
    """Creates resources of one type."""

    @property
    def type(self) -> str:
        """Pulumi's type token, such as "aws:iot/policy:Policy"."""
        ...

    @property
    def secret_outputs(self) -> frozenset[str]:
        """Outputs that the provider itself marks secret."""
        ...

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> Created:
        """Makes the API calls; raises AwsError, or UnmappedInputError for an unknown input."""
        ...


class FunctionHandler(Protocol):
    """Answers one look-up."""

    @property
    def token(self) -> str:
        """Pulumi's function token, such as "aws:eks/getCluster:getCluster"."""
        ...

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """Makes the API calls; raises AwsError, or UnmappedInputError for an unknown argument."""
        ...


def handler_file(token: str) -> str:
    """The file that holds, or should hold, the handler of a type or function token.

    >>> handler_file("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    'rehearsal/aws/ec2.py'
    """
    module = token.split(":")[1].split("/", maxsplit=1)[0] if token.count(":") >= 2 else "unknown"
    # EC2 answers for Pulumi's vpc module; index holds the provider-wide look-ups.
    return f"rehearsal/aws/{ {'vpc': 'ec2', 'index': 'account'}.get(module, module) }.py"


def read_inputs(
    token: str, cloud: Cloud, inputs: Mapping[str, Json], known: Iterable[str]
) -> dict[str, Json]:
    """The inputs that are set, with whole numbers as integers (Pulumi's wire format knows only doubles).

    Raises UnmappedInputError for any input that the handler doesn't know, and for a `region` (version 7 of
    the provider accepts one on each resource) that isn't the cloud's own.
    """
    given = {key: whole_numbers(value) for key, value in inputs.items() if value is not None}
    region = given.pop("region", cloud.region)
    unmapped = sorted(given.keys() - set(known))
    if unmapped:
        raise UnmappedInputError(
            f"{token}: nothing maps {', '.join(unmapped)} to the AWS API yet: add it in {handler_file(token)}"
        )
    if region != cloud.region:
        raise UnmappedInputError(
            f"{token}: region {region} differs from the emulated {cloud.region}: "
            f"resources of another region are not mapped yet, add it in {handler_file(token)}"
        )
    return given


def api_parameters(inputs: Mapping[str, Json], names: Mapping[str, str]) -> dict[str, Json]:
    """The API parameters of those inputs that go to AWS unchanged under another name."""
    return {parameter: inputs[key] for key, parameter in names.items() if key in inputs}


def whole_numbers(value: Json) -> Json:
    """The same value with 3.0 as 3, at any depth."""
    match value:
        case bool():
            return value
        case float() if value.is_integer():
            return int(value)
        case list():
            return [whole_numbers(item) for item in value]
        case dict():
            return {key: whole_numbers(item) for key, item in value.items()}
        case _:
            return value


# Readers that tolerate a wrong type: AWS's own validation of the call then refuses it with the better
# message.


def text(values: Mapping[str, Json], key: str, default: str = "") -> str:
    """A string, or the default."""
    value = values.get(key)
    return value if isinstance(value, str) else default


def number(values: Mapping[str, Json], key: str, default: int = 0) -> int:
    """A whole number, or the default."""
    value = values.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def flag(values: Mapping[str, Json], key: str, *, default: bool = False) -> bool:
    """A boolean, or the default."""
    value = values.get(key)
    return value if isinstance(value, bool) else default


def texts(values: Mapping[str, Json], key: str) -> list[str]:
    """The strings of a list; none if it is missing."""
    value = values.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def record(values: Mapping[str, Json], key: str) -> dict[str, Json]:
    """An object; empty if it is missing."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def records(values: Mapping[str, Json], key: str) -> list[dict[str, Json]]:
    """The objects of a list; none if it is missing."""
    value = values.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def json_list(values: Iterable[str]) -> list[Json]:
    """A list of strings as a Json value (lists are invariant, so the type checker wants this said)."""
    return list(values)


def merged(*parts: Mapping[str, Json]) -> dict[str, Json]:
    """The parts in one, later ones winning."""
    return {key: value for part in parts for key, value in part.items()}


def api_tags(inputs: Mapping[str, Json]) -> list[Json]:
    """Pulumi's map of tags as the list of Key and Value that most AWS APIs take."""
    return [{"Key": key, "Value": value} for key, value in record(inputs, "tags").items()]


def tag_outputs(inputs: Mapping[str, Json]) -> dict[str, Json]:
    """`tagsAll` as the provider reports it.

    Default tags are merged into `tags` before a handler sees them.
    """
    tags = record(inputs, "tags")
    return {"tags": dict(tags), "tagsAll": dict(tags)}


def to_json(value: object) -> Json:
    """What botocore parsed from an answer, as JSON; times in RFC 3339, as the provider shows them."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case bytes():
            return value.decode("utf-8", "replace")
        case dict():
            return {str(key): to_json(item) for key, item in cast("dict[object, object]", value).items()}
        case list():
            return [to_json(item) for item in cast("list[object]", value)]
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


def parse_document(document: str) -> dict[str, Json] | None:
    """A policy document, or None if the text isn't a JSON object."""
    try:
        parsed: Json = json.loads(document)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def one_or_many(value: Json) -> list[Json]:
    """IAM's convention: a single value may stand where a list is meant."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
