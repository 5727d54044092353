"""Physical names: legal for each service, the same every time, and different for different clusters."""

import re
from itertools import product

import pytest

from maestro_stack.names import Names, slug

# Long, short, capitals, underscores, digits first, hyphens at the end and doubled, and pairs that slug alike.
CLUSTERS = [
    "a",
    "A",
    "0",
    "9lives",
    "regional-xyz",
    "Regional-xyz",
    "regional_xyz",
    "REGIONAL_XYZ",
    "regional--xyz",
    "regional-xyz-",
    "regional-xyz_",
    "a-",
    "a_",
    "a__",
    "1-_-_-",
    "x" * 33,
    "x" * 34,
    "x" * 55,
    "x" * 56,
    "x" * 99,
    "x" * 100,
    "X" * 100,
    "x" * 99 + "_",
    "x" * 99 + "-",
    "a-" * 50,
    "a_" * 50,
    "A" + "_" * 99,
    "Regional_Cluster_" * 5 + "us_gov_west_1xx",
]
REGIONS = ["us-east-1", "ap-southeast-1", "us-gov-west-1", "cn-northwest-1", "us-isof-south-1"]

# What AWS accepts, by its API references.
RDS_IDENTIFIER = r"(?!.*--)[a-z][a-z0-9-]{0,61}[a-z0-9]"  # CreateDBInstance
RDS_GROUP = r"(?!.*--)[a-z][a-z0-9-]{0,253}[a-z0-9]"  # CreateDBParameterGroup, CreateDBSubnetGroup
RDS_SNAPSHOT = RDS_GROUP  # DeleteDBInstance, FinalDBSnapshotIdentifier
SECURITY_GROUP = r"(?!sg-)[A-Za-z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}"  # CreateSecurityGroup
ROLE = r"[\w+=,.@-]{1,64}"  # CreateRole
SECRET = r"[A-Za-z0-9/_+=.@-]{1,512}"  # CreateSecret  # noqa: S105 a pattern


def names_of(cluster: str, region: str) -> dict[str, tuple[str, str]]:
    """Each name with the pattern that it must match."""
    names = Names(cluster, region, cluster)
    return {
        "role": (names.role, ROLE),
        "database": (names.database, RDS_IDENTIFIER),
        "subnet group": (names.database_subnet_group, RDS_GROUP),
        "security group": (names.database_security_group, SECURITY_GROUP),
        "parameter group": (names.database_parameter_group("postgres17"), RDS_GROUP),
        "final snapshot": (names.final_snapshot("0a1b2c3d"), RDS_SNAPSHOT),
        "certificate secret": (names.server_mqtt_cert_secret, SECRET),
        "database secret": (names.db_credentials_secret, SECRET),
    }


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_name_is_legal_in_its_service(cluster: str) -> None:
    for region in REGIONS:
        for what, (name, pattern) in names_of(cluster, region).items():
            assert re.fullmatch(pattern, name, re.ASCII), f"{what}: {name}"


def test_no_two_clusters_share_a_name() -> None:
    for region in REGIONS:
        for what in names_of("a", region):
            taken = [names_of(cluster, region)[what][0] for cluster in CLUSTERS]
            assert len(set(taken)) == len(CLUSTERS), what


def test_no_two_regions_share_a_role() -> None:
    roles = [Names(cluster, region, cluster).role for cluster, region in product(CLUSTERS, REGIONS)]
    assert len(set(roles)) == len(CLUSTERS) * len(REGIONS)


def test_names_are_the_same_every_time() -> None:
    # Written out: whoever changes one of these renames running resources.
    names = Names("Regional_XYZ", "us-east-1", "Regional_XYZ")
    assert names.role == "maestro-server-regional-xyz-c9f90451-us-east-1"
    assert names.database == "maestro-regional-xyz-c9f90451"
    assert names.database_subnet_group == "maestro-regional-xyz-c9f90451"
    assert names.database_security_group == "maestro-regional-xyz-c9f90451-database"
    assert names.database_parameter_group("postgres17") == "maestro-regional-xyz-c9f90451-postgres17"
    assert names.final_snapshot("0a1b2c3d") == "maestro-regional-xyz-c9f90451-final-0a1b2c3d"


def test_a_legal_name_carries_no_hash() -> None:
    names = Names("regional-xyz", "us-east-1", "regional-xyz")
    assert names.role == "maestro-server-regional-xyz-us-east-1"
    assert names.database == "maestro-regional-xyz"
    assert names.database_parameter_group("postgres17") == "maestro-regional-xyz-postgres17"


def test_what_outlives_the_cluster_is_named_by_the_name_and_the_rest_by_the_cluster() -> None:
    one, other = (Names(cluster, "us-east-1", "kept") for cluster in ("old", "new"))
    family = "postgres17"
    assert one.database == other.database == "maestro-kept"
    assert one.database_subnet_group == other.database_subnet_group
    assert one.database_security_group == other.database_security_group
    assert one.database_parameter_group(family) == other.database_parameter_group(family)
    assert one.database_log_group("upgrade") == other.database_log_group("upgrade")
    assert one.final_snapshot("0a1b2c3d") == other.final_snapshot("0a1b2c3d")
    assert other.role == "maestro-server-new-us-east-1"
    assert other.server_mqtt_cert_secret == "new/maestro/server-mqtt-cert"  # noqa: S105 a name
    assert other.db_credentials_secret == "new/maestro/db-credentials"  # noqa: S105 a name


def test_the_secrets_carry_the_name_of_the_cluster_as_it_is() -> None:
    names = Names("Regional_XYZ", "us-east-1", "Regional_XYZ")
    found = {names.server_mqtt_cert_secret, names.db_credentials_secret}
    assert found == {f"Regional_XYZ/maestro/{secret}" for secret in ("server-mqtt-cert", "db-credentials")}


@pytest.mark.parametrize(
    ("text", "slugged"),
    [
        ("abc", "p-abc-s"),
        ("x" * 16, f"p-{'x' * 16}-s"),  # exactly as long as fits
        ("x" * 17, "p-xxxxxxx-9ae0f0fe-s"),
        ("Abc", "p-abc-a52f2cd6-s"),
        ("a--b", "p-a-b-d7ec71bb-s"),
        ("___", "p-00000000-s"),  # nothing legal is left: the hash alone
    ],
)
def test_text_is_hashed_when_and_only_when_it_changes(text: str, slugged: str) -> None:
    found = slug(text, prefix="p-", suffix="-s", max_length=20)
    hashed = re.sub(r"[0-9a-f]{8}(?=-s$)", "00000000", found)
    assert hashed == re.sub(r"[0-9a-f]{8}(?=-s$)", "00000000", slugged)
    assert len(found) <= 20
