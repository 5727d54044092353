"""One rehearsal from start to end: the world, the program in both modes, the checks."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from checks.evidence import Again
from checks.finding import Check, Status
from checks.questions import run_checks
from common.json_values import Json, record
from emulator.aws.account import account_of_role
from emulator.aws.cloud import Cloud
from emulator.aws.in_process import in_process_cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import RELEASE, Kubernetes, KubernetesError, Release
from emulator.mocks import run
from emulator.packages import Providers
from emulator.world import Cluster, Database, World, default_world
from engine.project import PLACEHOLDER, Stack
from engine.run import Failure, Run
from engine.settings import settings_of
from maestro_stack.chart import CHART_PATH
from maestro_stack.names import BOOTSTRAP_CONFIG_MAP, BOOTSTRAP_KEY, BOOTSTRAP_NAMESPACE
from maestro_stack.schema import DatabaseSettings
from maestro_stack.settings import Settings
from rehearsal.gather import gather

_OTHER_PLACEHOLDER = "placeholder-if-"
"""As long as the first, so that only the secrets differ."""
Progress = Callable[[str], None]
"""Called with a description of each step as it begins."""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What was built, and whether it would work."""

    stack: Stack
    settings: Settings
    kubernetes_version: str
    """The version whose schemas the objects were validated against."""
    update: Run
    again: Again | None
    """The same update with different secrets; None if nothing was built."""
    failures: tuple[Failure, ...]
    """What providers refused; if there are any, no checks are run."""
    checks: tuple[Check, ...]
    releases: tuple[Release, ...]
    installs: tuple[Mapping[str, Json], ...]
    """What the releases were installed with: inputs of `kubernetes:helm.sh/v3:Release`."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Nothing was refused and no check fails."""
        return not self.failures and all(check.status is not Status.FAILS for check in self.checks)

    @property
    def is_about_surroundings(self) -> bool:
        """Only what existed before is in the way."""
        return bool(self.failures) and all(failure.is_surroundings for failure in self.failures)


def rehearse(stack: Stack, *, world: World | None, progress: Progress) -> Rehearsal:
    """Run the stack's program in preview and in update mode against `world`, and check the result.

    If `world` is None, one is built in which everything that the settings name exists.

    Raises:
        maestro_stack.errors.MaestroError: the configuration or the world doesn't fit the program.
        emulator.world.WorldError: no world can be built.
    """
    begun = time.monotonic()
    settings = settings_of(stack)
    world = world or world_of(settings)
    progress("building the emulated AWS")
    with in_process_cloud(settings.region, world) as cloud:
        cluster = _cluster(stack, settings, world)
        providers = _providers(stack, cloud, cluster)
        preview = _run("preview", stack, providers, progress)
        update = preview if preview.failures else _run("update", stack, providers, progress)
        installs, update = _installs(settings, cluster, update)
        found = None if update.failures else gather(settings, stack.config, preview, update, cloud, cluster)
    checks: tuple[Check, ...] = ()
    again: Again | None = None
    if found is not None:
        again = _again(stack, settings, world, progress)
        progress("checking")
        nodes = next((each.nodes for each in _clusters(settings, world)), None)
        known = None if nodes is None else tuple(nodes)
        checks = run_checks(replace(found, again=again, nodes=known))
    return Rehearsal(
        stack=stack,
        settings=settings,
        kubernetes_version=cluster.version,
        update=update,
        again=again,
        failures=update.failures,
        checks=checks,
        releases=tuple(cluster.releases),
        installs=installs,
        seconds=time.monotonic() - begun,
    )


def _again(stack: Stack, settings: Settings, world: World, progress: Progress) -> Again | None:
    """The update once more, in an identical world, with only the secrets changed."""
    config = {key: value.replace(PLACEHOLDER, _OTHER_PLACEHOLDER) for key, value in stack.config.items()}
    with in_process_cloud(settings.region, world) as cloud:
        cluster = _cluster(stack, settings, world)
        providers = _providers(stack, cloud, cluster)
        update = _run("update", replace(stack, config=config), providers, progress)
        _, update = _installs(settings, cluster, update)
        texts = {template: text for release in cluster.releases for template, text in release.text.items()}
    return None if update.failures else Again(update=update, manifests=texts)


