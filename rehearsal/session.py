"""Everything that one stack needs to be run on the engine: emulated AWS, engine, and a cluster if wanted."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import tools
from maestro_stack.settings import Settings, parse
from rehearsal.controlplane import ControlPlane
from rehearsal.emulation import Emulation
from rehearsal.engine import Engine, EngineError
from rehearsal.project import Stack
from rehearsal.rehearse import Progress, world_of
from rehearsal.world import World

ACCOUNT = "MAESTRO_REHEARSAL_ACCOUNT"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a stack is deployed into."""

    emulation: Emulation
    world: World
    settings: Settings
    control_plane: ControlPlane | None

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which `pulumi`, `aws`, `kubectl` and `helm` work in these surroundings only."""
        kubeconfig = str(self.control_plane.kubeconfig) if self.control_plane else "/dev/null"
        return {
            **self.emulation.environment(self.settings.region),
            ACCOUNT: self.world.account,
            "KUBECONFIG": kubeconfig,
        }


@contextmanager
def surroundings(
    stack: Stack, folder: Path, *, world: World | None, with_cluster: bool, progress: Progress
) -> Generator[Surroundings]:
    """Start the emulated AWS, and a control plane if wanted, and build the world in it; ended on exit.

    Raises:
        maestro_stack.errors.MaestroError: the configuration isn't usable.
        rehearsal.emulation.EmulationError, rehearsal.controlplane.ControlPlaneError: something can't start.
        rehearsal.world.WorldError: no world can be built.
    """
    settings = parse(stack.config, project=stack.project, root=stack.root, secret=stack.secret_keys)
    world = world or world_of(settings)
    with ExitStack() as running:
        progress("starting the emulated AWS")
        emulation = running.enter_context(Emulation.start(folder / "aws.state"))
        control_plane = None
        if with_cluster:
            progress("starting the control plane")
            control_plane = running.enter_context(
                ControlPlane.start(
                    folder / "control-plane",
                    authenticator_url=emulation.authenticator_url(settings.cluster_name),
                    region=settings.region,
                )
            )
            clusters = [
                c.model_copy(
                    update={
                        "endpoint": control_plane.url,
                        "certificate_authority": control_plane.certificate_authority,
                    }
                )
                if c.name == settings.cluster_name and c.region == settings.region
                else c
                for c in world.clusters
            ]
            world = world.model_copy(update={"clusters": clusters})
        progress("building the world")
        emulation.build(account=world.account, region=settings.region, world=world)
        yield Surroundings(emulation=emulation, world=world, settings=settings, control_plane=control_plane)


def engine(stack: Stack, folder: Path, around: Surroundings) -> Engine:
    """The engine over `stack` in its surroundings.

    Raises:
        EngineError: there is no Pulumi CLI, or the folder can't be used.
    """
    pulumi = tools.find("pulumi")
    if pulumi is None:
        raise EngineError("no pulumi CLI was found: install Pulumi, or build one by `make tools`")
    return Engine(stack, folder / "pulumi-state", pulumi=pulumi, environment=around.environment)
