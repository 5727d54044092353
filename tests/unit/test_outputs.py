"""The outputs: a contract with a version, light enough to be used by other projects."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from maestro_stack import outputs
from maestro_stack.outputs import (
    CONTRACT_VERSION,
    MaestroOutputs,
    Row,
    contract,
    problems_of,
)

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / generate.LOCK).read_text(encoding="utf-8")
ROWS = contract()


def test_the_contract_keeps_what_it_promised() -> None:
    generate.outputs_lock(LOCK)


def row(name: str = "maestro_more", type_: str = "string", since: str = "0.2.0") -> Row:
    return Row(name=name, type=type_, example="x", since=since)


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        (ROWS[1:], "cluster_name is gone"),
        ((*ROWS[:-1], replace(ROWS[-1], type="integer")), "maestro_grpc_address was of type string, and now"),
        ((*ROWS[:-1], replace(ROWS[-1], name="maestro_grpc")), "maestro_grpc_address is gone"),
        ((*ROWS[:-1], replace(ROWS[-1], since="0.9.0")), "maestro_grpc_address was first in release 0.1.0"),
    ],
)
def test_an_output_goes_or_changes_its_type_only_with_a_new_version(
    rows: tuple[Row, ...], broken: str
) -> None:
    with pytest.raises(SystemExit, match=broken):
        generate.outputs_lock(LOCK, rows)
    written = json.loads(
        generate.outputs_lock(LOCK, rows, version=CONTRACT_VERSION + 1, release=rows[-1].since)
    )
    assert written["contract"] == CONTRACT_VERSION + 1
    assert list(written["outputs"]) == [r.name for r in rows]


def test_a_version_never_goes_back() -> None:
    with pytest.raises(SystemExit, match="can't be 0"):
        generate.outputs_lock(LOCK, version=CONTRACT_VERSION - 1)


def test_adding_an_output_breaks_nothing_and_is_locked_from_then_on() -> None:
    written = generate.outputs_lock(LOCK, (*ROWS, row()), release="0.2.0")
    assert json.loads(written)["outputs"]["maestro_more"] == {"type": "string", "since": "0.2.0"}
    with pytest.raises(SystemExit, match="maestro_more is gone"):
        generate.outputs_lock(written)


def test_a_new_output_says_in_which_release_it_comes() -> None:
    with pytest.raises(SystemExit, match=r'say since="0\.3\.0": maestro_more'):
        generate.outputs_lock(LOCK, (*ROWS, row(since="0.2.0")), release="0.3.0")


def test_every_output_is_documented_in_order() -> None:
    assert [row.name for row in ROWS] == [field.name for field in fields(MaestroOutputs)]
    described = generate.docstrings(MaestroOutputs)
    for row in ROWS:
        assert re.fullmatch("[A-Z].*[.]", described[row.name]), row.name
        assert row.example, row.name


def test_outputs_have_the_projects_prefix() -> None:
    names = [field.name for field in fields(MaestroOutputs)]
    assert [name for name in names if not re.fullmatch("maestro_[a-z0-9_]+", name)] == ["cluster_name"]


def test_no_output_is_for_something_secret() -> None:
    for row in ROWS:
        if not row.name.endswith(("_secret_name", "_secret_arn")):
            assert not re.search("password|private_?key|secret|token|pem", row.name), row.name


@pytest.mark.parametrize("install", ["pulumi", "external"])
def test_the_outputs_that_a_region_has_are_exported_under_their_names(
    monkeypatch: pytest.MonkeyPatch, install: str
) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr(outputs.pulumi, "export", exported.__setitem__)
    values: dict[str, Any] = {field.name: f"value of {field.name}" for field in fields(MaestroOutputs)}
    MaestroOutputs(**values).export(install=install)
    absent = {row.name for row in ROWS if row.install not in (None, install)}
    assert exported == {name: value for name, value in values.items() if name not in absent}
    assert absent


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
import maestro_stack.outputs, maestro_stack.names, maestro_stack.mqtt, maestro_stack.permissions
ours = {name.partition(".")[0] for name in {*sys.modules} - pulumis} - {*sys.stdlib_module_names}
heavy = {"pulumi_aws", "pulumi_kubernetes", "pulumi_random", "pydantic"} & {*sys.modules}
print(*ours, *heavy)
"""
    assert run(program) == ["maestro_stack"]


