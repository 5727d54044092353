"""Amazon RDS: automated backups in a second region."""

from collections.abc import Mapping

from common.json_values import Json, number, record, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.handler import ResourceHandler, api_parameters, completing, read_inputs, unless_gone
from emulator.lifecycle import State, table


class BackupReplication(ResourceHandler):
    """The replication of an instance's automated backups. It exists in the region that they go to."""

    type = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"
    table = table(
        "internal/service/rds/instance_automated_backups_replication.go",
        # `region` is the provider's own, of every resource. Source: internal/provider/sdkv2, region.go.
        replaces=("kmsKeyId", "region", "retentionPeriod", "sourceDbInstanceArn"),
        defaults={"retentionPeriod": 7},
        computed=("kmsKeyId", "region"),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """StartDBInstanceAutomatedBackupsReplication, then DescribeDBInstanceAutomatedBackups."""
        there = _there(cloud, inputs)
        given = read_inputs(self.type, there, inputs, self.table.changes)
        parameters = api_parameters(
            {"retentionPeriod": 7, **given},
            {
                "kmsKeyId": "KmsKeyId",
                "retentionPeriod": "BackupRetentionPeriod",
                "sourceDbInstanceArn": "SourceDBInstanceArn",
            },
        )
        answer = there.call("rds", "StartDBInstanceAutomatedBackupsReplication", parameters)
        made = record(answer, "DBInstanceAutomatedBackup")
        arn = text(made, "DBInstanceAutomatedBackupsArn")
        with completing(State(arn, {**given, "region": there.region})):
            return _state(there, _find(there, arn) or made)

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeDBInstanceAutomatedBackups. A backup that is only retained is no longer a replication."""
        there = _there(cloud, state.outputs)
        found = _find(there, state.id)
        return _state(there, found) if found else None

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """Nothing can be changed in place."""
        del cloud, inputs
        return state

    def delete(self, cloud: Cloud, state: State) -> None:
        """StopDBInstanceAutomatedBackupsReplication; what was replicated is kept until it expires."""
        there = _there(cloud, state.outputs)
        if _find(there, state.id) is None:
            return
        source: dict[str, Json] = {"SourceDBInstanceArn": state.outputs.get("sourceDbInstanceArn")}
        stop = "StopDBInstanceAutomatedBackupsReplication"
        unless_gone(lambda: there.call("rds", stop, source), "DBInstanceNotFound", "DBInstanceNotFoundFault")


def _there(cloud: Cloud, values: Mapping[str, Json]) -> Cloud:
    """The region that the backups go to."""
    return cloud.in_region(text(values, "region", cloud.region))


def _find(there: Cloud, arn: str) -> dict[str, Json] | None:
    query: dict[str, Json] = {"DBInstanceAutomatedBackupsArn": arn}
    codes = ("DBInstanceAutomatedBackupNotFound", "DBInstanceAutomatedBackupNotFoundFault")
    answer = unless_gone(lambda: there.call("rds", "DescribeDBInstanceAutomatedBackups", query), *codes)
    found = records(answer or {}, "DBInstanceAutomatedBackups")
    return next((each for each in found if text(each, "Status").lower() != "retained"), None)


def _state(there: Cloud, found: Mapping[str, Json]) -> State:
    return State(
        text(found, "DBInstanceAutomatedBackupsArn"),
        {
            "kmsKeyId": text(found, "KmsKeyId"),
            "region": there.region,
            "retentionPeriod": number(found, "BackupRetentionPeriod"),
            "sourceDbInstanceArn": text(found, "DBInstanceArn"),
        },
    )
