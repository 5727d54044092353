"""Runs a region and this project's stack on the real Pulumi engine, with an emulated AWS and no account.

.venv/bin/python examples/management-cluster/rehearse.py [--stack STACK]

From the repository's folder. It needs the Pulumi CLI, which `make tools` builds if there is none. The
region is the stack of this repository that the configuration names, by its file there. Nothing is kept.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))  # a script finds only what is in its own folder

import tools  # noqa: E402
from checks.aws_policy import PolicyDocument, Request, is_allowed  # noqa: E402
from checks.aws_policy import parse as parse_policy  # noqa: E402
from common.json_values import text  # noqa: E402
from emulator.aws.cloud import Cloud  # noqa: E402
from emulator.client import Emulation, EmulationError  # noqa: E402
from emulator.executables import ACCOUNT, write_plugins  # noqa: E402
from emulator.world import World, default_world  # noqa: E402
from engine import settings as regional  # noqa: E402
from engine.driver import Engine, EngineError, Result  # noqa: E402
from engine.project import Stack, UsageError, load_stack  # noqa: E402
from maestro_stack.errors import MaestroError  # noqa: E402
from maestro_stack.mqtt import Agent, Mqtt  # noqa: E402
from management_cluster.settings import Cluster, Settings, parse  # noqa: E402
from rehearsal.environment import seed_memory  # noqa: E402
from rehearsal.rehearse import world_of  # noqa: E402

WORKS, FAILS, UNUSABLE = 0, 1, 2


def settings_of(stack: Stack) -> Settings:
    """What the stack's file sets. Raises ConfigurationError."""
    prefix = f"{stack.project}:"
    return parse({k.removeprefix(prefix): v for k, v in stack.own_config.items() if k.startswith(prefix)})


def account_of(cluster: Cluster, *, own: str) -> str:
    """The account that a cluster is in; `own` is that of the credentials."""
    return cluster.role_arn.split(":")[4] if cluster.role_arn else own


def build_world(emulation: Emulation, settings: Settings, *, own: str) -> None:
    """Give each account and region its management clusters."""
    places: dict[tuple[str, str], list[str]] = {}
    for cluster in settings.clusters:
        places.setdefault((account_of(cluster, own=own), cluster.region), []).append(cluster.name)
    for (account, region), names in places.items():
        worlds = [default_world(name, region) for name in names]
        clusters = [cluster for world in worlds for cluster in world.clusters]
        emulation.build(account=account, region=region, world=World(account=account, clusters=clusters))
        for cluster in clusters:
            arn = emulation.cloud(region, account).arn("eks", f"cluster/{cluster.name}")
            emulation.kubernetes(
                {"cluster": arn, "operation": "seed", "version": cluster.version, "configMaps": {}}
            )


def engine(stack: Stack, folder: Path, *, beside: Engine, environment: Mapping[str, str]) -> Engine:
    """The engine for this project's stack, in the backend of the region's."""
    folder.mkdir(parents=True)
    (folder / "backend").symlink_to(beside.folder / "backend")
    return Engine(stack, folder, pulumi=_pulumi(), plugins=write_plugins, environment=environment)


def _pulumi() -> Path:
    pulumi = tools.find("pulumi")
    if pulumi is None:
        raise EngineError("no pulumi CLI was found: install Pulumi, or build it with `make tools`")
    return pulumi


# --- would it work? -------------------------------------------------------------------------------------


def policy_of(agent: Agent, broker: Cloud) -> PolicyDocument:
    """An agent's IoT policy, as the region's account has it."""
    document = text(broker.call("iot", "GetPolicy", {"policyName": agent.policy_name}), "policyDocument")
    return parse_policy(document, kind="iot", name=agent.policy_name)


def operations(agent: Agent) -> list[tuple[str, str]]:
    """What an agent does on the broker: action and resource."""
    return [
        ("Connect", f"client/{agent.client_id}"),
        ("Publish", f"topic/{agent.agent_events}"),
        ("Subscribe", f"topicfilter/{agent.source_events}"),
        ("Receive", f"topic/{agent.source_events}"),
    ]


