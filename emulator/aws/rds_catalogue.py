"""What Amazon RDS offers for PostgreSQL: versions, parameter-group families, instance classes, storage
limits.

RDS answers such questions from its own data (DescribeDBEngineVersions, DescribeOrderableDBInstanceOptions),
which isn't available offline, and moto accepts anything. The tables hold what rarely changes; they refuse
what is certainly wrong, and can't guarantee that a region or account offers the rest. Sources: RDS user
guide, "Supported DB engines for DB instance classes", "Amazon RDS DB instance storage", and the release notes
of RDS for PostgreSQL.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Minors:
    """The minor versions of a major version of PostgreSQL."""

    oldest: int
    """The oldest that can still be created; earlier ones left standard support on 2026-05-31."""
    default: int
    """The one that a major version alone stands for: AWS's choice, often months behind the newest."""
    ahead: int
    """How far its numbers are ahead of PostgreSQL 17's: 17.5, 16.9 and 14.18 were released together."""


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

# Existing classes on which PostgreSQL 13 and later doesn't run: too old, or for other engines only.
OTHER_FAMILIES = frozenset({"t2", "m3", "m4", "r3", "r4", "x1", "x1e", "x2iezn", "z1d", "c6gd"})

CA_IDENTIFIERS = frozenset({"rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"})
DEFAULT_CA_IDENTIFIER = "rds-ca-rsa2048-g1"

DEFAULT_PORT = 5432
PORTS = range(1150, 65536)

LOG_EXPORTS = frozenset({"postgresql", "upgrade", "iam-db-auth-error"})

PERFORMANCE_INSIGHTS_DAYS = frozenset({7, 731, *(31 * months for months in range(1, 24))})


@dataclass(frozen=True)
class StorageLimits:
    """In GiB; IOPS and throughput of PostgreSQL's gp3 volumes can be set only from `tunable_from` on."""

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
# From that size on; the minimum is what a volume has at no extra cost.
GP3_IOPS = range(12000, 64001)
GP3_THROUGHPUT = range(500, 4001)  # MiB/s
GP3_SMALL = (3000, 125)
"""IOPS and MiB/s of a smaller gp3 volume."""


def full_version(version: str) -> str | None:
    """The full version that RDS runs for a major or full version; None if it can't be created."""
    major, _, minor = version.partition(".")
    if major not in MINORS:
        return None
    if not minor:
        return f"{major}.{MINORS[major].default}"
    return version if minor.isdigit() and int(minor) >= MINORS[major].oldest else None


def can_upgrade(running: str, wanted: str) -> bool:
    """Whether RDS upgrades one full version to another: only to one released at the same time or later.

    RDS lists each version's targets in DescribeDBEngineVersions; PostgreSQL releases a minor of every major
    on the same day. Source: RDS user guide, "Upgrade of the RDS for PostgreSQL DB engine".
    """
    (old_major, old_minor), (major, minor) = (version.split(".") for version in (running, wanted))
    if int(major) < int(old_major):
        return False
    return int(old_minor) - MINORS[old_major].ahead <= int(minor) - MINORS[major].ahead


def is_instance_class(name: str) -> bool:
    """Whether RDS knows a class at all, for any engine."""
    prefix, family, size = _split(name)
    return prefix == "db" and (size in INSTANCE_CLASSES.get(family, ()) or family in OTHER_FAMILIES)


def runs_postgresql(name: str) -> bool:
    """Whether RDS offers PostgreSQL (13 and later) on a class."""
    prefix, family, size = _split(name)
    return prefix == "db" and size in INSTANCE_CLASSES.get(family, ())


def _split(name: str) -> tuple[str, str, str]:
    prefix, _, rest = name.partition(".")
    family, _, size = rest.partition(".")
    return prefix, family, size
