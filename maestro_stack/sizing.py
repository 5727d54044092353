"""What follows from the database's size: connections per server, and storage performance."""

import re

from maestro_stack.schema import DatabaseSettings

# RDS user guide, "gp3 storage": below it IOPS and throughput are fixed, above it the minimum is free.
GP3_STRIPED_FROM_GIB = 400
GP3_IOPS = (12000, 64000)
GP3_THROUGHPUT = (500, 4000)  # MiB/s

# RDS user guide, "Maximum number of database connections": DBInstanceClassMemory / 9531392, at most 5000.
BYTES_PER_CONNECTION = 9531392
CONNECTIONS_MAX = 5000
# What the operating system and RDS keep for themselves is not published; a fifth is on the safe side.
USABLE_MEMORY = 0.8
# RDS's own sessions, the migration, and a person at a prompt.
RESERVED_CONNECTIONS = 10
# Beside the pool, each server listens on two connections of its own (LISTEN/NOTIFY).
LISTENERS_PER_SERVER = 2
POOL_MAX = 50  # Maestro's default
POOL_MIN = 5  # with fewer, a server's requests wait for each other

_BURSTABLE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8}
_LARGE_GIB = {"r": 16, "x": 32, "z": 16}  # memory of the "large" size by family letter; others have 8


def memory_gib(instance_class: str) -> float:
    """Memory of an instance class such as `db.t4g.micro`, in GiB.

    Source: RDS user guide, "Hardware specifications for DB instance classes". Each size doubles the one
    below; an unknown family counts as a general-purpose one.
    """
    family, size = instance_class.split(".")[1:3]
    if size in _BURSTABLE_GIB and (size != "large" or family[0] not in _LARGE_GIB):
        return _BURSTABLE_GIB[size]
    large = _LARGE_GIB.get(family[0], 8)
    factor = re.fullmatch(r"(\d*)xlarge", size)
    return large * 2 * int(factor[1] or 1) if factor else large


def connection_pool(instance_class: str, replicas: int) -> int:
    """Connections that one server may hold open, so that all fit `max_connections` of the instance class.

    One server more than `replicas` is counted: a rolling update starts it before it stops an old one. Below
    `POOL_MIN` there are too many replicas for the class.
    """
    memory = memory_gib(instance_class) * 1024**3 * USABLE_MEMORY
    most = min(int(memory / BYTES_PER_CONNECTION), CONNECTIONS_MAX) - RESERVED_CONNECTIONS
    return min(POOL_MAX, most // (replicas + 1) - LISTENERS_PER_SERVER)


def storage_performance(database: DatabaseSettings) -> tuple[int | None, int | None]:
    """IOPS and throughput to ask for; None where gp3 has fixed ones.

    The free baseline is asked for, too: when storage grows past the threshold, the provider would otherwise
    send the IOPS of the smaller volume, which RDS refuses (terraform-provider-aws #28382).
    """
    if database.allocated_storage_gib < GP3_STRIPED_FROM_GIB:
        return None, None
    return database.iops or GP3_IOPS[0], database.storage_throughput or GP3_THROUGHPUT[0]
