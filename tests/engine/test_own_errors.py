"""The engine reports what ends a program once, and without a traceback where it is an error of ours."""

from pathlib import Path

import pytest

from emulator.world import World
from engine.driver import Result
from maestro_stack.errors import TOLD
from tests.engine.conftest import NewRegion, config
from tests.engine.consumers import Small

OURS = """
import pulumi
from maestro_stack.errors import ConfigurationError, Problem, told_once

@told_once
async def main():
    raise ConfigurationError([Problem(key="key", problem="is wrong", example="example")])

pulumi.run(main)
"""
ENDINGS = {
    OURS: "not usable: 1 problem.",
    "import pulumi\nraise pulumi.RunError('in words')": "in words",
    "1 / 0": "ZeroDivisionError",
    "raise SystemExit(3)": "exit code: 3",
}
"""What programs end with, and what is printed."""


def _said(failed: Result) -> str:
    assert not failed.succeeded
    [message] = failed.diagnostics
    assert "unhandled error" not in failed.text
    return message


@pytest.mark.parametrize(("program", "said"), ENDINGS.items())
def test_what_ends_a_program_is_reported_once(tmp_path: Path, program: str, said: str) -> None:
    assert said in _said(Small(tmp_path, "ending", program, {}).engine.up())


def test_the_engine_adds_nothing_to_a_program_that_has_reported_its_error(tmp_path: Path) -> None:
    failed = Small(tmp_path, "silent", f"raise SystemExit({TOLD})", {}).engine.up()
    assert not failed.succeeded
    assert failed.diagnostics == ()


def test_everything_wrong_with_a_configuration_is_reported_at_once_and_once(region: NewRegion) -> None:
    stack = region()
    settings = config(replicas=3, server={"zoneCount": 0})
    for missing in ("clusterName", "profile"):
        del settings[f"maestro-stack:{missing}"]
    stack.configure(settings)
    said = _said(stack.engine.up())
    assert "clusterName: is missing\n    example: pulumi config set clusterName" in said
    assert "profile: is missing\n    example: pulumi config set profile" in said
    assert "replicas: is not a known key (did you mean server.replicas?)" in said
    assert "server.zoneCount: 0 is below 1" in said
    assert "Traceback" not in said


def _without_clusters(world: World) -> World:
    return world.model_copy(update={"clusters": []})


def test_a_missing_cluster_is_reported_once(region: NewRegion) -> None:
    stack = region(world=_without_clusters)
    said = _said(stack.engine.preview())
    assert 'EKS cluster "regional-xyz" does not exist in us-east-1' in said
    assert "Traceback" not in said
