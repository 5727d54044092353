"""What every handler is made of: the two small interfaces, and reading a resource's inputs.

A handler turns the inputs of one Pulumi resource type into the API call that the AWS provider would make, and
AWS's answer into the outputs that the provider would return. It gets a `Cloud` and plain values, so it can't
tell whether Pulumi mocks, a provider plugin or a test called it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rehearsal.aws.cloud import Cloud
from rehearsal.aws.errors import UnmappedInputError
from rehearsal.values import Json, record, whole_numbers

# What Pulumi's AWS provider writes where AWS wants a description and the program gave none.
MANAGED_BY = "Managed by Pulumi"


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


def api_tags(inputs: Mapping[str, Json]) -> list[Json]:
    """Pulumi's map of tags as the list of Key and Value that most AWS APIs take."""
    return [{"Key": key, "Value": value} for key, value in record(inputs, "tags").items()]


def tag_outputs(inputs: Mapping[str, Json]) -> dict[str, Json]:
    """`tagsAll` as the provider reports it.

    Default tags are merged into `tags` before a handler sees them.
    """
    tags = record(inputs, "tags")
    return {"tags": dict(tags), "tagsAll": dict(tags)}
