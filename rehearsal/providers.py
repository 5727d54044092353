"""One entry to the emulated providers: a resource of any type, or a look-up, whoever asks."""

from collections.abc import Mapping

from rehearsal import randomness
from rehearsal.aws import AwsError, Created, NoHandlerError, function_handler, resource_handler
from rehearsal.aws.cloud import Cloud
from rehearsal.kubernetes import Kubernetes, KubernetesError
from rehearsal.values import Json

PUBLIC_OUTPUTS = frozenset({"certificatePem", "publicKey", "caPem"})
"""Outputs that the AWS provider marks secret although they are public."""


class Providers:
    """The aws, kubernetes and random providers over one emulated cloud and cluster."""

    def __init__(self, cloud: Cloud, cluster: Kubernetes) -> None:
        self.cloud = cloud
        self.cluster = cluster

    def create(self, type_: str, inputs: Mapping[str, Json]) -> Created:
        """Create a resource from plain inputs.

        Raises:
            AwsError, KubernetesError: refused, as AWS or the cluster would.
            NoHandlerError: the type, or one of its inputs, isn't emulated.
        """
        if type_.startswith("pulumi:providers:"):
            return Created(id=type_.removeprefix("pulumi:providers:"), outputs=dict(inputs))
        if type_.startswith("kubernetes:"):
            return self.cluster.create(type_, inputs)
        if type_.startswith("random:"):
            return randomness.create(type_, inputs)
        return resource_handler(type_).create(self.cloud, inputs)

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """Outputs that the provider of this type marks secret."""
        if type_.startswith("random:"):
            return randomness.SECRET_OUTPUTS.get(type_, frozenset())
        return resource_handler(type_).secret_outputs if type_.startswith("aws:") else frozenset()

    def call(self, token: str, args: Mapping[str, Json]) -> dict[str, Json]:
        """Answer a look-up. Raises as `create` does."""
        return function_handler(token).call(self.cloud, args)


def is_about_surroundings(refusal: Exception) -> bool:
    """Whether a refusal is due to what was there before rather than to what was asked."""
    if isinstance(refusal, KubernetesError):
        return refusal.is_surroundings
    if isinstance(refusal, AwsError):
        taken = ("AlreadyExists", "ResourceExists", "ResourceInUse")
        return any(word in refusal.code for word in taken) or "scheduled for deletion" in refusal.message
    return False


REFUSALS = (AwsError, KubernetesError, NoHandlerError)
"""What a provider may answer; anything else is a defect and may crash loudly."""