def _installs(
    settings: Settings, cluster: Kubernetes, update: Run
) -> tuple[tuple[Mapping[str, Json], ...], Run]:
    """The inputs of the releases, whoever installs them; if that isn't Pulumi, it is done here.

    Another installer has this repository's chart and the values from the stack's output.
    """
    if settings.server.install == "pulumi" or update.failures:
        known = (each for each in update.of_type(RELEASE) if not each.unverified)
        return tuple(each.inputs for each in known), update
    namespace = settings.server.namespace
    metadata: dict[str, Json] = {"name": namespace}
    inputs: dict[str, Json] = {
        "chart": CHART_PATH,
        "name": settings.server.release_name,
        "namespace": namespace,
        "values": record(update.outputs, "maestro_chart_values"),
    }
    try:
        cluster.memory.edit("somebody-else", {"kind": "Namespace", "metadata": metadata})
        cluster.create(RELEASE, cluster.checked(RELEASE, inputs))
    except KubernetesError as refused:
        failure = Failure(urn=f"::{CHART_PATH}", message=str(refused), is_surroundings=False)
        return (), replace(update, failures=(failure,))
    return (inputs,), update


def _providers(stack: Stack, cloud: Cloud, cluster: Kubernetes) -> Providers:
    return Providers(cloud, cluster, DefaultTags.configured(stack.config.get("aws:defaultTags")))


def _cluster(stack: Stack, settings: Settings, world: World) -> Kubernetes:
    clusters = _clusters(settings, world)
    return Kubernetes(
        root=stack.root,
        version=clusters[0].version if clusters else "",
        config_maps=world.config_maps,
        namespaces=world.namespaces,
    )


def _clusters(settings: Settings, world: World) -> list[Cluster]:
    return [c for c in world.clusters_in(settings.region) if c.name == settings.cluster_name]


def world_of(settings: Settings) -> World:
    """A world in which everything that the settings name exists. Raises WorldError.

    A stack whose name isn't its cluster's moved here from the cluster of that name, in the same network.
    """
    network, name = settings.network, settings.names.name
    world = default_world(
        settings.cluster_name,
        settings.region,
        vpc_id=network.vpc_id,
        network_of=None if network.vpc_id or name == settings.cluster_name else name,
        subnet_ids=network.subnet_ids or (),
        security_group_ids=network.client_security_group_ids,
    )
    if account := account_of_role(settings.authentication.role_arn or ""):
        world = world.model_copy(update={"account": account})
    if settings.server.namespace_mode == "external":
        world = world.model_copy(update={"namespaces": [settings.server.namespace]})
    if restored := _restored(settings.database):
        world = world.model_copy(update={"databases": [restored]})
    if settings.bootstrap_config_map != "adopt":
        return world
    theirs = {f"{BOOTSTRAP_NAMESPACE}/{BOOTSTRAP_CONFIG_MAP}": {BOOTSTRAP_KEY: settings.cluster_name}}
    return world.model_copy(update={"config_maps": theirs})


def _restored(settings: DatabaseSettings) -> Database | None:
    """The database that `database.restoreFrom` names, as the settings expect it to be."""
    if (source := settings.restore_from) is None:
        return None
    return Database(
        name=source.instance.lower() if source.instance else "restored-from",
        username=settings.username,
        database_name=settings.database_name,
        version=settings.engine_version,
        storage_gib=settings.allocated_storage_gib,
        kms_key_arn=settings.kms_key_arn,
        snapshot=source.snapshot,
        automated_backup=source.automated_backup,
        gone=source.instance is None,
    )


def _run(mode: Literal["preview", "update"], stack: Stack, providers: Providers, progress: Progress) -> Run:
    """Run the program once, reporting how many resources it has registered so far."""
    registered = itertools.count(1)
    progress(f"{mode}: starting the program")
    return run(
        stack,
        providers,
        preview=mode == "preview",
        listener=lambda _: progress(f"{mode}: {next(registered)} resources"),
    )
