"""The project as the tests use it: this checkout's program, with a stack file of the tests' own."""

import shutil
from pathlib import Path

from engine.shell import copy_checkout

ROOT = Path(__file__).parents[1]
STACK_FILE = ROOT / "tests" / "project" / "Pulumi.dev.yaml"


def checkout(to: Path, *left_out: str) -> Path:
    """Copy the project, without the files that match these patterns; returns `to`."""
    copy_checkout(ROOT, to, *left_out)
    shutil.copy(STACK_FILE, to)
    return to


ALARM = """import pulumi_aws as aws
        aws.cloudwatch.MetricAlarm(
            "storage",
            comparison_operator="LessThanThreshold",
            evaluation_periods=1,
            metric_name="FreeStorageSpace",
            namespace="AWS/RDS",
            threshold=1,
            dimensions={"DBInstanceIdentifier": database.instance_id},
            tags=tags,
            opts=child,
        )
        """
"""Source of a resource whose type nothing emulates, to insert into the region's component."""
END_OF_COMPONENT = ("maestro_stack/regional.py", "self.register_outputs({})")
