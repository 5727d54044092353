"""The life of RDS's resources: what a change does and when, what is read back, what a delete needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import pytest
from moto.logs.models import logs_backends
from moto.rds.models import DBInstance, rds_backends

from common.json_values import Json, json_list, record, records, text
from emulator.aws import AwsError, resource_handler
from emulator.aws.cloud import Cloud, fresh_id
from emulator.aws.in_process import in_process_cloud
from emulator.lifecycle import Change, State
from emulator.world import default_world
from tests.rds import apply_pending, is_password_in_force

SECURITY_GROUP = resource_handler("aws:ec2/securityGroup:SecurityGroup")
SUBNETS = resource_handler("aws:rds/subnetGroup:SubnetGroup")
PARAMETERS = resource_handler("aws:rds/parameterGroup:ParameterGroup")
INSTANCE = resource_handler("aws:rds/instance:Instance")

KEY = "arn:aws:kms:us-east-1:123456789012:key/1b2c"
ROLE = "arn:aws:iam::123456789012:role/monitoring"


@cache
def vpc_of(cloud: Cloud, cluster: str) -> str:
    found = record(cloud.call("eks", "DescribeCluster", {"name": cluster}), "cluster")
    return text(record(found, "resourcesVpcConfig"), "vpcId")


@cache
def subnets_of(cloud: Cloud, vpc_id: str) -> list[str]:
    filters: Json = [
        {"Name": "vpc-id", "Values": [vpc_id]},
        {"Name": "map-public-ip-on-launch", "Values": ["false"]},
    ]
    found = records(cloud.call("ec2", "DescribeSubnets", {"Filters": filters}), "Subnets")
    return sorted(text(subnet, "SubnetId") for subnet in found)


@cache
def clients_of(cloud: Cloud, vpc_id: str) -> str:
    """A security group of the network that every test may use."""
    return SECURITY_GROUP.create(cloud, {"name": "database", "vpcId": vpc_id}).id


@dataclass
class Database:
    """An account with a cluster's network, and short ways to make what a database needs in it."""

    cloud: Cloud
    cluster: str = "xyz"

    @property
    def vpc_id(self) -> str:
        return vpc_of(self.cloud, self.cluster)

    def subnets(self) -> list[Json]:
        return json_list(subnets_of(self.cloud, self.vpc_id))

    def subnet_group_inputs(self, **changes: Json) -> dict[str, Json]:
        return {
            "name": "database",
            "description": "x",
            "subnetIds": self.subnets(),
            "tags": {"a": "1"},
            **changes,
        }

    def subnet_group(self, **changes: Json) -> State:
        return SUBNETS.create(self.cloud, self.subnet_group_inputs(**changes))

    def parameter_group(self, **changes: Json) -> State:
        return PARAMETERS.create(self.cloud, {**PARAMETER_GROUP, **changes})

    def security_group(self, name: str, vpc_id: str | None = None) -> str:
        # The network outlives a test, so its names are new ones.
        given: dict[str, Json] = {"name": f"{name}-{fresh_id()}", "vpcId": vpc_id or self.vpc_id}
        return SECURITY_GROUP.create(self.cloud, given).id

    def inputs(self, **changes: Json) -> dict[str, Json]:
        """An instance's inputs; also makes the groups that it is in."""
        self.subnet_group()
        self.parameter_group()
        return {**INPUTS, "vpcSecurityGroupIds": [clients_of(self.cloud, self.vpc_id)], **changes}

    def create(self, inputs: Mapping[str, Json]) -> State:
        return INSTANCE.create(self.cloud, inputs)

    def update(self, state: State, inputs: Mapping[str, Json]) -> State:
        return INSTANCE.update(self.cloud, state, inputs)

    def imported(self, state: State) -> dict[str, Json]:
        """The outputs as AWS alone knows them, with nothing taken over from the state."""
        found = INSTANCE.read(self.cloud, State(state.id, {}))
        assert found is not None
        return found.outputs

    def described(self) -> dict[str, Json]:
        return records(self.cloud.call("rds", "DescribeDBInstances", {}), "DBInstances")[0]

    def snapshots(self) -> list[str]:
        found = records(self.cloud.call("rds", "DescribeDBSnapshots", {}), "DBSnapshots")
        return [text(item, "DBSnapshotIdentifier") for item in found if item["SnapshotType"] == "manual"]


# Numbers are floats, as they arrive from Pulumi.
INPUTS: dict[str, Json] = {
    "identifier": "xyz-maestro",
    "engine": "postgres",
    "engineVersion": "17",
    "instanceClass": "db.t4g.small",
    "allocatedStorage": 400.0,
    "maxAllocatedStorage": 1000.0,
    "storageType": "gp3",
    "storageEncrypted": True,
    "dbName": "maestro",
    "username": "maestro_admin",
    "password": "correct-horse-battery",
    "dbSubnetGroupName": "database",
    "parameterGroupName": "database-17",
    "backupRetentionPeriod": 7.0,
    "multiAz": True,
    "deletionProtection": False,
    "skipFinalSnapshot": True,
    "applyImmediately": True,
    "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
    "performanceInsightsEnabled": True,
    "performanceInsightsRetentionPeriod": 7.0,
    "tags": {"a": "1"},
}

PARAMETER_GROUP: dict[str, Json] = {
    "name": "database-17",
    "family": "postgres17",
    "description": "x",
    "parameters": [
        {"name": "rds.force_ssl", "value": "1"},
        {"name": "max_connections", "value": "100", "applyMethod": "pending-reboot"},
    ],
    "tags": {"a": "1"},
}


@pytest.fixture(scope="module")
def network() -> Iterator[Cloud]:
    """Two clusters' networks, IPv4 and IPv6, made once: they take longer than most tests."""
    world = default_world("xyz", "us-east-1")
    six = world.clusters[0].model_copy(update={"name": "six", "ip_family": "ipv6"})
    with in_process_cloud(
        "us-east-1", world.model_copy(update={"clusters": [*world.clusters, six]})
    ) as cloud:
        yield cloud


@pytest.fixture
def database(network: Cloud) -> Iterator[Database]:
    yield Database(network)
    for backends in (rds_backends, logs_backends):
        backends[network.account_id][network.region].reset()


