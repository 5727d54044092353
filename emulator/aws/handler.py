"""What all handlers share: the two small interfaces, and reading a resource's inputs.

A handler turns the inputs of one Pulumi resource type into the API calls the AWS provider would make, and
AWS's answers into the outputs that the provider would return. It gets a `Cloud` and plain values, so it works
the same for Pulumi mocks, a provider plugin or a test.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import ClassVar, Protocol, TypeVar

from common.json_values import Json, record, whole_numbers
from emulator.aws.cloud import Cloud
from emulator.aws.errors import AwsError, PartlyMadeError, UnmappedInputError
from emulator.lifecycle import Difference, State, Table, difference

T = TypeVar("T")

# What Pulumi's AWS provider sends if AWS requires a description and the program sets none.
MANAGED_BY = "Managed by Pulumi"


class ResourceHandler(ABC):
    """Manages the whole life of resources of one type, as the AWS provider does."""

    type: ClassVar[str]
    """Pulumi's type token, such as "aws:iot/policy:Policy"."""
    table: ClassVar[Table]
    """Its inputs, and what changing each does."""
    secret_outputs: ClassVar[frozenset[str]] = frozenset()
    """Outputs that the provider itself marks secret."""

    @abstractmethod
    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """Make the API calls; raises AwsError, or UnmappedInputError for an unknown input."""

    @abstractmethod
    def read(self, cloud: Cloud, state: State) -> State | None:
        """The resource as it is now, found by the id and outputs in `state`; None if it is gone.

        What can't be read back (a password, a private key) and what only steers later calls is copied from
        `state`, whose outputs are empty on an import. Raises AwsError.
        """

    @abstractmethod
    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """Update in place what the table says can be; raises AwsError or UnmappedInputError."""

    @abstractmethod
    def delete(self, cloud: Cloud, state: State) -> None:
        """Delete the resource in `state`; it isn't an error if it is already gone. Raises AwsError."""

    def is_same(self, key: str, found: Json, wanted: Json) -> bool:
        """Whether an unequal value in the state and in the program mean the same to the provider."""
        del key, found, wanted
        return False

    def difference(self, state: State, inputs: Mapping[str, Json]) -> Difference:
        """What an update to these inputs would change, according to the table.

        Override it if the meaning of one input depends on another.
        """
        return difference(self.table, state.outputs, inputs, self.is_same)


class FunctionHandler(Protocol):
    """Answers one look-up."""

    @property
    def token(self) -> str:
        """Pulumi's function token, such as "aws:eks/getCluster:getCluster"."""
        ...

    def call(self, cloud: Cloud, args: Mapping[str, Json]) -> dict[str, Json]:
        """Make the API calls; raises AwsError, or UnmappedInputError for an unknown argument."""
        ...


def handler_file(token: str) -> str:
    """The file that holds, or should hold, the handler of a type or function token.

    >>> handler_file("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    'emulator/aws/ec2.py'
    """
    module = token.split(":")[1].split("/", maxsplit=1)[0] if token.count(":") >= 2 else "unknown"
    # Pulumi's vpc module is EC2, too; index has the provider-wide look-ups.
    return f"emulator/aws/{ {'vpc': 'ec2', 'index': 'account'}.get(module, module) }.py"


def read_inputs(
    token: str, cloud: Cloud, inputs: Mapping[str, Json], known: Iterable[str]
) -> dict[str, Json]:
    """The inputs that are set, with whole numbers as integers (Pulumi's wire format has only doubles).

    Raises UnmappedInputError for any input that the handler doesn't know, and for a `region` (which version 7
    of the provider accepts on each resource) that isn't the cloud's own.
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
    """The API parameters for those inputs that go to AWS unchanged under another name."""
    return {parameter: inputs[key] for key, parameter in names.items() if key in inputs}


def api_tags(inputs: Mapping[str, Json]) -> list[Json]:
    """Pulumi's map of tags as the list of Key and Value that most AWS APIs expect."""
    return [{"Key": key, "Value": value} for key, value in record(inputs, "tags").items()]


def tag_outputs(inputs: Mapping[str, Json]) -> dict[str, Json]:
    """`tags` and `tagsAll` as the provider reports them.

    Default tags are merged into `tags` before a handler sees them.
    """
    tags = record(inputs, "tags")
    return {"tags": dict(tags), "tagsAll": dict(tags)}


def unless_gone(call: Callable[[], T], *codes: str) -> T | None:
    """The call's result; None if AWS answers with one of the codes that say the resource is gone."""
    try:
        return call()
    except AwsError as error:
        if error.code not in codes:
            raise
        return None


def reread(handler: ResourceHandler, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
    """Read the resource at the end of an update, as the provider does.

    What can't be read back is the program's, or its default. Raises AwsError, also if the resource is gone.
    """
    now = handler.read(cloud, State(state.id, {**state.outputs, **handler.table.defaults, **inputs}))
    if now is None:
        service = handler.type.split(":")[1].split("/")[0]
        raise cloud.refuse(service, "reading after an update", "NotFound", f"couldn't find {state.id}")
    return now


@contextmanager
def completing(state: State) -> Generator[None]:
    """For the calls after a creation's first: if one is refused, the resource is kept as in `state`.

    Raises PartlyMadeError for an AwsError.
    """
    try:
        yield
    except AwsError as refusal:
        raise PartlyMadeError(refusal, state) from refusal
