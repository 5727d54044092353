"""Memory of instance classes, and a connection pool that fits them."""

import pytest

from maestro_stack.sizing import (
    BYTES_PER_CONNECTION,
    CONNECTIONS_MAX,
    LISTENERS_PER_SERVER,
    POOL_MAX,
    POOL_MIN,
    RESERVED_CONNECTIONS,
    connection_pool,
    memory_gib,
)

# GiB, from the RDS user guide, "Hardware specifications for DB instance classes".
MEMORY = {
    "db.t4g.micro": 1,
    "db.t3.micro": 1,
    "db.t4g.small": 2,
    "db.t4g.medium": 4,
    "db.t4g.large": 8,
    "db.t4g.xlarge": 16,
    "db.t4g.2xlarge": 32,
    "db.m6g.large": 8,
    "db.m7g.large": 8,
    "db.m7g.xlarge": 16,
    "db.m7g.4xlarge": 64,
    "db.m6i.32xlarge": 512,
    "db.m8g.48xlarge": 768,
    "db.r6g.large": 16,
    "db.r7g.xlarge": 32,
    "db.r6i.16xlarge": 512,
    "db.x2g.large": 32,
    "db.x2g.16xlarge": 1024,
    "db.z1d.large": 16,
}
REPLICAS = [1, 2, 3, 5, 10]


@pytest.mark.parametrize(("instance_class", "gib"), MEMORY.items())
def test_memory_is_that_of_the_guide(instance_class: str, gib: int) -> None:
    assert memory_gib(instance_class) == gib


@pytest.mark.parametrize("replicas", REPLICAS)
@pytest.mark.parametrize(("instance_class", "gib"), MEMORY.items())
def test_all_connections_of_a_rolling_update_fit(instance_class: str, gib: int, replicas: int) -> None:
    most = min(gib * 1024**3 // BYTES_PER_CONNECTION, CONNECTIONS_MAX)
    pool = connection_pool(instance_class, replicas)
    servers = replicas + 1  # maxSurge 1
    assert servers * (pool + LISTENERS_PER_SERVER) + RESERVED_CONNECTIONS <= most
    assert POOL_MIN <= pool <= POOL_MAX


@pytest.mark.parametrize(
    ("instance_class", "replicas", "pool"),
    [("db.t4g.micro", 1, 38), ("db.t4g.micro", 2, 24), ("db.t4g.micro", 5, 11), ("db.m7g.large", 2, 50)],
)
def test_the_pool_is_shared_out_among_the_servers(instance_class: str, replicas: int, pool: int) -> None:
    assert connection_pool(instance_class, replicas) == pool


def test_a_larger_class_never_gets_a_smaller_pool() -> None:
    sizes = ["micro", "small", "medium", "large", "xlarge", "2xlarge"]
    pools = [connection_pool(f"db.t4g.{size}", 10) for size in sizes]
    assert pools == sorted(pools)
