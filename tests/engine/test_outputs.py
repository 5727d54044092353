"""What a stack reads from another by a StackReference, on the real engine; and what it says if it can't."""

import itertools
import json
import os
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from maestro_stack.outputs import CONTRACT_VERSION, VERSION_OUTPUT, contract
from tests.checkouts import ROOT
from tests.engine.consumers import EXPORTING, Small

SOUND: dict[str, object] = {row.name: row.example for row in contract()}
LATER = {name: value for name, value in SOUND.items() if name != "maestro_role_arn"}
EXPORTED: dict[str, dict[str, object]] = {
    "foreign": {"url": "https://example.test", "password": "hunter2"},
    "older": {**LATER, VERSION_OUTPUT: CONTRACT_VERSION - 1},
    "newer": {**LATER, VERSION_OUTPUT: CONTRACT_VERSION + 1},
    "retyped": {**SOUND, "maestro_role_arn": ["hunter2"], "maestro_iot_mqtt_port": "8883"},
    "destroyed": SOUND,
    "sound": SOUND,
}
"""Outputs by stack."""
READER = """
import pulumi
from maestro_stack.outputs import MaestroOutputs

region = MaestroOutputs.from_stack(pulumi.StackReference(pulumi.Config().require("stack")))
for name, value in vars(region).items():
    pulumi.export(name, value)
pulumi.export("policy", region.agent("mc").policy)
"""
CURIOUS = """
import pulumi
from maestro_stack.errors import OutputsError
from maestro_stack.outputs import MaestroOutputs

async def main():
    for stack in pulumi.Config().require_object("stacks"):
        region = MaestroOutputs.from_stack(pulumi.StackReference(stack))
        try:
            await region.cluster_name.future()
        except OutputsError as refused:
            pulumi.log.warn(f"{refused}\\n{stack} ends")

pulumi.run(main)
"""
"""Reports what each of several stacks is refused with, and fails; a real consumer would end at the first."""
Reading = Callable[..., Small]
_numbers = itertools.count(1)
"""So that no test finds another one's stack in the backend."""


@pytest.fixture(scope="module")
def producer(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A project with a stack for each way in which outputs can be wrong; `test` was never deployed."""
    folder = tmp_path_factory.mktemp("producer")
    first = Small(folder, "producer", EXPORTING, {"outputs": {}})
    for name, outputs in EXPORTED.items():
        stack = first.beside(name, {"outputs": outputs})
        assert stack.up().succeeded
        if name == "destroyed":
            assert stack.destroy().succeeded
    return first


@pytest.fixture
def reading(producer: Small, tmp_path: Path) -> Reading:
    def new(settings: Mapping[str, object], program: str = READER) -> Small:
        return Small(tmp_path, f"reader-{next(_numbers)}", program, settings, backend=producer.backend)

    return new


def test_each_way_in_which_outputs_are_wrong_is_reported(reading: Reading) -> None:
    names = ("test", *(name for name in EXPORTED if name != "sound"))
    reader = reading({"stacks": [f"organization/producer/{name}" for name in names]}, CURIOUS)
    refused = reader.engine.up()
    assert not refused.succeeded
    told = {
        name: "\n".join(message.splitlines()[2:-1])
        for message in refused.diagnostics
        for name in names
        if message.endswith(f"organization/producer/{name} ends")
    }
    for name in ("test", "destroyed"):
        assert told[name] == (
            f"  organization/producer/{name}: has no outputs: it was never deployed, or it was destroyed\n"
            f"    deploy it: pulumi up --stack organization/producer/{name}"
        )
    assert "it exports password, url, and no maestro_contract_version" in told["foreign"]
    assert f"maestro_contract_version: is {CONTRACT_VERSION - 1}, which is older" in told["older"]
    assert "maestro_role_arn: is missing: maestro-stack 0.1.0 was the first to export it" in told["older"]
    assert f"maestro_contract_version: is {CONTRACT_VERSION + 1}, which is newer" in told["newer"]
    assert "maestro_role_arn: is missing: the newer contract no longer has it" in told["newer"]
    assert "maestro_role_arn: is a list, and must be a string" in told["retyped"]
    assert "maestro_iot_mqtt_port: is a string, and must be an integer" in told["retyped"]
    assert "hunter2" not in json.dumps(told)


def test_a_consumer_of_wrong_outputs_ends_with_the_problem_and_no_traceback(reading: Reading) -> None:
    refused = reading({"stack": "organization/producer/foreign"}).engine.up()
    assert not refused.succeeded
    assert "The region's outputs can't be used: 1 problem." in refused.text
    assert "Traceback" not in refused.text
    assert "outputs.py" not in refused.text
    assert "hunter2" not in refused.text


def test_in_a_preview_what_isnt_deployed_yet_is_unknown(reading: Reading) -> None:
    reader = reading({"stack": "organization/producer/test"})
    previewed = reader.engine.preview()
    assert previewed.succeeded
    assert "organization/producer/test has no outputs yet" in "\n".join(previewed.diagnostics)
    assert re.search(r"maestro_iot_mqtt_endpoint *: output<string>|\[unknown\]", previewed.text)


def test_sound_outputs_are_read_with_their_types(reading: Reading) -> None:
    reader = reading({"stack": "organization/producer/sound"})
    assert reader.engine.up().succeeded
    exported = reader.engine.outputs()
    assert {name: exported[name] for name in SOUND} == SOUND
    (statement, *_) = json.loads(str(exported["policy"]))["Statement"]
    assert statement["Resource"] == ["arn:aws:iot:us-east-1:123456789012:client/maestro-agent-mc-client"]


@pytest.mark.skipif(shutil.which("envsubst") is None, reason="envsubst (GNU gettext) isn't installed")
def test_the_application_is_filled_in_by_the_commands_of_its_readme(producer: Small) -> None:
    readme = (ROOT / "examples/argocd/README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\((set -a; .*)\) \|$", readme, re.MULTILINE)
    printed = producer.engine.pulumi("stack", "output", "--shell", "--stack", "organization/producer/sound")
    command = command.replace("$(pulumi stack output --shell --stack us-east-1)", "$(cat)")
    filled = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, input=printed, capture_output=True, text=True, check=True
    ).stdout
    template = (ROOT / "examples/argocd/application.yaml").read_text(encoding="utf-8")
    assert filled == string.Template(template).substitute(
        {k: v if isinstance(v, str) else json.dumps(v, separators=(",", ":")) for k, v in SOUND.items()}
    )


def test_a_stack_that_does_not_exist_is_the_engines_own_error_which_the_docs_show(
    producer: Small, tmp_path: Path
) -> None:
    # In an interpreter of its own: the engine exits while the program waits for it, and what the SDK leaves
    # behind would make the garbage collector complain in another test.
    program = """
import json, sys
from pathlib import Path
from tests.engine.consumers import Small

folder, backend, reader = sys.argv[1:]
settings = {"stack": "organization/producer/nowhere"}
preview = Small(Path(folder), "nowhere", reader, settings, backend=Path(backend)).engine.preview()
print(json.dumps([preview.succeeded, *preview.diagnostics]))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "reader"), str(producer.backend), READER]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    succeeded, *said = json.loads(done.stdout)
    assert not succeeded
    assert 'Preview failed: unknown stack "organization/producer/nowhere"' in said
    documented = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    assert 'error: Preview failed: unknown stack "ORGANIZATION/maestro-stack/us-east-1"' in documented
