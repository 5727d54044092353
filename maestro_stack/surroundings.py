"""What exists before the program runs, looked up and checked as a whole before anything is registered."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
import pulumi_aws as aws

from maestro_stack.broker import find_endpoint
from maestro_stack.cluster import Cluster, find_cluster
from maestro_stack.errors import Problem, SurroundingsError
from maestro_stack.settings import Settings
from maestro_stack.support import support_warning


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The cluster to deploy to, and the account's MQTT broker in its region."""

    cluster: Cluster
    mqtt_endpoint: str
    """Host, without port."""


async def look_up(settings: Settings) -> Surroundings:
    """Find them, and warn of what may stand in the way.

    Raises:
        SurroundingsError: with everything that the region lacks.
    """
    looking = asyncio.gather(find_endpoint(settings.region), find_cluster(settings), return_exceptions=True)
    await asyncio.sleep(0.01)  # until the requests are on their way
    # The SDK loads a module on first use; these take a third of a second, during which AWS answers.
    _ = aws.ec2.SecurityGroup, aws.rds.Instance
    endpoint, cluster = await looking
    if isinstance(endpoint, str) and isinstance(cluster, Cluster):
        for warning in _warnings(settings, cluster):
            pulumi.log.warn(str(warning))
        return Surroundings(cluster=cluster, mqtt_endpoint=endpoint)
    problems: list[Problem] = []
    for found in (endpoint, cluster):
        if isinstance(found, SurroundingsError):
            problems += found.problems
        elif isinstance(found, BaseException):
            raise found
    raise SurroundingsError(problems)


def _warnings(settings: Settings, cluster: Cluster) -> Iterator[Problem]:
    if cluster.endpoint_is_private and settings.kubernetes.mode == "eks":
        yield Problem(
            key="kubernetes.mode",
            problem=f'is eks, and the API endpoint of "{cluster.name}" is private: reachable only from its '
            "VPC or a network connected to that",
            example="run pulumi there: a hosted CI runner is outside, where a preview works and `up` doesn't",
        )
    if leaving := support_warning(settings.database.engine_version, datetime.now(UTC).date()):
        yield leaving
