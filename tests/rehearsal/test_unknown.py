"""A resource type that nothing emulates is unverified, and stops nothing."""

import pytest

from tests.checkouts import ALARM, END_OF_COMPONENT
from tests.rehearsal.conftest import Break, Outcome, Rehearse

TYPE = "aws:cloudwatch/metricAlarm:MetricAlarm"


def findings(outcome: Outcome, check: str, status: str = "unverified") -> list[str]:
    return [each["text"] for each in outcome.check(check)["findings"] if each["status"] == status]


def test_it_is_reported_once_and_everything_else_is_checked(rehearse: Rehearse, broken: Break) -> None:
    file, end = END_OF_COMPONENT
    second = ALARM.replace('"storage"', '"storage-soon"')
    outcome = rehearse(root=broken(file, end, ALARM + second + end))
    assert (outcome.status, outcome.failed) == (0, [])
    assert findings(outcome, "coverage") == [f"no emulation of {TYPE}"]
    unverified = [c["name"] for c in outcome.report["checks"] if c["status"] == "unverified"]
    assert unverified == ["coverage", "mqtt", "placement"]
    made = {r["name"]: r for r in outcome.report["resources"] if r["type"] == TYPE}
    assert made["storage"]["id"] == "unverified-storage"
    assert made["storage"]["inputs"]["dimensions"] == {"DBInstanceIdentifier": "maestro-regional-xyz"}


def test_rules_are_asked_about_it(rehearse: Rehearse, broken: Break) -> None:
    file, end = END_OF_COMPONENT
    policy = (
        "import pulumi_aws as aws\n        "
        'aws.iam.Policy("wide", policy=\'{"Version": "2012-10-17", "Statement": '
        '[{"Effect": "Allow", "Action": "*", "Resource": "*"}]}\', tags=tags, opts=child)\n        '
    )
    outcome = rehearse(root=broken(file, end, policy + end))
    assert outcome.status == 1
    assert outcome.failed == ["rules"]


@pytest.mark.parametrize(
    ("file", "old", "new", "unverified"),
    [
        pytest.param(
            "maestro_stack/regional.py",
            "maestro_region=known(cluster.region)",
            "maestro_region=ALARM.arn",
            set[str](),
            id="an output",
        ),
        pytest.param(
            "maestro_stack/regional.py",
            "BootstrapArgs(cluster_name=cluster.name,",
            "BootstrapArgs(cluster_name=ALARM.arn,",
            set[str](),
            id="a resource that no check looks into",
        ),
        pytest.param(
            "maestro_stack/regional.py",
            "endpoint=broker.endpoint,\n                source_id",
            "endpoint=ALARM.arn,\n                source_id",
            {"mount", "identity", "mqtt", "database", "order", "secrecy"},
            id="the release",
        ),
        pytest.param(
            "maestro_stack/credentials.py",
            "recovery_window_in_days=",
            "policy=ALARM.arn, recovery_window_in_days=",
            {"mount", "identity", "mqtt", "database", "order", "rules", "secrecy"},
            id="both secrets, and all that needs them",
        ),
    ],
)
def test_what_depends_on_an_output_that_nobody_knows_is_unverified(
    rehearse: Rehearse, broken: Break, file: str, old: str, new: str, unverified: set[str]
) -> None:
    alarm = (
        '__import__("pulumi_aws").cloudwatch.MetricAlarm("a", comparison_operator="LessThanThreshold", '
        'evaluation_periods=1, tags={"team": "platform"})'
    )
    outcome = rehearse(root=broken(file, old, new.replace("ALARM", alarm)))
    assert (outcome.status, outcome.failed) == (0, [])
    told = {check["name"] for check in outcome.report["checks"] if check["status"] == "unverified"}
    assert told == {"coverage", "mqtt", "placement"} | unverified
    assert "04da6b54" not in outcome.stdout
    if "region=" in new:
        assert outcome.report["outputs"]["maestro_region"] == "[unknown]"
    else:
        assert "depends on a value that nobody knows here" in findings(outcome, "coverage")[-1]
