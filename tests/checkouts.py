"""The project as tests have it: this checkout's program, and a stack of the tests' own."""

import shutil
from pathlib import Path

from engine.shell import copy_checkout

ROOT = Path(__file__).parents[1]
STACK_FILE = ROOT / "tests" / "project" / "Pulumi.dev.yaml"


def checkout(to: Path, *left_out: str) -> Path:
    """A copy of it, without whatever matches these patterns; returns `to`."""
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
"""A resource of a type that nothing emulates, to stand in the region's component."""
END_OF_COMPONENT = ("maestro_stack/regional.py", "self.register_outputs({})")
