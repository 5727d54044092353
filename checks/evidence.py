"""What the checks look at: the settings, what was registered, what AWS and the cluster hold now."""

import functools
from dataclasses import dataclass

from checks import aws_policy
from checks.csi_provider import MountedFile, mount, parse_class
from checks.pod import Pod, fetcher, identity_of, pod_of, session_of
from emulator.aws.cloud import Cloud
from emulator.kubernetes import Release
from engine.run import Run
from maestro_stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything known after the program ran, in preview and in update mode."""

    settings: Settings
    preview: Run
    update: Run
    cloud: Cloud
    release: Release

    @functools.cached_property
    def pod(self) -> Pod:
        """The server's pod."""
        return pod_of(self.release)

    @property
    def cluster_arn(self) -> str:
        """ARN of the cluster that the pod runs on."""
        return self.cloud.arn("eks", f"cluster/{self.settings.cluster_name}")

    @functools.cached_property
    def identity(self) -> aws_policy.PodIdentity:
        """What EKS vouches for about the pod."""
        return identity_of(
            self.pod, self.cloud, cluster_name=self.settings.cluster_name, cluster_arn=self.cluster_arn
        )

    @functools.cached_property
    def files(self) -> tuple[MountedFile, ...]:
        """What is mounted at /mnt/secrets-store. Raises as `mount` and `session_of` do."""
        spc = parse_class(self.release.one("SecretProviderClass"))
        session = session_of(self.identity, self.cloud)
        return mount(spc, fetcher(session, self.cloud, spc.region))

    def file(self, name: str) -> str:
        """Content of one mounted file."""
        return next(file.content for file in self.files if file.name == name)
