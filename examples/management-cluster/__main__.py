"""Agents of management clusters: read configuration and outputs, look up the clusters, build, export."""

import pulumi

from maestro_stack.errors import told_once
from maestro_stack.outputs import MaestroOutputs
from management_cluster.agent import Agent, AgentArgs
from management_cluster.cluster import account, find_clusters
from management_cluster.settings import load


@told_once
async def main() -> None:
    """The program; Pulumi runs it and waits for its look-ups."""
    settings = load()
    region = MaestroOutputs.from_stack(pulumi.StackReference("region", stack_name=settings.region.stack))
    # A region that can't be used ends the program here, before anything is created.
    await region.cluster_name.future()
    found = find_clusters(settings.clusters)
    broker = account("region", region=region.maestro_region, role_arn=settings.region.role_arn)
    agents = {
        cluster.settings.consumer: Agent(
            cluster.settings.consumer, AgentArgs(cluster=cluster, region=region, broker=broker)
        )
        for cluster in found
    }
    pulumi.export("agents", {consumer: agent.outputs for consumer, agent in agents.items()})


pulumi.run(main)
