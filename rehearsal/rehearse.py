"""One rehearsal from start to end: the world, the program in both modes, the checks."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from checks.finding import Check, Status
from checks.questions import run_checks
from emulator.aws.account import account_of_role
from emulator.aws.in_process import in_process_cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import Kubernetes, Release
from emulator.mocks import run
from emulator.packages import Providers
from emulator.world import World, default_world
from engine.project import Stack
from engine.run import Failure, Run
from engine.settings import settings_of
from maestro_stack.names import BOOTSTRAP_CONFIG_MAP, BOOTSTRAP_KEY, BOOTSTRAP_NAMESPACE
from maestro_stack.settings import Settings
from rehearsal.gather import gather

Progress = Callable[[str], None]
"""Called with what begins now."""


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What was built, and whether it would work."""

    stack: Stack
    settings: Settings
    kubernetes_version: str
    """Whose schemas judged the objects."""
    update: Run
    failures: tuple[Failure, ...]
    """What providers refused; the checks are left out then."""
    checks: tuple[Check, ...]
    releases: tuple[Release, ...]
    seconds: float

    @property
    def holds(self) -> bool:
        """Nothing was refused and no check fails."""
        return not self.failures and all(check.status is not Status.FAILS for check in self.checks)

    @property
    def is_about_surroundings(self) -> bool:
        """Only what was there before is in the way."""
        return bool(self.failures) and all(failure.is_surroundings for failure in self.failures)


def rehearse(stack: Stack, *, world: World | None, progress: Progress) -> Rehearsal:
    """Run the stack's program in preview and in update mode against `world`, and check the result.

    Without a world, one is built in which everything that the settings name exists.

    Raises:
        maestro_stack.errors.MaestroError: the configuration or the world doesn't fit the program.
        emulator.world.WorldError: no world can be built.
    """
    begun = time.monotonic()
    settings = settings_of(stack)
    world = world or world_of(settings)
    progress("building the emulated AWS")
    with in_process_cloud(settings.region, world) as cloud:
        clusters = [c for c in world.clusters_in(settings.region) if c.name == settings.cluster_name]
        cluster = Kubernetes(
            root=stack.root,
            version=clusters[0].version if clusters else "",
            config_maps=world.config_maps,
            namespaces=world.namespaces,
        )
        default_tags = DefaultTags.configured(stack.config.get("aws:defaultTags"))
        providers = Providers(cloud, cluster, default_tags)
        preview = _run("preview", stack, providers, progress)
        update = preview if preview.failures else _run("update", stack, providers, progress)
        checks: tuple[Check, ...] = ()
        if not update.failures:
            progress("checking")
            nodes = clusters[0].nodes if clusters else None
            evidence = gather(settings, stack.config, preview, update, cloud, cluster)
            checks = run_checks(replace(evidence, nodes=None if nodes is None else tuple(nodes)))
    return Rehearsal(
        stack=stack,
        settings=settings,
        kubernetes_version=cluster.version,
        update=update,
        failures=update.failures,
        checks=checks,
        releases=tuple(cluster.releases),
        seconds=time.monotonic() - begun,
    )


def world_of(settings: Settings) -> World:
    """The world in which everything that the settings name exists. Raises WorldError."""
    network = settings.network
    world = default_world(
        settings.cluster_name,
        settings.region,
        vpc_id=network.vpc_id,
        subnet_ids=network.subnet_ids or (),
        security_group_ids=network.client_security_group_ids,
    )
    if account := account_of_role(settings.authentication.role_arn or ""):
        world = world.model_copy(update={"account": account})
    if settings.server.namespace_mode == "external":
        world = world.model_copy(update={"namespaces": [settings.server.namespace]})
    if settings.bootstrap_config_map != "adopt":
        return world
    theirs = {f"{BOOTSTRAP_NAMESPACE}/{BOOTSTRAP_CONFIG_MAP}": {BOOTSTRAP_KEY: settings.cluster_name}}
    return world.model_copy(update={"config_maps": theirs})


def _run(mode: Literal["preview", "update"], stack: Stack, providers: Providers, progress: Progress) -> Run:
    """Run the program once, telling how many resources it has registered so far."""
    registered = itertools.count(1)
    progress(f"{mode}: starting the program")
    return run(
        stack,
        providers,
        preview=mode == "preview",
        listener=lambda _: progress(f"{mode}: {next(registered)} resources"),
    )
