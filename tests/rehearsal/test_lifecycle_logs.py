"""Log groups after their creation: what a change does, what a refresh sees, what a deletion leaves."""

from collections.abc import Iterator

import pytest

from common.json_values import Json
from emulator.aws import AwsError, resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.errors import PartlyMadeError
from emulator.aws.in_process import in_process_cloud
from emulator.lifecycle import Difference
from emulator.world import World
from tests.rehearsal.lives import Life, check_update, create, refuse

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
NAME = "/aws/rds/instance/maestro-a/postgresql"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with in_process_cloud("us-east-1", World()) as cloud:
        yield cloud


def log_group(cloud: Cloud, **inputs: Json) -> Life:
    return create(cloud, LOG_GROUP, {"name": NAME, "retentionInDays": 7, **inputs})


@pytest.mark.parametrize(
    "change",
    [
        {"retentionInDays": 30},
        {"retentionInDays": None},
        {"tags": {"team": "platform", "env": "dev"}},
        {"tags": {"env": "dev"}},
        {"tags": None},
    ],
)
def test_a_log_group_is_changed_in_place(cloud: Cloud, change: dict[str, Json]) -> None:
    life = check_update(log_group(cloud, tags={"team": "platform"}), change)
    for key, value in change.items():
        assert life.seen_in_aws(key) == (value or ({} if key == "tags" else 0))


def test_another_name_is_another_group(cloud: Cloud) -> None:
    assert log_group(cloud).changed({"name": "/other"}) == Difference(replaces=("name",))


def test_a_group_whose_name_begins_with_it_is_another(cloud: Cloud) -> None:
    create(cloud, LOG_GROUP, {"name": f"{NAME}-more"})
    assert resource_handler(LOG_GROUP).read(cloud, log_group(cloud).deleted().state) is None


def test_a_second_group_of_a_name_and_odd_days_are_refused(cloud: Cloud) -> None:
    log_group(cloud)
    with pytest.raises(AwsError, match="already exists") as caught:
        log_group(cloud)
    assert caught.value.code == "ResourceAlreadyExistsException"
    with pytest.raises(AwsError, match="Value '8' at 'retentionInDays'"):
        create(cloud, LOG_GROUP, {"name": "/other", "retentionInDays": 8})


@pytest.mark.parametrize("operation", ["PutRetentionPolicy", "DescribeLogGroups", "ListTagsForResource"])
def test_a_group_whose_completion_is_refused_is_kept_and_completed_by_an_update(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    inputs: dict[str, Json] = {"name": NAME, "retentionInDays": 7}
    handler = resource_handler(LOG_GROUP)
    with monkeypatch.context() as expired:
        refuse(expired, cloud, operation, "ExpiredTokenException")
        with pytest.raises(PartlyMadeError) as refusal:
            handler.create(cloud, inputs)

    life = Life(cloud, handler, refusal.value.state, inputs)
    assert life.changed({}) == Difference(updates=("retentionInDays",))
    assert check_update(life, {"retentionInDays": 7}).seen_in_aws("retentionInDays") == 7


def test_a_deleted_group_is_gone_and_deleting_it_again_is_no_error(cloud: Cloud) -> None:
    life = log_group(cloud).deleted()
    assert life.read() is None
    life.deleted()


def test_a_group_is_kept_where_the_state_says_so(cloud: Cloud) -> None:
    assert log_group(cloud, skipDestroy=True).deleted().read() is not None
