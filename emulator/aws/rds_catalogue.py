"""What Amazon RDS offers for PostgreSQL: versions, parameter-group families, instance classes, storage
limits.

RDS answers these from its own data (DescribeDBEngineVersions, DescribeOrderableDBInstanceOptions), which
can't be had offline, and moto takes anything. The tables hold what doesn't change often; they refuse what is
surely wrong and can't vouch that a region or account offers the rest. Sources: RDS user guide, "Supported DB
engines for DB instance classes", "Amazon RDS DB instance storage", and the release notes of RDS for
PostgreSQL.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Minors:
    """Of a major version of PostgreSQL."""

    oldest: int
    """That can still be created; earlier ones left standard support on 2026-05-31."""
    default: int
    """That a bare major stands for: AWS's choice, often months behind the newest."""
    ahead: int
    """Of PostgreSQL 17's, by count: 17.5, 16.9 and 14.18 came out on one day."""


MINORS = {
    "13": Minors(18, 22, 16),
    "14": Minors(18, 19, 13),
    "15": Minors(13, 14, 8),
    "16": Minors(9, 10, 4),
    "17": Minors(5, 6, 0),
    "18": Minors(1, 1, -6),
}

PARAMETER_GROUP_FAMILIES = frozenset(f"postgres{major}" for major in MINORS)

_TO_16 = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge")
_TO_24, _TO_32, _TO_48 = (
    (*_TO_16, "24xlarge"),
    (*_TO_16, "24xlarge", "32xlarge"),
    (*_TO_16, "24xlarge", "48xlarge"),
)
_BURSTABLE = ("micro", "small", "medium", "large", "xlarge", "2xlarge")

INSTANCE_CLASSES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("t3", "t4g"), _BURSTABLE),
    **dict.fromkeys(("m6g", "m6gd", "m7g", "r6g", "r6gd", "r7g", "x2g"), _TO_16),
    **dict.fromkeys(("m5", "m5d", "r5", "r5b", "r5d"), _TO_24),
    **dict.fromkeys(("m6i", "m6id", "m6in", "m6idn", "r6i", "r6id", "r6in", "r6idn"), _TO_32),
    **dict.fromkeys(("m7i", "m8g", "m8gd", "r7i", "r8g", "r8gd"), _TO_48),
    "x2idn": ("16xlarge", "24xlarge", "32xlarge"),
    "x2iedn": ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge", "24xlarge", "32xlarge"),
}

# Real classes that no PostgreSQL from 13 on runs on: too old, or for other engines only.
OTHER_FAMILIES = frozenset({"t2", "m3", "m4", "r3", "r4", "x1", "x1e", "x2iezn", "z1d", "c6gd"})

CA_IDENTIFIERS = frozenset({"rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"})
DEFAULT_CA_IDENTIFIER = "rds-ca-rsa2048-g1"

DEFAULT_PORT = 5432
PORTS = range(1150, 65536)

LOG_EXPORTS = frozenset({"postgresql", "upgrade", "iam-db-auth-error"})

PERFORMANCE_INSIGHTS_DAYS = frozenset({7, 731, *(31 * months for months in range(1, 24))})


@dataclass(frozen=True)
class StorageLimits:
    """In GiB; a gp3 volume of PostgreSQL takes IOPS and throughput of its own only from `tunable_from` on."""

    smallest: int
    largest: int
    tunable_from: int | None = None


STORAGE = {
    "gp2": StorageLimits(20, 65536),
    "gp3": StorageLimits(20, 65536, tunable_from=400),
    "io1": StorageLimits(100, 65536),
    "io2": StorageLimits(100, 65536),
    "standard": StorageLimits(5, 3072),
}
# From there on; the least are what a volume has for nothing.
GP3_IOPS = range(12000, 64001)
GP3_THROUGHPUT = range(500, 4001)  # MiB/s
GP3_SMALL = (3000, 125)
"""IOPS and MiB/s of a gp3 volume below that."""


def full_version(version: str) -> str | None:
    """The full version that RDS runs for a major or a full one; None if it can't be created."""
    major, _, minor = version.partition(".")
    if major not in MINORS:
        return None
    if not minor:
        return f"{major}.{MINORS[major].default}"
    return version if minor.isdigit() and int(minor) >= MINORS[major].oldest else None


def can_upgrade(running: str, wanted: str) -> bool:
    """Whether RDS upgrades one full version to another: only to what was released with it or later.

    RDS answers the targets of each version in DescribeDBEngineVersions; PostgreSQL releases a minor of every
    major on the same day. Source: RDS user guide, "Upgrade of the RDS for PostgreSQL DB engine".
    """
    (old_major, old_minor), (major, minor) = (version.split(".") for version in (running, wanted))
    if int(major) < int(old_major):
        return False
    return int(old_minor) - MINORS[old_major].ahead <= int(minor) - MINORS[major].ahead


def is_instance_class(name: str) -> bool:
    """Whether RDS knows a class at all, for whatever engine."""
    prefix, family, size = _split(name)
    return prefix == "db" and (size in INSTANCE_CLASSES.get(family, ()) or family in OTHER_FAMILIES)


def runs_postgresql(name: str) -> bool:
    """Whether RDS for PostgreSQL (13 and later) can be had on a class."""
    prefix, family, size = _split(name)
    return prefix == "db" and size in INSTANCE_CLASSES.get(family, ())


def _split(name: str) -> tuple[str, str, str]:
    prefix, _, rest = name.partition(".")
    family, _, size = rest.partition(".")
    return prefix, family, size
