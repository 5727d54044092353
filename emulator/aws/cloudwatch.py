"""Amazon CloudWatch Logs: log groups."""

import re
from collections.abc import Mapping

from common.json_values import Json, flag, merged, number, record, records, text
from emulator.aws.cloud import Cloud
from emulator.aws.handler import (
    FunctionHandler,
    ResourceHandler,
    api_parameters,
    completing,
    read_inputs,
    reread,
    tag_outputs,
    unless_gone,
)
from emulator.aws.tags import tag_changes, tags_of
from emulator.lifecycle import State, table

_GONE = "ResourceNotFoundException"
# CloudWatch Logs API reference, CreateLogGroup and PutRetentionPolicy; 0 keeps events for ever.
_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_DAYS = frozenset(
    {0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731}
    | {1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


class LogGroup(ResourceHandler):
    """Where a service writes one of its logs."""

    type = "aws:cloudwatch/logGroup:LogGroup"
    table = table(
        "internal/service/logs/group.go",
        updates=("retentionInDays", "tags"),
        replaces=("name",),
        steers=("skipDestroy",),
        defaults={"retentionInDays": 0, "skipDestroy": False},
        computed=("name",),
    )

    def create(self, cloud: Cloud, inputs: Mapping[str, Json]) -> State:
        """CreateLogGroup, then PutRetentionPolicy if `retentionInDays` is set."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check(cloud, given)
        cloud.call("logs", "CreateLogGroup", api_parameters(given, {"name": "logGroupName", "tags": "tags"}))
        # Without the retention, so that an update applies it.
        made = State(text(given, "name"), merged(given, tag_outputs(given), {"retentionInDays": 0}))
        with completing(made):
            if days := number(given, "retentionInDays"):
                self._keep(cloud, made.id, days)
            return reread(self, cloud, made, given)

    def read(self, cloud: Cloud, state: State) -> State | None:
        """DescribeLogGroups with the name as a prefix, and ListTagsForResource."""
        answer = cloud.call("logs", "DescribeLogGroups", {"logGroupNamePrefix": state.id})
        groups = records(answer, "logGroups")
        found = next((each for each in groups if text(each, "logGroupName") == state.id), None)
        if found is None:
            return None
        arn = cloud.arn("logs", f"log-group:{state.id}")
        tags = record(cloud.call("logs", "ListTagsForResource", {"resourceArn": arn}), "tags")
        outputs: dict[str, Json] = {
            "arn": arn,
            "kmsKeyId": "",
            "logGroupClass": "STANDARD",
            "name": state.id,
            "namePrefix": "",
            "region": cloud.region,
            "retentionInDays": number(found, "retentionInDays"),
            "skipDestroy": flag(state.outputs, "skipDestroy"),
        }
        return State(state.id, outputs | tags_of(tags))

    def update(self, cloud: Cloud, state: State, inputs: Mapping[str, Json]) -> State:
        """PutRetentionPolicy or DeleteRetentionPolicy, and the tags, as needed."""
        given = read_inputs(self.type, cloud, inputs, self.table.changes)
        self._check(cloud, given)
        if "retentionInDays" in self.difference(state, given).updates:
            self._keep(cloud, state.id, number(given, "retentionInDays"))
        changes, arn = tag_changes(state.outputs, given), cloud.arn("logs", f"log-group:{state.id}")
        if changes.removed:
            cloud.call("logs", "UntagResource", {"resourceArn": arn, "tagKeys": changes.removed})
        if changes.added:
            cloud.call("logs", "TagResource", {"resourceArn": arn, "tags": changes.added})
        return reread(self, cloud, state, given)

    def delete(self, cloud: Cloud, state: State) -> None:
        """DeleteLogGroup; nothing with skipDestroy."""
        if not flag(state.outputs, "skipDestroy"):
            unless_gone(lambda: cloud.call("logs", "DeleteLogGroup", {"logGroupName": state.id}), _GONE)

    def _keep(self, cloud: Cloud, name: str, days: int) -> None:
        if days:
            cloud.call("logs", "PutRetentionPolicy", {"logGroupName": name, "retentionInDays": days})
        else:
            cloud.call("logs", "DeleteRetentionPolicy", {"logGroupName": name})

    def _check(self, cloud: Cloud, given: Mapping[str, Json]) -> None:
        """What AWS refuses and moto doesn't."""
        if (days := number(given, "retentionInDays")) not in _DAYS:
            message = f"1 validation error detected: Value '{days}' at 'retentionInDays' is not a valid value"
            raise cloud.refuse("logs", "PutRetentionPolicy", "InvalidParameterException", message)
        if not _NAME.fullmatch(name := text(given, "name")):
            message = f"Value '{name}' at 'logGroupName' failed to satisfy constraint"
            raise cloud.refuse("logs", "CreateLogGroup", "InvalidParameterException", message)


RESOURCES: tuple[ResourceHandler, ...] = (LogGroup(),)
FUNCTIONS: tuple[FunctionHandler, ...] = ()
TAGGABLE = frozenset({LogGroup.type})
