"""A resource of a type that nothing emulates lives on the engine by its inputs alone."""

from pathlib import Path

import tools
from emulator.client import Emulation
from emulator.executables import write_plugins
from engine.driver import Engine
from engine.project import load_stack, write_config
from tests.engine.attached import Attached
from tests.engine.conftest import succeeded

TYPE = "aws:cloudwatch/metricAlarm:MetricAlarm"
PROGRAM = """
import pulumi
import pulumi_aws as aws

if threshold := pulumi.Config().get_int("threshold"):
    aws.cloudwatch.MetricAlarm(
        "storage",
        comparison_operator="LessThanThreshold",
        evaluation_periods=1,
        metric_name="FreeStorageSpace",
        namespace="AWS/RDS",
        threshold=threshold,
    )
"""


def test_it_goes_up_changes_and_goes_away_again(emulation: Emulation, tmp_path: Path) -> None:
    root, file = tmp_path / "project", tmp_path / "project/Pulumi.dev.yaml"
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: unknown\nruntime: python\n")
    (root / "__main__.py").write_text(PROGRAM)
    pulumi = tools.find("pulumi")
    assert pulumi is not None

    def configured(threshold: int) -> None:
        write_config(file, {"aws:region": "us-east-1", "unknown:threshold": str(threshold)})

    configured(1)
    with Attached() as attached:
        environment = {**emulation.environment("us-east-1"), **attached.variables}
        attached.heed(environment)
        stack = load_stack(root, name="dev")
        engine = Engine(
            stack, tmp_path / "state", pulumi=pulumi, plugins=write_plugins, environment=environment
        )

        def operations(command: str) -> set[str]:
            """What a command does to resources of the type."""
            result = succeeded(getattr(engine, command)())
            return {step.operation for step in result.steps if step.type == TYPE}

        assert operations("preview") == {"create"}
        assert operations("up") == {"create"}
        assert operations("preview") == {"same"}
        assert operations("refresh") <= {"same", "refresh"}
        configured(2)
        engine.configure(load_stack(root, name="dev"))
        assert operations("up") == {"update"}
        configured(0)
        engine.configure(load_stack(root, name="dev"))
        assert operations("up") == {"delete"}
