"""What the checks look at: the settings, what was registered, what the region and the release hold now."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from checks import aws_policy
from checks.csi_provider import MountedFile, mount, parse_class
from checks.pod import POD_NAME, POD_UID, Pod, Session, fetcher, pod_of, session_of
from checks.region import Missing, Region, had
from common.json_values import Json, record, text
from engine.run import Run
from maestro_stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Release:
    """An installed Helm release."""

    namespace: str
    objects: tuple[Mapping[str, Json], ...]
    text: Mapping[str, str]
    """Rendered YAML by template path."""

    def one(self, kind: str, name: str | None = None) -> Mapping[str, Json]:
        """The release's one object of a kind (and name). Raises LookupError."""
        found = [
            each
            for each in self.objects
            if each["kind"] == kind and (name is None or text(record(each, "metadata"), "name") == name)
        ]
        if len(found) != 1:
            raise LookupError(f"the release has {len(found)} objects of kind {kind}, not one")
        return found[0]


@dataclass(frozen=True, kw_only=True)
class Again:
    """A second run of the program in an identical world, with other secrets."""

    update: Run
    manifests: Mapping[str, str]
    """The release's manifests, by template."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything known after the program ran, in preview and in update mode."""

    settings: Settings
    preview: Run
    update: Run
    region: Region
    installed: Release | Missing
    again: Again | None = None
    """A second run, with other secrets and nothing else changed; None if there isn't one."""
    not_followed: tuple[str, ...] = ()
    """Configuration keys that change what is built in ways that nothing here models."""
    nodes: tuple[Mapping[str, str], ...] | None = None
    """The labels of each of the cluster's nodes; None if they aren't known."""

    @property
    def release(self) -> Release:
        """The server's release. Raises like `had`."""
        return had(self.installed)

    @functools.cached_property
    def pod(self) -> Pod:
        """The server's pod."""
        return pod_of(self.release.one("Deployment", "maestro"), self.release.namespace)

    @functools.cached_property
    def identity(self) -> aws_policy.PodIdentity:
        """What EKS vouches for about the pod."""
        name = self.settings.cluster_name
        return aws_policy.PodIdentity(
            account_id=self.region.account_id,
            cluster_arn=self.region.arn("eks", f"cluster/{name}"),
            cluster_name=name,
            namespace=self.pod.namespace,
            service_account=self.pod.service_account,
            pod_name=POD_NAME,
            pod_uid=POD_UID,
        )

    @functools.cached_property
    def session(self) -> Session:
        """The role session that the pod gets. Raises like `session_of`, and MissingError."""
        return session_of(self.identity, had(self.region.association), self.region.name)

    @functools.cached_property
    def files(self) -> tuple[MountedFile, ...]:
        """What is mounted at /mnt/secrets-store. Raises like `mount` and `session`."""
        wanted = parse_class(self.release.one("SecretProviderClass"))
        return mount(wanted, fetcher(self.session, wanted.region, had(self.region.secrets).get))

    def file(self, name: str) -> str:
        """Content of one mounted file."""
        return next(file.content for file in self.files if file.name == name)