@pytest.fixture
def calls(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Mapping[str, Json]]]:
    """The writing calls from now on, with their parameters."""
    made: list[tuple[str, Mapping[str, Json]]] = []
    real = database.cloud.call

    def call(service: str, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        if not operation.startswith(("Describe", "List")):
            made.append((operation, parameters))
        return real(service, operation, parameters)

    monkeypatch.setattr(database.cloud, "call", call)
    return made


def code_of(error: pytest.ExceptionInfo[AwsError]) -> tuple[str, str]:
    return error.value.operation, error.value.code


# -- instances: what a change does ---------------------------------------------------------------------------

NOW: dict[str, dict[str, Json]] = {
    "autoMinorVersionUpgrade": {"autoMinorVersionUpgrade": False},
    "backupRetentionPeriod": {"backupRetentionPeriod": 14.0},
    "backupWindow": {"backupWindow": "02:00-03:00"},
    "copyTagsToSnapshot": {"copyTagsToSnapshot": True},
    "databaseInsightsMode": {"databaseInsightsMode": "advanced"},
    "deletionProtection": {"deletionProtection": True},
    "enabledCloudwatchLogsExports": {"enabledCloudwatchLogsExports": ["upgrade"]},
    "engineLifecycleSupport": {"engineLifecycleSupport": "open-source-rds-extended-support-disabled"},
    "maintenanceWindow": {"maintenanceWindow": "sun:05:00-sun:06:00"},
    "maxAllocatedStorage": {"maxAllocatedStorage": 2000.0},
    "monitoringInterval": {"monitoringInterval": 60.0, "monitoringRoleArn": ROLE},
    "monitoringRoleArn": {"monitoringInterval": 60.0, "monitoringRoleArn": ROLE},
    "parameterGroupName": {"parameterGroupName": "other-17"},
    "password": {"password": "another-password-2"},
    "performanceInsightsEnabled": {"performanceInsightsEnabled": False},
    "performanceInsightsKmsKeyId": {"performanceInsightsKmsKeyId": KEY},
    "performanceInsightsRetentionPeriod": {"performanceInsightsRetentionPeriod": 31.0},
    "port": {"port": 5433.0},
    "publiclyAccessible": {"publiclyAccessible": True},
    "tags": {"tags": {"a": "2", "b": "3"}},
    "vpcSecurityGroupIds": {},  # filled in by the test
}
"""Changes that RDS applies at once, whatever applyImmediately says."""

IN_THE_WINDOW: dict[str, dict[str, Json]] = {
    "allocatedStorage": {"allocatedStorage": 500.0},
    "caCertIdentifier": {"caCertIdentifier": "rds-ca-ecc384-g1"},
    "dedicatedLogVolume": {"dedicatedLogVolume": True},
    "engineVersion": {
        "engineVersion": "18",
        "parameterGroupName": "database-18",
        "allowMajorVersionUpgrade": True,
    },
    "iamDatabaseAuthenticationEnabled": {"iamDatabaseAuthenticationEnabled": True},
    "identifier": {"identifier": "xyz-renamed"},
    "instanceClass": {"instanceClass": "db.t4g.medium"},
    "iops": {"iops": 14000.0},
    "multiAz": {"multiAz": False},
    "storageThroughput": {"storageThroughput": 600.0},
    "storageType": {"storageType": "gp2"},
}
"""Changes that wait for the maintenance window unless applied immediately."""

REPLACED: dict[str, Json] = {
    "availabilityZone": "us-east-1f",
    "backupTarget": "outposts",
    "dbName": "other",
    "engine": "mysql",
    "kmsKeyId": KEY,
    "storageEncrypted": False,
    "username": "other_admin",
}
STEERS: dict[str, Json] = {
    "allowMajorVersionUpgrade": True,
    "applyImmediately": False,
    "deleteAutomatedBackups": False,
    "finalSnapshotIdentifier": "xyz-final",
    "skipFinalSnapshot": False,
}
ELSEWHERE = {
    "dbSubnetGroupName",  # test_an_instance_moves_only_to_a_subnet_group_of_another_vpc
    "networkType",  # test_the_network_type_changes_where_the_subnets_have_both
    # test_lifecycle_rds_restores.py
    "restoreToPointInTime",
    "snapshotIdentifier",
    # PostgreSQL has only one licence and no options.
    "licenseModel",
    "optionGroupName",
}


def changes(database: Database, key: str) -> dict[str, Json]:
    """The row's new inputs; also makes the groups that it names."""
    new = {**NOW, **IN_THE_WINDOW}[key]
    if key == "vpcSecurityGroupIds":
        return {key: [database.security_group("other")]}
    if "parameterGroupName" in new:
        family = "postgres18" if key == "engineVersion" else "postgres17"
        database.parameter_group(name=new["parameterGroupName"], family=family)
    return new


# And what changes by itself.
UNREADABLE = frozenset({"latestRestorableTime", "password", *STEERS})


def readable(values: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in values.items() if key not in UNREADABLE}


def test_each_input_of_an_instance_has_one_row() -> None:
    rows = [*NOW, *IN_THE_WINDOW, *REPLACED, *STEERS, *ELSEWHERE]
    assert sorted(rows) == sorted(INSTANCE.table.changes)


@pytest.mark.parametrize("key", [*NOW, *IN_THE_WINDOW])
def test_a_changed_input_of_an_instance_is_updated_in_place(database: Database, key: str) -> None:
    # What RDS applies at once does so without applyImmediately.
    inputs = database.inputs(applyImmediately=key in IN_THE_WINDOW)
    state = database.create(inputs)
    new = {**inputs, **(row := changes(database, key))}

    found = INSTANCE.difference(state, new)
    updated = database.update(state, new)

    assert (found.replaces, set(found.updates)) == ((), set(row))
    assert updated.id == state.id
    assert INSTANCE.read(database.cloud, updated) == updated
    assert not INSTANCE.difference(updated, new)
    assert record(database.described(), "PendingModifiedValues") == {}
    seen = database.imported(state)
    expected = readable(row) | ({"engineVersion": "18.1"} if key == "engineVersion" else {})
    assert {name: seen[name] for name in expected} == expected


@pytest.mark.parametrize("key", IN_THE_WINDOW)
def test_what_waits_for_the_window_reads_as_before_until_it_has_passed(database: Database, key: str) -> None:
    inputs = database.inputs(applyImmediately=False)
    state = database.create(inputs)
    new = {**inputs, **(row := changes(database, key))}

    updated = database.update(state, new)

    assert readable(database.imported(state)) == readable({**state.outputs, "engineVersion": "17.6"})
    # A plan shows it until then, even if it is sent again.
    assert key in INSTANCE.difference(updated, new).updates
    assert key in INSTANCE.difference(database.update(updated, new), new).updates

    apply_pending(database.cloud, "xyz-maestro")

    now = INSTANCE.read(database.cloud, updated)
    assert now is not None
    assert now.id == state.id
    # A refresh records the full version, and the next update names the major once more.
    assert set(INSTANCE.difference(now, new).updates) == {"engineVersion"} & {key}
    assert not INSTANCE.difference(database.update(now, new), new)
    assert {name: now.outputs[name] for name in readable(row)} == readable(
        row | ({"engineVersion": "18.1"} if key == "engineVersion" else {})
    )


@pytest.mark.parametrize("key", REPLACED)
def test_a_changed_input_replaces_an_instance(key: str) -> None:
    found = INSTANCE.difference(kept(), {**INPUTS, key: REPLACED[key]})

    assert (found.replaces, found.updates) == ((key,), ())
    assert INSTANCE.table.changes[key] is Change.REPLACE


def kept(**changes: Json) -> State:
    """The state of an instance, without the outputs that no difference looks at."""
    filled_in: dict[str, Json] = {
        "autoMinorVersionUpgrade": True,
        "availabilityZone": "us-east-1a",
        "backupTarget": "region",
        "deleteAutomatedBackups": True,
        "kmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/rds",
    }
    return State("db-x", {**INPUTS, **filled_in, **changes})


@pytest.mark.parametrize("key", STEERS)
def test_what_steers_later_calls_makes_no_call_itself(
    database: Database, calls: list[tuple[str, Mapping[str, Json]]], key: str
) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    calls.clear()
    new = {**inputs, key: STEERS[key]}

    found = INSTANCE.difference(state, new)
    updated = database.update(state, new)

    assert (found.replaces, found.updates) == ((), (key,))
    assert INSTANCE.table.changes[key] is Change.STATE
    assert calls == []
    assert updated.outputs == {**state.outputs, key: STEERS[key]}
    assert INSTANCE.read(database.cloud, updated) == updated


def test_an_instance_reads_as_it_was_created(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)

    assert INSTANCE.read(database.cloud, state) == state
    assert not INSTANCE.difference(state, inputs)


def test_a_minimal_instance_reads_as_it_was_created_too(database: Database) -> None:
    inputs: dict[str, Json] = {
        "identifier": "bare",
        "engine": "postgres",
        "instanceClass": "db.t4g.small",
        "allocatedStorage": 20.0,
        "username": "someone",
        "password": "correct-horse-battery",
        "skipFinalSnapshot": True,
    }
    state = database.create(inputs)

    assert INSTANCE.read(database.cloud, state) == state
    assert not INSTANCE.difference(state, inputs)


def test_several_changes_are_one_call_with_deletion_protection(
    database: Database, calls: list[tuple[str, Mapping[str, Json]]]
) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    calls.clear()

    database.update(state, {**inputs, "instanceClass": "db.t4g.medium", "multiAz": False})

    assert calls == [
        (
            "ModifyDBInstance",
            {
                "DBInstanceIdentifier": "xyz-maestro",
                "ApplyImmediately": True,
                "DBInstanceClass": "db.t4g.medium",
                "DeletionProtection": False,
                "MultiAZ": False,
            },
        )
    ]


@pytest.mark.parametrize(
    "key",
    ["iamDatabaseAuthenticationEnabled", "publiclyAccessible", "copyTagsToSnapshot", "deletionProtection"],
)
def test_what_a_program_no_longer_sets_is_switched_off(database: Database, key: str) -> None:
    inputs = database.inputs()
    on = database.create({**inputs, key: True})
    inputs.pop(key, None)

    assert INSTANCE.difference(on, inputs).updates == (key,)
    assert database.update(on, inputs).outputs[key] is False


def test_what_rds_filled_in_is_no_change(database: Database) -> None:
    inputs = database.inputs(availabilityZone="us-east-1b", port=5433.0, backupWindow="02:00-03:00")
    state = database.create(inputs)
    silent = {key: inputs[key] for key in inputs.keys() - {"availabilityZone", "port", "backupWindow"}}

    assert not INSTANCE.difference(state, silent)


def test_sets_in_another_order_are_no_change(database: Database) -> None:
    groups: list[Json] = [database.security_group("a"), database.security_group("b")]
    inputs = database.inputs(vpcSecurityGroupIds=groups)
    state = database.create(inputs)
    turned: dict[str, Json] = {
        **inputs,
        "vpcSecurityGroupIds": [groups[1], groups[0]],
        "enabledCloudwatchLogsExports": ["upgrade", "postgresql"],
    }

    assert not INSTANCE.difference(state, turned)
    assert state.outputs["vpcSecurityGroupIds"] == groups


def test_a_tag_set_behind_our_back_is_read_and_taken_away(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    tags: Json = [{"Key": "foreign", "Value": "x"}]
    database.cloud.call("rds", "AddTagsToResource", {"ResourceName": state.outputs["arn"], "Tags": tags})

    seen = INSTANCE.read(database.cloud, state)

    assert seen is not None
    assert INSTANCE.difference(seen, inputs).updates == ("tags",)
    assert database.update(seen, inputs).outputs["tags"] == {"a": "1"}


def test_a_setting_changed_behind_our_back_is_drift_that_an_update_repairs(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    change: dict[str, Json] = {
        "DBInstanceIdentifier": "xyz-maestro",
        "MultiAZ": False,
        "ApplyImmediately": True,
    }
    database.cloud.call("rds", "ModifyDBInstance", change)

    seen = INSTANCE.read(database.cloud, state)

    assert seen is not None
    assert INSTANCE.difference(seen, inputs).updates == ("multiAz",)
    assert database.update(seen, inputs) == state


def test_an_update_of_an_instance_that_is_gone_says_so(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    INSTANCE.delete(database.cloud, state)

    with pytest.raises(AwsError) as caught:
        database.update(state, inputs)
    assert code_of(caught) == ("DescribeDBInstances", "DBInstanceNotFound")


# -- instances: names, passwords, versions, storage ----------------------------------------------------------


def test_the_time_to_restore_to_stays_as_first_read(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    assert state.outputs["latestRestorableTime"]
    early: dict[str, Json] = {"latestRestorableTime": "2026-01-01T00:00:00Z"}
    state = State(state.id, {**state.outputs, **early})
    updated = database.update(state, {**inputs, "tags": {"b": "2"}})
    for later in (updated, INSTANCE.read(database.cloud, state)):
        assert later is not None
        assert later.outputs["latestRestorableTime"] == early["latestRestorableTime"]


def test_a_rename_keeps_the_id_and_changes_the_address(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)

    renamed = database.update(state, {**inputs, "identifier": "xyz-renamed", "tags": {"b": "2"}})

    assert renamed.id == state.id == renamed.outputs["resourceId"]
    assert renamed.outputs["address"] == text(state.outputs, "address").replace("xyz-maestro", "xyz-renamed")
    assert renamed.outputs["endpoint"] == f"{renamed.outputs['address']}:5432"
    assert text(renamed.outputs, "arn").endswith(":db:xyz-renamed")
    assert renamed.outputs["tags"] == {"b": "2"}
    # The state from before the rename still finds it.
    assert INSTANCE.read(database.cloud, state) == renamed


def test_a_rename_to_a_taken_name_is_refused(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    database.create({**inputs, "identifier": "xyz-other"})

    with pytest.raises(AwsError) as caught:
        database.update(state, {**inputs, "identifier": "xyz-other"})
    assert code_of(caught) == ("ModifyDBInstance", "DBInstanceAlreadyExists")
    assert INSTANCE.read(database.cloud, state) == state


def test_each_instance_has_an_id_of_its_own_even_under_the_same_name(database: Database) -> None:
    inputs = database.inputs()
    first = database.create(inputs)
    INSTANCE.delete(database.cloud, first)
    second = database.create(inputs)

    assert first.id != second.id
    assert INSTANCE.read(database.cloud, first) is None


def test_an_instance_is_imported_by_its_identifier(database: Database) -> None:
    state = database.create(database.inputs())

    found = INSTANCE.read(database.cloud, State("xyz-maestro", {}))

    assert found is not None
    assert found.id == state.id
    assert readable(found.outputs) == readable({**state.outputs, "engineVersion": "17.6"})


@pytest.mark.parametrize("is_immediate", [True, False])
def test_a_new_password_is_in_force_at_once_and_the_old_one_is_not(
    database: Database, *, is_immediate: bool
) -> None:
    inputs = database.inputs(applyImmediately=is_immediate)
    state = database.create(inputs)
    assert is_password_in_force(database.cloud, "xyz-maestro", "correct-horse-battery")

    updated = database.update(state, {**inputs, "password": "another-password-2"})

    assert is_password_in_force(database.cloud, "xyz-maestro", "another-password-2")
    assert not is_password_in_force(database.cloud, "xyz-maestro", "correct-horse-battery")
    assert updated.outputs["password"] == "another-password-2"  # noqa: S105
    assert {"another-password-2", "correct-horse-battery"}.isdisjoint(
        str(value) for key, value in updated.outputs.items() if key != "password"
    )


def test_a_password_in_force_survives_a_rename(database: Database) -> None:
    inputs = database.inputs()
    database.update(database.create(inputs), {**inputs, "identifier": "xyz-renamed"})

    assert is_password_in_force(database.cloud, "xyz-renamed", "correct-horse-battery")


def test_a_bad_new_password_is_refused_and_not_shown(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)

    with pytest.raises(AwsError) as caught:
        database.update(state, {**inputs, "password": "not@allowed-here"})
    assert code_of(caught) == ("ModifyDBInstance", "InvalidParameterValue")
    assert "not@allowed-here" not in str(caught.value)


@pytest.mark.parametrize(
    ("found", "wanted", "is_same"),
    [
        ("17", "17", True),
        ("17.7", "17", False),  # the provider compares texts: terraform-provider-aws #39579
        ("17", "17.7", False),
        ("17.7", "17.5", False),
        ("17.7", "18", False),
        ("17", "1", False),
    ],
)
def test_versions_are_compared_as_texts(found: str, wanted: str, *, is_same: bool) -> None:
    difference = INSTANCE.difference(kept(engineVersion=found), {**INPUTS, "engineVersion": wanted})

    assert difference.updates == (() if is_same else ("engineVersion",))


def test_the_version_stays_as_asked_for_and_the_actual_one_is_reported(database: Database) -> None:
    state = database.create(database.inputs())

    assert (state.outputs["engineVersion"], state.outputs["engineVersionActual"]) == ("17", "17.6")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engineVersion": "18", "parameterGroupName": "database-18"}, "AllowMajorVersionUpgrade"),
        ({"engineVersion": "18", "allowMajorVersionUpgrade": True}, "DBParameterGroupFamily postgres17"),
        (
            {"engineVersion": "16", "allowMajorVersionUpgrade": True},
            "Cannot upgrade postgres from 17.6 to 16.10",
        ),
        ({"engineVersion": "17.5"}, "Cannot upgrade postgres from 17.6 to 17.5"),
        ({"engineVersion": "17.1"}, "Cannot find version 17.1"),
        ({"parameterGroupName": "database-18"}, "DBParameterGroupFamily postgres18"),
        ({"allocatedStorage": 399.0}, "can't be reduced from 400 GiB"),
        ({"maxAllocatedStorage": 410.0}, "Invalid max storage size"),
        ({"instanceClass": "db.m3.large"}, "RDS does not support"),
    ],
)
def test_what_rds_does_not_change_is_refused(
    database: Database, changes: dict[str, Json], message: str
) -> None:
    inputs = database.inputs()
    database.parameter_group(name="database-18", family="postgres18")
    state = database.create(inputs)
    if "allocatedStorage" in changes:  # with autoscaling, a smaller size is no change
        inputs["maxAllocatedStorage"] = None

    with pytest.raises(AwsError, match=message) as caught:
        database.update(state, {**inputs, **changes})
    assert code_of(caught) == ("ModifyDBInstance", "InvalidParameterCombination")


def test_storage_that_grew_by_itself_is_no_change(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    grown: dict[str, Json] = {
        "DBInstanceIdentifier": "xyz-maestro",
        "AllocatedStorage": 450,
        "ApplyImmediately": True,
    }
    database.cloud.call("rds", "ModifyDBInstance", grown)

    seen = INSTANCE.read(database.cloud, state)

    assert seen is not None
    assert seen.outputs["allocatedStorage"] == 450
    assert not INSTANCE.difference(seen, inputs)
    assert "allocatedStorage" in INSTANCE.difference(seen, {**inputs, "maxAllocatedStorage": None}).updates


def test_autoscaling_is_switched_off_by_leaving_it_out(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    del inputs["maxAllocatedStorage"]

    assert INSTANCE.difference(state, inputs).updates == ("maxAllocatedStorage",)
    updated = database.update(state, inputs)

    assert "maxAllocatedStorage" not in updated.outputs
    assert not INSTANCE.difference(updated, inputs)


def test_an_immediate_change_applies_what_waits_as_well(database: Database) -> None:
    inputs = database.inputs(applyImmediately=False)
    state = database.create(inputs)
    waiting = database.update(state, {**inputs, "instanceClass": "db.t4g.medium"})
    assert record(database.described(), "PendingModifiedValues") == {"DBInstanceClass": "db.t4g.medium"}

    database.update(waiting, {**inputs, "applyImmediately": True, "multiAz": False})

    assert database.imported(state)["instanceClass"] == "db.t4g.medium"
    assert record(database.described(), "PendingModifiedValues") == {}


def test_switching_backups_off_waits_for_the_window(database: Database) -> None:
    inputs = database.inputs(applyImmediately=False)
    state = database.create(inputs)
    database.update(state, {**inputs, "backupRetentionPeriod": 0.0})

    assert database.imported(state)["backupRetentionPeriod"] == 7
    apply_pending(database.cloud, "xyz-maestro")
    assert database.imported(state)["backupRetentionPeriod"] == 0


def test_an_instance_moves_only_to_a_subnet_group_of_another_vpc(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    database.subnet_group(name="same-vpc")
    vpc = text(record(database.cloud.call("ec2", "CreateVpc", {"CidrBlock": "10.9.0.0/16"}), "Vpc"), "VpcId")
    for index, zone in enumerate(("us-east-1a", "us-east-1b")):
        subnet: dict[str, Json] = {
            "VpcId": vpc,
            "AvailabilityZone": zone,
            "CidrBlock": f"10.9.{index}.0/24",
        }
        database.cloud.call("ec2", "CreateSubnet", subnet)
    database.subnet_group(name="other-vpc", subnetIds=json_list(subnets_of(database.cloud, vpc)))
    moved: dict[str, Json] = {
        "dbSubnetGroupName": "other-vpc",
        "vpcSecurityGroupIds": [database.security_group("moved", vpc)],
    }

    with pytest.raises(AwsError) as caught:
        database.update(state, {**inputs, "dbSubnetGroupName": "same-vpc"})
    updated = database.update(state, {**inputs, **moved})

    assert code_of(caught) == ("ModifyDBInstance", "InvalidVPCNetworkStateFault")
    assert {key: updated.outputs[key] for key in moved} == moved


def test_the_network_type_changes_where_the_subnets_have_both(database: Database) -> None:
    database.cluster = "six"
    inputs = database.inputs()
    state = database.create(inputs)

    updated = database.update(state, {**inputs, "networkType": "DUAL"})

    assert database.imported(state)["networkType"] == "DUAL"
    assert not INSTANCE.difference(updated, {**inputs, "networkType": "DUAL"})


def test_a_network_type_that_the_subnets_lack_is_refused_at_an_update(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)

    with pytest.raises(AwsError) as caught:
        database.update(state, {**inputs, "networkType": "DUAL"})
    assert code_of(caught) == ("ModifyDBInstance", "InvalidVPCNetworkStateFault")


# -- instances: what AWS makes of what was sent --------------------------------------------------------------


def test_a_bare_major_stands_for_its_default_minor_which_may_be_out_of_reach(database: Database) -> None:
    inputs = database.inputs(engineVersion="16.13", parameterGroupName="database-16")
    database.parameter_group(name="database-16", family="postgres16")
    state = database.create(inputs)
    to_17: dict[str, Json] = {"parameterGroupName": "database-17", "allowMajorVersionUpgrade": True}

    with pytest.raises(AwsError, match=r"Cannot upgrade postgres from 16\.13 to 17\.6") as caught:
        database.update(state, {**inputs, **to_17, "engineVersion": "17"})
    assert code_of(caught) == ("ModifyDBInstance", "InvalidParameterCombination")
    upgraded = database.update(state, {**inputs, **to_17, "engineVersion": "17.9"})

    assert upgraded.outputs["engineVersion"] == "17.9"
    assert not INSTANCE.difference(upgraded, {**inputs, **to_17, "engineVersion": "17.9"})
    with pytest.raises(AwsError, match=r"Cannot upgrade postgres from 17\.9 to 17\.6"):
        database.update(upgraded, {**inputs, **to_17, "engineVersion": "17"})


def test_a_full_version_goes_back_to_its_major_once_that_stands_for_it(database: Database) -> None:
    inputs = database.inputs(engineVersion="17.5")
    state = database.create(inputs)

    updated = database.update(state, {**inputs, "engineVersion": "17"})

    assert updated.outputs["engineVersionActual"] == "17.6"
    assert not INSTANCE.difference(updated, {**inputs, "engineVersion": "17"})


def storage(database: Database, size: float, **changes: Json) -> dict[str, Json]:
    return database.inputs(allocatedStorage=size, maxAllocatedStorage=None, **changes)


@pytest.mark.parametrize(("size", "performance"), [(399.0, (3000, 125)), (400.0, (12000, 500))])
def test_gp3_has_a_baseline_by_size(database: Database, size: float, performance: tuple[int, int]) -> None:
    state = database.create(storage(database, size))

    assert (state.outputs["iops"], state.outputs["storageThroughput"]) == performance


def test_storage_grows_past_400_gib_only_with_iops_of_its_own(database: Database) -> None:
    inputs = storage(database, 100.0)
    state = database.create(inputs)
    own: dict[str, Json] = {"iops": 12000.0, "storageThroughput": 500.0}

    with pytest.raises(AwsError, match=r"Invalid iops value .* gp3: 3000"):
        database.update(state, {**inputs, "allocatedStorage": 400.0})
    grown = database.update(state, {**inputs, **own, "allocatedStorage": 400.0})

    assert not INSTANCE.difference(grown, {**inputs, **own, "allocatedStorage": 400.0})


def test_storage_grows_by_a_tenth_at_least(database: Database) -> None:
    inputs = storage(database, 100.0)
    state = database.create(inputs)
    wanted: dict[str, Json] = {**inputs, "allocatedStorage": 105.0}

    grown = database.update(state, wanted)

    assert database.imported(state)["allocatedStorage"] == 110
    assert INSTANCE.difference(grown, wanted).updates == ("allocatedStorage",)
    # With autoscaling it counts as grown by itself.
    assert not INSTANCE.difference(grown, {**wanted, "maxAllocatedStorage": 200.0}).updates[1:]
    with pytest.raises(AwsError, match="can't be reduced from 110 GiB"):
        database.update(grown, wanted)


def test_iops_grow_by_a_tenth_at_least(database: Database) -> None:
    inputs = storage(database, 400.0)
    state = database.create(inputs)

    database.update(state, {**inputs, "iops": 12001.0})

    assert database.imported(state)["iops"] == 13200


def test_storage_changes_once_in_six_hours(
    database: Database, calls: list[tuple[str, Mapping[str, Json]]]
) -> None:
    inputs = storage(database, 100.0)
    state = database.create(inputs)
    grown = database.update(state, {**inputs, "allocatedStorage": 200.0})
    larger: dict[str, Json] = {**inputs, "allocatedStorage": 300.0, "password": "another-password-2"}

    with pytest.raises(AwsError, match="previous storage change is being optimized") as caught:
        database.update(grown, larger)
    assert code_of(caught) == ("ModifyDBInstance", "InvalidParameterCombination")
    # All else that was in the same call failed with it.
    assert is_password_in_force(database.cloud, "xyz-maestro", "correct-horse-battery")
    database.update(grown, {**inputs, "allocatedStorage": 200.0, "password": "another-password-2"})

    vars(only_instance(database))["rehearsal_storage_changed"] -= timedelta(hours=6)
    assert database.update(grown, larger).outputs["allocatedStorage"] == 300
    assert [operation for operation, _ in calls].count("ModifyDBInstance") == 4


def only_instance(database: Database) -> DBInstance:
    (found,) = rds_backends[database.cloud.account_id][database.cloud.region].databases.values()
    return found


def test_the_maximum_is_a_tenth_above_what_has_grown_already(database: Database) -> None:
    inputs = database.inputs(allocatedStorage=100.0, maxAllocatedStorage=500.0)
    state = database.create(inputs)
    only_instance(database).allocated_storage = 300
    seen = INSTANCE.read(database.cloud, state)
    assert seen is not None

    with pytest.raises(AwsError, match="Invalid max storage size") as caught:
        database.update(seen, {**inputs, "maxAllocatedStorage": 320.0})
    assert code_of(caught) == ("ModifyDBInstance", "InvalidParameterCombination")
    assert database.update(seen, {**inputs, "maxAllocatedStorage": 330.0}).outputs["allocatedStorage"] == 300


def test_an_instance_that_is_being_modified_takes_no_other_change(database: Database) -> None:
    inputs = database.inputs()
    state = database.create(inputs)
    only_instance(database).status = "modifying"

    with pytest.raises(AwsError) as caught:
        database.update(state, {**inputs, "backupRetentionPeriod": 14.0})
    assert code_of(caught) == ("ModifyDBInstance", "InvalidDBInstanceState")


def test_each_exported_log_gets_a_group_that_outlives_the_instance(database: Database) -> None:
    state = database.create(database.inputs())
    INSTANCE.delete(database.cloud, state)

    found = records(database.cloud.call("logs", "DescribeLogGroups", {}), "logGroups")
    named = [text(group, "logGroupName") for group in found]
    assert named == [f"/aws/rds/instance/xyz-maestro/{log}" for log in ("postgresql", "upgrade")]
    assert "retentionInDays" not in found[0]


# -- instances: deletion -------------------------------------------------------------------------------------


def test_a_deleted_instance_is_gone_and_deleting_it_again_is_no_error(database: Database) -> None:
    state = database.create(database.inputs())

    INSTANCE.delete(database.cloud, state)
    INSTANCE.delete(database.cloud, state)

    assert INSTANCE.read(database.cloud, state) is None
    assert database.snapshots() == []


def test_without_a_choice_about_the_final_snapshot_nothing_is_deleted(database: Database) -> None:
    state = database.create(database.inputs(skipFinalSnapshot=False))

    with pytest.raises(AwsError, match="final_snapshot_identifier is required"):
        INSTANCE.delete(database.cloud, state)
    assert INSTANCE.read(database.cloud, state) is not None


def test_the_final_snapshot_has_the_name_in_state(database: Database) -> None:
    inputs = database.inputs(skipFinalSnapshot=False)
    state = database.update(database.create(inputs), {**inputs, "finalSnapshotIdentifier": "xyz-final"})

    INSTANCE.delete(database.cloud, state)

    assert database.snapshots() == ["xyz-final"]


def test_a_taken_snapshot_name_keeps_the_instance(database: Database) -> None:
    inputs = database.inputs(skipFinalSnapshot=False, finalSnapshotIdentifier="xyz-final")
    INSTANCE.delete(database.cloud, database.create(inputs))
    second = database.create(inputs)

    with pytest.raises(AwsError) as caught:
        INSTANCE.delete(database.cloud, second)
    assert caught.value.code == "DBSnapshotAlreadyExists"
    assert INSTANCE.read(database.cloud, second) is not None


@pytest.mark.parametrize(
    ("protection", "immediately", "is_deleted"),
    [(True, True, False), (True, False, False), (False, False, False), (False, True, True)],
)
def test_protection_is_switched_off_only_where_state_has_it_off_and_changes_apply_immediately(
    database: Database, *, protection: bool, immediately: bool, is_deleted: bool
) -> None:
    inputs = database.inputs(deletionProtection=True, applyImmediately=immediately)
    state = database.create(inputs)
    # As if it had been switched on behind our back, where the state says off.
    state = State(state.id, {**state.outputs, "deletionProtection": protection})

    if is_deleted:
        INSTANCE.delete(database.cloud, state)
    else:
        with pytest.raises(AwsError, match="disable deletion protection"):
            INSTANCE.delete(database.cloud, state)
    assert (INSTANCE.read(database.cloud, state) is None) is is_deleted


def test_lifted_protection_lets_an_instance_go(database: Database) -> None:
    inputs = database.inputs(deletionProtection=True, applyImmediately=False)
    state = database.create(inputs)

    lifted = database.update(state, {**inputs, "deletionProtection": False})
    INSTANCE.delete(database.cloud, lifted)

    assert INSTANCE.read(database.cloud, lifted) is None


@pytest.mark.parametrize("are_deleted", [True, False])
def test_automated_backups_go_or_stay_as_the_state_says(database: Database, *, are_deleted: bool) -> None:
    inputs = database.inputs(deleteAutomatedBackups=are_deleted)
    INSTANCE.delete(database.cloud, database.create(inputs))

    left = records(database.cloud.call("rds", "DescribeDBSnapshots", {}), "DBSnapshots")
    assert (left == []) is are_deleted
    # Again under the same name, within the minute by which moto names backups.
    assert INSTANCE.read(database.cloud, database.create(inputs)) is not None


# -- parameter groups ----------------------------------------------------------------------------------------

GROUP_CHANGES: dict[str, Json] = {
    "name": "other",
    "family": "postgres18",
    "description": "y",
    "parameters": [{"name": "rds.force_ssl", "value": "0"}],
    "skipDestroy": True,
    "tags": {"b": "2"},
}


def test_each_input_of_a_parameter_group_has_a_row() -> None:
    assert GROUP_CHANGES.keys() == PARAMETERS.table.changes.keys()


@pytest.mark.parametrize("key", GROUP_CHANGES)
def test_a_changed_input_of_a_parameter_group_updates_or_replaces(database: Database, key: str) -> None:
    group = database.parameter_group()
    new = {**PARAMETER_GROUP, key: GROUP_CHANGES[key]}
    found = PARAMETERS.difference(group, new)

    if PARAMETERS.table.changes[key] is Change.REPLACE:
        assert (found.replaces, found.updates) == ((key,), ())
        return
    assert (found.replaces, found.updates) == ((), (key,))
    updated = PARAMETERS.update(database.cloud, group, new)
    assert PARAMETERS.read(database.cloud, updated) == updated
    assert not PARAMETERS.difference(updated, new)


def test_a_parameter_group_reads_as_it_was_created(database: Database) -> None:
    group = database.parameter_group()

    assert PARAMETERS.read(database.cloud, group) == group
    assert not PARAMETERS.difference(group, PARAMETER_GROUP)
    imported = PARAMETERS.read(database.cloud, State(group.id, {}))
    assert imported is not None
    assert not PARAMETERS.difference(imported, PARAMETER_GROUP)


def test_parameters_are_added_changed_and_reset(
    database: Database, calls: list[tuple[str, Mapping[str, Json]]]
) -> None:
    group = database.parameter_group()
    calls.clear()
    new: Json = [
        {"name": "rds.force_ssl", "value": "0"},
        {"name": "log_statement", "value": "ddl"},
    ]

    updated = PARAMETERS.update(database.cloud, group, {**PARAMETER_GROUP, "parameters": new})

    assert [operation for operation, _ in calls] == ["ModifyDBParameterGroup", "ResetDBParameterGroup"]
    assert updated.outputs["parameters"] == [
        {"applyMethod": "immediate", "name": "rds.force_ssl", "value": "0"},
        {"applyMethod": "immediate", "name": "log_statement", "value": "ddl"},
    ]


def test_parameters_in_another_order_or_case_are_no_change(database: Database) -> None:
    group = database.parameter_group()
    turned: Json = [
        {"name": "MAX_CONNECTIONS", "value": "100", "applyMethod": "pending-reboot"},
        {"name": "rds.force_ssl", "value": "1", "applyMethod": "immediate"},
    ]

    assert not PARAMETERS.difference(group, {**PARAMETER_GROUP, "parameters": turned})


def test_how_a_parameter_was_set_is_no_change_and_not_reported_by_rds(database: Database) -> None:
    group = database.parameter_group()
    told = {text(item, "name"): text(item, "applyMethod") for item in records(group.outputs, "parameters")}
    assert told == {"rds.force_ssl": "pending-reboot", "max_connections": "pending-reboot"}

    now: list[Json] = [{"name": "rds.force_ssl", "value": "1", "applyMethod": "immediate"}]
    later: list[Json] = [{"name": "max_connections", "value": "100", "applyMethod": "immediate"}]
    assert not PARAMETERS.difference(group, {**PARAMETER_GROUP, "parameters": [*now, *later]})


def test_a_parameter_set_behind_our_back_is_drift_that_an_update_resets(database: Database) -> None:
    group = database.parameter_group()
    foreign: Json = [{"ParameterName": "work_mem", "ParameterValue": "9", "ApplyMethod": "immediate"}]
    change: dict[str, Json] = {"DBParameterGroupName": "database-17", "Parameters": foreign}
    database.cloud.call("rds", "ModifyDBParameterGroup", change)

    seen = PARAMETERS.read(database.cloud, group)

    assert seen is not None
    assert PARAMETERS.difference(seen, PARAMETER_GROUP).updates == ("parameters",)
    assert PARAMETERS.update(database.cloud, seen, PARAMETER_GROUP) == group


def test_more_parameters_than_a_call_takes_are_changed_in_several(
    database: Database, calls: list[tuple[str, Mapping[str, Json]]]
) -> None:
    group = database.parameter_group()
    calls.clear()
    many: Json = [{"name": f"setting_{index:02}", "value": "1"} for index in range(45)]

    updated = PARAMETERS.update(database.cloud, group, {**PARAMETER_GROUP, "parameters": many})

    sizes = [len(records(parameters, "Parameters")) for _, parameters in calls]
    assert sizes == [20, 20, 5, 2]
    assert len(records(updated.outputs, "parameters")) == 45


def test_a_deleted_parameter_group_is_gone_and_deleting_it_again_is_no_error(database: Database) -> None:
    group = database.parameter_group()

    PARAMETERS.delete(database.cloud, group)
    PARAMETERS.delete(database.cloud, group)

    assert PARAMETERS.read(database.cloud, group) is None


def test_a_parameter_group_in_use_is_not_deleted(database: Database) -> None:
    instance = database.create(database.inputs())
    group = PARAMETERS.read(database.cloud, State("database-17", {}))
    assert group is not None

    with pytest.raises(AwsError) as caught:
        PARAMETERS.delete(database.cloud, group)
    assert code_of(caught) == ("DeleteDBParameterGroup", "InvalidDBParameterGroupState")

    INSTANCE.delete(database.cloud, instance)
    PARAMETERS.delete(database.cloud, group)
    assert PARAMETERS.read(database.cloud, group) is None


def test_a_deletion_is_repeated_while_an_instance_uses_the_parameter_group(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = database.create(database.inputs())
    monkeypatch.setattr(database.cloud, "patience", 30)
    in_use = 0
    real = database.cloud.refuse

    def refuse(service: str, operation: str, code: str, message: str) -> AwsError:
        nonlocal in_use
        in_use += 1
        INSTANCE.delete(database.cloud, instance)  # meanwhile
        return real(service, operation, code, message)

    with monkeypatch.context() as patched:
        patched.setattr(database.cloud, "refuse", refuse)
        PARAMETERS.delete(database.cloud, State("database-17", {}))

    assert in_use == 1
    assert PARAMETERS.read(database.cloud, State("database-17", {})) is None


def test_a_parameter_group_is_kept_where_the_state_says_so(database: Database) -> None:
    group = database.parameter_group(skipDestroy=True)

    PARAMETERS.delete(database.cloud, group)

    assert PARAMETERS.read(database.cloud, group) == group


# -- subnet groups -------------------------------------------------------------------------------------------


def subnet_group_changes(database: Database) -> dict[str, Json]:
    return {
        "name": "other",
        "description": "y",
        "subnetIds": database.subnets()[:2],
        "tags": {"b": "2"},
    }


@pytest.mark.parametrize("key", ["name", "description", "subnetIds", "tags"])
def test_a_changed_input_of_a_subnet_group_updates_or_replaces(database: Database, key: str) -> None:
    group = database.subnet_group()
    rows = subnet_group_changes(database)
    assert rows.keys() == SUBNETS.table.changes.keys()
    new = database.subnet_group_inputs(**{key: rows[key]})
    found = SUBNETS.difference(group, new)

    if key == "name":
        assert (found.replaces, found.updates) == ((key,), ())
        return
    assert (found.replaces, found.updates) == ((), (key,))
    updated = SUBNETS.update(database.cloud, group, new)
    assert SUBNETS.read(database.cloud, State(group.id, {})) == updated
    assert not SUBNETS.difference(updated, new)


def test_a_subnet_group_reads_as_it_was_created(database: Database) -> None:
    turned = database.subnets()[::-1]
    group = database.subnet_group(subnetIds=turned)

    assert group.outputs["subnetIds"] == turned
    assert SUBNETS.read(database.cloud, group) == group
    assert not SUBNETS.difference(group, database.subnet_group_inputs())


def test_a_subnet_group_must_go_on_covering_two_zones(database: Database) -> None:
    group = database.subnet_group()

    with pytest.raises(AwsError) as caught:
        SUBNETS.update(database.cloud, group, database.subnet_group_inputs(subnetIds=database.subnets()[:1]))
    assert code_of(caught) == ("ModifyDBSubnetGroup", "DBSubnetGroupDoesNotCoverEnoughAZs")


@pytest.mark.parametrize("multi_az", [True, False])
def test_the_subnets_that_an_instance_and_its_standby_live_in_stay(
    database: Database, *, multi_az: bool
) -> None:
    twins = twins_of(database.cloud, database.vpc_id)
    database.create(database.inputs(multiAz=multi_az))
    group = SUBNETS.read(database.cloud, State("database", {}))
    assert group is not None
    living: list[str] = vars(only_instance(database))["rehearsal_homes"]
    assert len(living) == (2 if multi_az else 1)

    for kept in (twins, [*twins, *living[1:]]):  # the zones are covered all the time
        with pytest.raises(AwsError, match=f"currently in use: .*{living[0]}") as caught:
            SUBNETS.update(database.cloud, group, database.subnet_group_inputs(subnetIds=json_list(kept)))
        assert code_of(caught) == ("ModifyDBSubnetGroup", "SubnetAlreadyInUse")
    moved = database.subnet_group_inputs(subnetIds=json_list([*twins, *living]))
    assert SUBNETS.update(database.cloud, group, moved).outputs["subnetIds"] == moved["subnetIds"]


@cache
def twins_of(cloud: Cloud, vpc_id: str) -> list[str]:
    """For each private subnet another one in its zone."""
    query: dict[str, Json] = {"SubnetIds": json_list(subnets_of(cloud, vpc_id))}
    twins: list[str] = []
    for index, subnet in enumerate(records(cloud.call("ec2", "DescribeSubnets", query), "Subnets")):
        wanted: dict[str, Json] = {
            "VpcId": vpc_id,
            "AvailabilityZone": subnet["AvailabilityZone"],
            "CidrBlock": f"10.0.{200 + index}.0/28",
        }
        made = record(cloud.call("ec2", "CreateSubnet", wanted), "Subnet")
        twins.append(text(made, "SubnetId"))
    return twins


def test_a_subnet_group_stays_in_its_vpc(database: Database) -> None:
    group = database.subnet_group()
    elsewhere = json_list(subnets_of(database.cloud, vpc_of(database.cloud, "six")))

    with pytest.raises(AwsError, match="not in the same Vpc as the existing subnet group") as caught:
        SUBNETS.update(database.cloud, group, database.subnet_group_inputs(subnetIds=elsewhere))
    assert code_of(caught) == ("ModifyDBSubnetGroup", "InvalidParameterValue")


def test_a_deleted_subnet_group_is_gone_and_deleting_it_again_is_no_error(database: Database) -> None:
    group = database.subnet_group()

    SUBNETS.delete(database.cloud, group)
    SUBNETS.delete(database.cloud, group)

    assert SUBNETS.read(database.cloud, group) is None


def test_a_subnet_group_in_use_is_not_deleted(database: Database) -> None:
    instance = database.create(database.inputs())
    group = State("database", {})

    with pytest.raises(AwsError) as caught:
        SUBNETS.delete(database.cloud, group)
    assert code_of(caught) == ("DeleteDBSubnetGroup", "InvalidDBSubnetGroupStateFault")

    INSTANCE.delete(database.cloud, instance)
    SUBNETS.delete(database.cloud, group)
    assert SUBNETS.read(database.cloud, group) is None


def test_a_security_group_of_an_instance_is_not_deleted(database: Database) -> None:
    group = State(database.security_group("own"), {})
    instance = database.create(database.inputs(vpcSecurityGroupIds=[group.id]))

    with pytest.raises(AwsError) as caught:
        SECURITY_GROUP.delete(database.cloud, group)
    assert code_of(caught) == ("DeleteSecurityGroup", "DependencyViolation")

    INSTANCE.delete(database.cloud, instance)
    SECURITY_GROUP.delete(database.cloud, group)
    assert SECURITY_GROUP.read(database.cloud, group) is None
