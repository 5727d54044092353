"""A single entry point to the emulated providers: for resources of any type, and look-ups."""

from collections.abc import Mapping

from common.json_values import Json
from emulator.aws import (
    RESOURCE_TYPES,
    TAGGABLE_TYPES,
    AwsError,
    NoHandlerError,
    function_handler,
    resource_handler,
)
from emulator.aws.cloud import Cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import TABLES, Cluster, KubernetesError
from emulator.lifecycle import Difference, Provider, State, TakenAsGiven, live_inputs
from emulator.randomness import TYPES as RANDOM_TYPES
from emulator.randomness import Randomness

PUBLIC_OUTPUTS = frozenset({"certificatePem", "publicKey", "caPem", "__inputs"})
"""Outputs that the AWS and Kubernetes providers mark secret although their content is mostly public."""

TYPES = RESOURCE_TYPES | TABLES.keys() | RANDOM_TYPES
"""Every resource type that has a handler."""


NOT_FOLLOWED = ("aws:ignoreTags",)
"""Keys in the AWS provider's configuration that change what it builds, and that aren't emulated."""


def is_emulated(type_: str) -> bool:
    """Whether resources of a type have a handler; it isn't known here what happens to others."""
    return type_ in TYPES or type_.startswith("pulumi:providers:")


_NAMES = ("name", "identifier")
"""Inputs that give a resource its physical name."""


class AwsProvider(TakenAsGiven):
    """The AWS provider's resources and look-ups, in one emulated account and region."""

    def __init__(self, cloud: Cloud, default_tags: DefaultTags) -> None:
        self._cloud = cloud
        self._default_tags = default_tags

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """Create it through the type's handler, which all methods use."""
        handler, tags = resource_handler(type_), self._default_tags
        if type_ not in TAGGABLE_TYPES:
            return handler.create(self._cloud, inputs)
        return tags.left_out(handler.create(self._cloud, tags.under(inputs)), inputs)

    def read(self, type_: str, state: State) -> State | None:
        """The resource as AWS has it."""
        found = resource_handler(type_).read(self._cloud, state)
        if found is None or type_ not in TAGGABLE_TYPES:
            return found
        return self._default_tags.left_out(found, state.outputs)

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """Change it in place."""
        handler, tags = resource_handler(type_), self._default_tags
        if type_ not in TAGGABLE_TYPES:
            return handler.update(self._cloud, state, inputs)
        return tags.left_out(handler.update(self._cloud, tags.at_aws(state), tags.under(inputs)), inputs)

    def delete(self, type_: str, state: State) -> None:
        """Delete it."""
        resource_handler(type_).delete(self._cloud, state)

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """What an update would change, according to the type's table."""
        handler, tags = resource_handler(type_), self._default_tags
        if type_ not in TAGGABLE_TYPES:
            return handler.difference(state, inputs)
        return tags.told(handler.difference(tags.at_aws(state), tags.under(inputs)), state, inputs)

    def deletes_first(self, type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
        """Whether the program sets the physical name, and keeps it.

        Source: pulumi-terraform-bridge, nameRequiresDeleteBeforeReplace.
        """
        del type_
        name = next((key for key in _NAMES if isinstance(inputs.get(key), str)), None)
        return name is not None and inputs[name] == state.outputs.get(name)

    def live_inputs(self, type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The program's inputs, except for what was found to differ."""
        return live_inputs(state, inputs, self.difference(type_, state, inputs), self.known_inputs(type_))

    def known_inputs(self, type_: str) -> frozenset[str]:
        """The inputs in the type's table, and `region`, which the provider's version 7 always accepts."""
        return frozenset(resource_handler(type_).table.changes) | {"region"}

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """The secret outputs in the provider's schema."""
        return resource_handler(type_).secret_outputs

    def call(self, token: str, args: Mapping[str, Json]) -> dict[str, Json]:
        """Answer a look-up."""
        return function_handler(token).call(self._cloud, args)


class Providers:
    """The aws, kubernetes and random providers for one emulated cloud and cluster."""

    def __init__(self, cloud: Cloud, cluster: Cluster, default_tags: DefaultTags) -> None:
        self.cloud = cloud
        self.cluster = cluster
        self._aws = AwsProvider(cloud, default_tags)
        self._packages: dict[str, Provider] = {
            "aws": self._aws,
            "kubernetes": cluster,
            "random": Randomness(),
        }

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """Create a resource from plain inputs.

        Raises:
            AwsError, KubernetesError: refused, as AWS or the cluster would.
            NoHandlerError: the type, or one of its inputs, isn't emulated.
        """
        if type_.startswith("pulumi:providers:"):
            return State(id=type_.removeprefix("pulumi:providers:"), outputs=dict(inputs))
        return self._package(type_).create(type_, inputs)

    def read(self, type_: str, id_: str) -> State | None:
        """Read what somebody else created. Raises as `create` does."""
        return self._package(type_).read(type_, State(id=id_, outputs={}))

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """Outputs that this type's provider marks secret."""
        if type_.startswith("pulumi:providers:"):
            return frozenset()
        return self._package(type_).secret_outputs(type_)

    def call(self, token: str, args: Mapping[str, Json]) -> dict[str, Json]:
        """Answer a look-up. Raises as `create` does."""
        return self._aws.call(token, args)

    def _package(self, type_: str) -> Provider:
        if not is_emulated(type_):
            raise NoHandlerError(f"no emulation of {type_}")
        return self._packages[type_.partition(":")[0]]


def is_about_surroundings(refusal: Exception) -> bool:
    """Whether a refusal is due to what existed before, not to the request."""
    if isinstance(refusal, KubernetesError):
        return refusal.is_surroundings
    if isinstance(refusal, AwsError):
        taken = ("AlreadyExists", "ResourceExists", "ResourceInUse")
        return any(word in refusal.code for word in taken) or "scheduled for deletion" in refusal.message
    return False


REFUSALS = (AwsError, KubernetesError, NoHandlerError)
"""The errors that a provider may raise; anything else is a bug and may crash loudly."""
