"""One region's Maestro: read the configuration, look up the surroundings, build, export."""

import pulumi

from maestro_stack.errors import told_once
from maestro_stack.regional import RegionalMaestro, RegionalMaestroArgs
from maestro_stack.settings import load
from maestro_stack.surroundings import look_up


@told_once
async def main() -> None:
    """The program; Pulumi runs it and waits for its look-ups."""
    settings = load()
    args = RegionalMaestroArgs(settings=settings, surroundings=await look_up(settings))
    RegionalMaestro("maestro", args).outputs.export(install=settings.server.install)


pulumi.run(main)
