"""Everything that a stack needs to run on the engine: emulated AWS, engine and, optionally, a cluster."""

import os
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import tools
from common.json_values import Json
from controlplane import Api, ControlPlane
from emulator.aws.cloud import Clients
from emulator.client import Emulation
from emulator.executables import ACCOUNT, write_plugins
from emulator.world import World
from engine.driver import Engine, EngineError
from engine.kubernetes_provider import PROVIDER, write_provider
from engine.programs import LOG, WritePlugins
from engine.project import Stack
from engine.settings import settings_of
from maestro_stack.settings import Settings
from rehearsal.kubelet import Kubelet
from rehearsal.rehearse import Progress, world_of


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a stack is deployed into."""

    emulation: Emulation
    world: World
    settings: Settings
    kubeconfig: Path | None
    """The administrator's, if there is an API server."""

    @property
    def has_api_server(self) -> bool:
        """Whether the stack's cluster in the world has an endpoint that answers."""
        name, region = self.settings.cluster_name, self.settings.region
        return any(c.endpoint for c in self.world.clusters_in(region) if c.name == name)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that confine `pulumi`, `aws`, `kubectl` and `helm` to these surroundings."""
        return {
            **self.emulation.environment(self.settings.region),
            ACCOUNT: self.world.account,
            "KUBECONFIG": str(self.kubeconfig or os.devnull),
        }


@contextmanager
def surroundings(
    stack: Stack, folder: Path, *, world: World | None, with_cluster: bool, progress: Progress
) -> Generator[Surroundings]:
    """Start the emulated AWS, and a control plane if wanted, and build the world in it; stopped on exit.

    Both resume from what an earlier run left in `folder`. If another process serves the folder, its
    surroundings are used.

    Raises:
        maestro_stack.errors.MaestroError: the configuration can't be used.
        emulator.client.EmulationError, controlplane.ControlPlaneError: something can't start.
        emulator.world.WorldError: no world can be built.
    """
    settings = settings_of(stack)
    world = world or world_of(settings)
    if with_cluster:
        with_real_kubernetes()  # fails at once if the provider is missing
    state, kubeconfig = folder / "aws.state", folder / "control-plane" / "kubeconfig"
    if serving := Emulation.serving(state):
        yield _joined(serving, settings, world, kubeconfig)
        return
    with ExitStack() as running:
        progress("starting the emulated AWS")
        emulation = running.enter_context(Emulation.start(state))
        control_plane = None
        if with_cluster:
            progress("starting the control plane")
            control_plane = running.enter_context(
                ControlPlane.start(
                    folder / "control-plane",
                    authenticator_url=emulation.authenticator_url(settings.cluster_name),
                    region=settings.region,
                    keep=True,
                )
            )
            world = world.with_endpoint(
                settings.cluster_name,
                settings.region,
                control_plane.url,
                control_plane.certificate_authority,
            )
        progress("building the world")
        emulation.build(account=world.account, region=settings.region, world=world)
        around = Surroundings(
            emulation=emulation,
            world=world,
            settings=settings,
            kubeconfig=control_plane.kubeconfig if control_plane else None,
        )
        if control_plane is None:
            seed_memory(emulation, settings, world)
        else:
            api = running.enter_context(closing(control_plane.api()))
            _seed(api, world)
            running.enter_context(
                Kubelet(
                    api,
                    Clients(emulation.url),
                    cluster_name=settings.cluster_name,
                    region=settings.region,
                    account_id=world.account,
                )
            )
        yield around


def _joined(emulation: Emulation, settings: Settings, world: World, kubeconfig: Path) -> Surroundings:
    """The surroundings that another process serves: its world, with its API server if it has one."""
    there = emulation.world(account=world.account, region=settings.region)
    if there is None:
        emulation.build(account=world.account, region=settings.region, world=world)
        seed_memory(emulation, settings, world)
    around = Surroundings(emulation=emulation, world=there or world, settings=settings, kubeconfig=None)
    return replace(around, kubeconfig=kubeconfig) if around.has_api_server else around


def engine(stack: Stack, folder: Path, around: Surroundings) -> Engine:
    """An engine that runs `stack` in its surroundings.

    Raises:
        EngineError: there is no Pulumi CLI or Kubernetes provider, or the folder can't be used.
    """
    pulumi = tools.find("pulumi")
    if pulumi is None:
        raise EngineError("no pulumi CLI was found: install Pulumi, or build it with `make tools`")
    state = folder / "pulumi-state"
    environment = {LOG: str(state / "provider.log"), **around.environment}
    return Engine(stack, state, pulumi=pulumi, plugins=plugins(around), environment=environment)


def plugins(around: Surroundings) -> WritePlugins:
    """The providers: all emulated, except that Kubernetes' is the real one if there is an API server.

    Raises:
        EngineError: the real provider is missing, or has another version.
    """
    return with_real_kubernetes() if around.has_api_server else write_plugins


def with_real_kubernetes() -> WritePlugins:
    """The emulated providers with the real one for Kubernetes. Raises EngineError if that is missing."""
    provider = tools.find(PROVIDER)
    if provider is None:
        raise EngineError(
            f"an API server needs the real Kubernetes provider, and {PROVIDER} wasn't found in the version "
            "that tools/versions.toml names: build it with `make tools`, or rehearse without --cluster"
        )

    def write(folder: Path, root: Path | None) -> dict[str, Path]:
        written = write_plugins(folder, root)
        return {**written, "kubernetes": write_provider(provider, written["kubernetes"], root)}

    return write


def seed_memory(emulation: Emulation, settings: Settings, world: World) -> None:
    """Put the world's ConfigMaps and namespaces into the in-memory cluster used in place of an API server."""
    arn = emulation.cloud(settings.region, world.account).arn("eks", f"cluster/{settings.cluster_name}")
    clusters = [c for c in world.clusters_in(settings.region) if c.name == settings.cluster_name]
    maps: dict[str, Json] = {path: dict(data) for path, data in world.config_maps.items()}
    seed: dict[str, Json] = {"operation": "seed", "configMaps": maps, "namespaces": [*world.namespaces]}
    for cluster in clusters:
        emulation.kubernetes({"cluster": arn, "version": cluster.version, **seed})


def _seed(api: Api, world: World) -> None:
    """Create the world's namespaces and ConfigMaps that don't exist; changes to existing ones stay."""
    for namespace in dict.fromkeys((*world.namespaces, *(p.split("/")[0] for p in world.config_maps))):
        api.apply(
            f"/api/v1/namespaces/{namespace}",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        )
    for path, data in world.config_maps.items():
        namespace, name = path.split("/", 1)
        at = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        if not api.exists(at):
            metadata: Json = {"name": name, "namespace": namespace}
            api.apply(at, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)})