def servers_operations(source: Mqtt) -> list[tuple[str, str]]:
    """What only the server does, and no agent may."""
    return [
        ("Connect", f"client/{source.server_client_id_prefix}maestro-0"),
        ("Publish", f"topic/{source.source_events('mc')}"),
        ("Subscribe", f"topicfilter/{source.shared_agent_events}"),
        ("Receive", f"topic/{source.agent_events('mc')}"),
    ]


def faults(agents: list[Agent], broker: Cloud) -> list[str]:
    """Where an agent may not do its work, or may do another's or the server's."""
    found: list[str] = []
    for agent, other in itertools.product(agents, agents):
        policy = policy_of(agent, broker)
        wanted = [(operation, agent == other) for operation in operations(other)]
        wanted += [(operation, False) for operation in servers_operations(agent.source)]
        for (action, resource), may in wanted:
            request = Request(action=f"iot:{action}", resource=broker.arn("iot", resource))
            if is_allowed([policy], request).allowed is not may:
                found.append(f"{agent.consumer} {'may not' if may else 'may'} {action} {resource}")
    return found


# --- the command ----------------------------------------------------------------------------------------


def rehearse(name: str) -> int:
    """Build a region and the stack `name` of this project; returns the exit status."""
    stack = load_stack(HERE, name=name)
    settings = settings_of(stack)
    region = load_stack(ROOT, name=settings.region.stack.rpartition("/")[2])
    configured = regional.settings_of(region)
    world = world_of(configured)
    with (
        tempfile.TemporaryDirectory(prefix="maestro-agents-") as made,
        Emulation.start(Path(made) / "aws.state") as emulation,
    ):
        folder = Path(made)
        emulation.build(account=world.account, region=configured.region, world=world)
        seed_memory(emulation, configured, world)
        build_world(emulation, settings, own=world.account)
        environment = {
            **emulation.environment(configured.region),
            ACCOUNT: world.account,
            "KUBECONFIG": os.devnull,
        }
        first = Engine(
            region, folder / "region", pulumi=_pulumi(), plugins=write_plugins, environment=environment
        )
        say(f"The region: stack {region.name} of {region.project}")
        if not shown(first.up(), brief=True):
            return FAILS
        second = engine(stack, folder / "agents", beside=first, environment=environment)
        say(f"\nThe agents: stack {stack.name} of {stack.project}")
        if not shown(second.up()):
            return FAILS
        say(json.dumps(second.outputs(), indent=2))
        source = Mqtt(str(first.outputs()["maestro_mqtt_source_id"]))
        agents = [source.agent(cluster.consumer) for cluster in settings.clusters]
        broker = emulation.cloud(configured.region, world.account)
        problems = faults(agents, broker)
        again = second.preview()
        problems += [f"a second run would {what} {which}" for which, what in again.changes.items()]
        for problem in problems:
            say(f"✗ {problem}")
        if not problems:
            say(f"✓ {len(agents)} agents: each may do its work, and not another's or the server's")
            say("✓ a second run would change nothing")
        return FAILS if problems else WORKS


def shown(result: Result, *, brief: bool = False) -> bool:
    """Print what an `up` did; returns whether it succeeded."""
    if not result.succeeded:
        say("\n".join(result.diagnostics))
    elif brief:
        say(f"  {len(result.changes)} resources")
    else:
        for resource, operation in result.changes.items():
            say(f"  {operation} {resource}")
    return result.succeeded


def say(line: str) -> None:
    """Print for the user."""
    print(line, flush=True)  # noqa: T201


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stack", default="dev", help="rehearse Pulumi.STACK.yaml (default: dev)")
    options = parser.parse_args()
    try:
        return rehearse(options.stack)
    except (UsageError, MaestroError, EmulationError, EngineError) as refused:
        print(f"error: {refused}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