def test_the_package_itself_imports_nothing() -> None:
    tree = ast.parse((ROOT / "maestro_stack" / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


# --- what a reader says about another stack's outputs ------------------------------------------------

STACK = "organization/maestro-stack/us-east-1"
SOUND: dict[str, object] = {row.name: row.example for row in ROWS if row.install != "external"}


def said(values: dict[str, object]) -> list[str]:
    return [f"{problem.key} {problem.problem}" for problem in problems_of(STACK, values)]


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in SOUND.items() if name not in names}


def test_sound_outputs_are_no_problem_and_neither_are_more() -> None:
    assert said(SOUND) == said({**SOUND, "maestro_more": ["x"]}) == []


def test_a_region_has_the_outputs_of_whoever_installs_the_chart() -> None:
    external: dict[str, object] = {row.name: row.example for row in ROWS if row.install != "pulumi"}
    elsewhere = {**external, "maestro_server_install": "external"}
    assert said(elsewhere) == []
    assert [each.split()[0] for each in said({**elsewhere, "maestro_server_install": "pulumi"})] == [
        row.name for row in ROWS if row.install == "pulumi"
    ]


def test_a_stack_without_outputs_was_never_deployed_or_is_destroyed() -> None:
    (problem,) = problems_of(STACK, {})
    assert (problem.key, problem.example) == (STACK, f"deploy it: pulumi up --stack {STACK}")
    assert problem.problem == "has no outputs: it was never deployed, or it was destroyed"


def test_another_projects_stack_is_reported_with_what_it_exports() -> None:
    (text,) = said({"url": "https://example.test", "cluster_name": "x"})
    assert text.endswith("it exports cluster_name, url, and no maestro_contract_version")


def test_an_older_region_is_reported_with_what_it_lacks_and_which_release_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outputs, "CONTRACT_VERSION", CONTRACT_VERSION + 1)
    missing = f"maestro_role_arn is missing: maestro-stack {ROWS[0].since} was the first to export it"
    older = f"maestro_contract_version is {CONTRACT_VERSION}, which is older than this reader's, "
    assert said(without("maestro_role_arn")) == [f"{older}{CONTRACT_VERSION + 1}", missing]


def test_a_region_of_the_same_contract_may_lack_what_a_later_release_added() -> None:
    (text,) = said(without("maestro_role_arn"))
    assert text.startswith("maestro_role_arn is missing: maestro-stack 0.1.0")


def test_a_newer_region_is_reported_with_what_it_dropped() -> None:
    next_one = CONTRACT_VERSION + 1
    assert said({**without("maestro_role_arn"), "maestro_contract_version": next_one}) == [
        f"maestro_contract_version is {next_one}, which is newer than this reader's, {CONTRACT_VERSION}",
        "maestro_role_arn is missing: the newer contract no longer has it",
    ]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("maestro_iot_mqtt_port", "8883", "is a string, and must be an integer"),
        ("maestro_iot_mqtt_port", 8883.5, "is a number, and must be an integer"),
        ("maestro_iot_mqtt_port", True, "is a boolean, and must be an integer"),
        ("maestro_role_arn", 1, "is a number, and must be a string"),
        ("maestro_role_arn", ["arn"], "is a list, and must be a string"),
        ("maestro_role_arn", {"arn": "x"}, "is an object, and must be a string"),
        ("maestro_role_arn", {}, "is an object, and must be a string"),
        ("maestro_role_arn", None, "is null, and must be a string"),
        ("maestro_contract_version", "1", "is a string, and must be an integer"),
    ],
)
def test_an_output_of_another_type_is_reported_without_its_value(
    name: str, value: object, problem: str
) -> None:
    assert said({**SOUND, name: value}) == [f"{name} {problem}"]


def test_all_problems_are_reported_at_once() -> None:
    assert len(said({**without("cluster_name"), "maestro_role_arn": 1, "maestro_iot_mqtt_port": "x"})) == 3
