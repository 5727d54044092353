"""examples/alarms: a consumer in YAML, which needs nothing of the program but the names of three outputs."""

import os
import re
from pathlib import Path
from typing import Any

import tools
from common.json_values import record, text, texts
from emulator.client import Emulation
from emulator.executables import write_plugins
from emulator.protocol import listen
from engine.driver import Engine
from engine.project import load_stack, read_yaml, write_config
from maestro_stack.outputs import contract
from tests.checkouts import ROOT
from tests.engine.alarms import TOKEN, Alarms, schema
from tests.engine.consumers import EXPORTING, Small, beside

EXAMPLE = ROOT / "examples" / "alarms"
PROGRAM: Any = read_yaml(EXAMPLE / "Pulumi.yaml")
ALARMS: dict[str, dict[str, Any]] = {
    name: resource["properties"]
    for name, resource in PROGRAM["resources"].items()
    if resource["type"] == "aws:cloudwatch:MetricAlarm"
}
OUTPUTS: dict[str, object] = {row.name: row.example for row in contract()}


def test_it_reads_three_outputs_of_the_contract() -> None:
    read = re.findall(r'\$\{region\.outputs\["(\w+)"\]\}', str(PROGRAM["variables"]))
    assert len(read) == 3
    assert set(read) <= OUTPUTS.keys()


def test_its_alarms_are_what_the_provider_takes() -> None:
    resource = record(record(schema(), "resources"), TOKEN)
    assert len(ALARMS) == 5
    for name, properties in ALARMS.items():
        assert properties.keys() <= record(resource, "inputProperties").keys(), name
        assert set(texts(resource, "requiredInputs")) <= properties.keys(), name


def test_on_the_engine_it_makes_five_alarms_of_what_the_region_exports(
    emulation: Emulation, tmp_path: Path
) -> None:
    producer = Small(tmp_path / "region", "maestro-stack", EXPORTING, {"outputs": OUTPUTS})
    assert producer.engine.up().succeeded
    alarms = Alarms(emulation.cloud("us-east-1", "220000000001"))
    server, port = listen(alarms)
    pulumi, language_host = tools.find("pulumi"), tools.find("pulumi-language-yaml")
    assert pulumi is not None
    assert language_host is not None
    file = tmp_path / "Pulumi.test.yaml"
    write_config(file, {"maestro-alarms:stack": "organization/maestro-stack/test"})
    path = os.pathsep.join([str(language_host.parent), os.environ["PATH"]])
    environment = {"PULUMI_DEBUG_PROVIDERS": f"aws:{port}", "PATH": path}
    stack = load_stack(EXAMPLE, name="test", file=file)
    folder = beside(tmp_path / "alarms", producer.backend)
    engine = Engine(stack, folder, pulumi=pulumi, plugins=write_plugins, environment=environment)
    try:
        engine.pulumi("up", "--yes", "--skip-preview", "--stack", "test")
        made = {text(alarm, "AlarmName"): alarm for alarm in alarms.found()}
        assert made.keys() == {
            f"maestro-regional-xyz-{name}"
            for name in (
                "database-storage",
                "database-connections",
                "database-cpu",
                "iot-connect",
                "iot-publish",
            )
        }
        storage = made["maestro-regional-xyz-database-storage"]
        assert storage["Dimensions"] == [{"Name": "DBInstanceIdentifier", "Value": "maestro-regional-xyz"}]
        assert storage["Threshold"] == 2 * 1024**3
        assert made["maestro-regional-xyz-iot-publish"]["MetricName"] == "PublishIn.AuthError"
        arns = {text(alarm, "AlarmArn") for alarm in made.values()}
        assert set(texts(engine.outputs(), "alarms")) == arns
        engine.pulumi("destroy", "--yes", "--skip-preview", "--stack", "test")
        assert alarms.found() == []
    finally:
        server.stop(None)
