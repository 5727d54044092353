"""One region's Maestro: read the configuration, find the cluster, build, export."""

import pulumi

from maestro_stack.cluster import find_cluster
from maestro_stack.regional import RegionalMaestro, RegionalMaestroArgs
from maestro_stack.settings import load


async def main() -> None:
    """The program; Pulumi runs it and waits for its look-ups."""
    settings = load()
    cluster = await find_cluster(settings)
    RegionalMaestro("maestro", RegionalMaestroArgs(settings=settings, cluster=cluster)).outputs.export()


pulumi.run(main)
