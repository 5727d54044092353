"""The outputs: a contract with a version, light enough to be used by other projects."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from maestro_stack import outputs
from maestro_stack.outputs import CONTRACT_VERSION, MaestroOutputs, documentation

ROOT = Path(__file__).resolve().parents[2]
VERSION_1 = {
    "cluster_name": "string",
    "maestro_contract_version": "integer",
    "maestro_region": "string",
    "maestro_iot_mqtt_endpoint": "string",
    "maestro_iot_mqtt_port": "integer",
    "maestro_mqtt_source_id": "string",
    "maestro_mqtt_source_events_topic": "string",
    "maestro_mqtt_agent_events_topic": "string",
    "maestro_iot_policy_name": "string",
    "maestro_iot_policy_arn": "string",
    "maestro_iot_certificate_id": "string",
    "maestro_iot_certificate_arn": "string",
    "maestro_database_address": "string",
    "maestro_database_port": "integer",
    "maestro_database_name": "string",
    "maestro_database_instance_id": "string",
    "maestro_server_mqtt_cert_secret_name": "string",
    "maestro_server_mqtt_cert_secret_arn": "string",
    "maestro_db_credentials_secret_name": "string",
    "maestro_db_credentials_secret_arn": "string",
    "maestro_role_name": "string",
    "maestro_role_arn": "string",
    "maestro_namespace": "string",
    "maestro_release_name": "string",
    "maestro_release_revision": "integer",
    "maestro_release_status": "string",
    "maestro_chart_version": "string",
    "maestro_http_address": "string",
    "maestro_grpc_address": "string",
}


def test_version_1_keeps_its_outputs_and_their_types() -> None:
    # More may come; one that goes or changes its type is a new version, and a new table here.
    assert CONTRACT_VERSION == 1
    found = {row.name: row.type for row in documentation()}
    assert {name: found.get(name) for name in VERSION_1} == VERSION_1


def test_every_output_is_documented_in_order() -> None:
    rows = documentation()
    assert [row.name for row in rows] == [field.name for field in fields(MaestroOutputs)]
    for row in rows:
        assert re.fullmatch("[A-Z].*[.]", row.description), row.name
        assert row.example, row.name


def test_outputs_have_the_projects_prefix() -> None:
    names = [field.name for field in fields(MaestroOutputs)]
    assert [name for name in names if not re.fullmatch("maestro_[a-z0-9_]+", name)] == ["cluster_name"]


def test_no_output_is_for_something_secret() -> None:
    for row in documentation():
        if not row.name.endswith(("_secret_name", "_secret_arn")):
            assert not re.search("password|private_?key|secret|token|pem", row.name), row.name


def test_all_outputs_are_exported_under_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr(outputs.pulumi, "export", exported.__setitem__)
    values: dict[str, Any] = {field.name: f"value of {field.name}" for field in fields(MaestroOutputs)}
    MaestroOutputs(**values).export()
    assert exported == values


def run(program: str) -> list[str]:
    """What a new interpreter prints, as words."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_the_outputs_need_pulumi_and_the_standard_library_only() -> None:
    program = """
import sys
import pulumi
pulumis = {*sys.modules}
import maestro_stack.outputs, maestro_stack.names, maestro_stack.mqtt
ours = {name.partition(".")[0] for name in {*sys.modules} - pulumis} - {*sys.stdlib_module_names}
heavy = {"pulumi_aws", "pulumi_kubernetes", "pulumi_random", "pydantic"} & {*sys.modules}
print(*ours, *heavy)
"""
    assert run(program) == ["maestro_stack"]


def test_the_package_itself_imports_nothing() -> None:
    tree = ast.parse((ROOT / "maestro_stack" / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
