"""What is there before the program: looked up and judged as a whole, before anything is registered."""

from dataclasses import dataclass

from maestro_stack.broker import find_endpoint
from maestro_stack.cluster import Cluster, find_cluster
from maestro_stack.errors import Problem, SurroundingsError
from maestro_stack.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The cluster to deploy to, and the account's MQTT broker in its region."""

    cluster: Cluster
    mqtt_endpoint: str
    """Host, without port."""


async def look_up(settings: Settings) -> Surroundings:
    """Find them.

    Raises:
        SurroundingsError: with everything that the region lacks.
    """
    problems: list[Problem] = []
    endpoint, cluster = "", None
    try:
        endpoint = find_endpoint(settings.region)
    except SurroundingsError as missing:
        problems += missing.problems
    try:
        cluster = await find_cluster(settings)
    except SurroundingsError as missing:
        problems += missing.problems
    if problems or cluster is None:
        raise SurroundingsError(problems)
    return Surroundings(cluster=cluster, mqtt_endpoint=endpoint)
