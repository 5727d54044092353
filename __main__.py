"""One region's Maestro: read the configuration, look around, build, export."""

import asyncio

import pulumi

from maestro_stack.settings import load
from maestro_stack.surroundings import look_up


async def main() -> None:
    """The program; Pulumi runs it and waits for its look-ups."""
    settings = load()
    surroundings = asyncio.ensure_future(look_up(settings))
    # AWS answers while the SDK's modules of the resources are imported, which takes a third of a second.
    await asyncio.sleep(0.01)
    from maestro_stack.regional import RegionalMaestro, RegionalMaestroArgs

    args = RegionalMaestroArgs(settings=settings, surroundings=await surroundings)
    RegionalMaestro("maestro", args).outputs.export()


pulumi.run(main)
