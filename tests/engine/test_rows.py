"""Every row of the providers' tables on the real engine: what it plans for one changed input, and does.

One resource per row, all in one stack: built, planned with every change, changed, planned again, refreshed.
A change that no `up` can make fails for its resource alone, and stays in the plan.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import tools
from emulator import randomness
from emulator.aws import RESOURCE_TYPES, resource_handler
from emulator.client import Emulation
from emulator.executables import ACCOUNT as ACCOUNT_VARIABLE
from emulator.executables import write_plugins
from emulator.kubernetes import TABLES as KUBERNETES_TABLES
from emulator.lifecycle import Change, Table
from engine.driver import Engine, Result
from engine.events import Step
from engine.project import Stack
from tests.cluster_contract import write_chart
from tests.engine.conftest import succeeded
from tests.engine.rows import (
    ACCOUNT,
    CHART,
    OTHER_CHART,
    PREREQUISITES,
    REGION,
    ROWS,
    WORLD,
    Row,
    patched_config_maps,
)
from tests.sharing import once

TABLES: Mapping[str, Table] = {
    **{type_: resource_handler(type_).table for type_ in sorted(RESOURCE_TYPES)},
    **KUBERNETES_TABLES,
    **{type_: randomness.table_of(type_) for type_ in sorted(randomness.TYPES)},
}
PLANNED = [row for row in ROWS if row.key != "version"]
"""All but a release's version, which the provider replaces with the local chart's own."""
MADE = [row for row in ROWS if not row.unmade]
CLUSTER_ID = "rows"


@dataclass(frozen=True, kw_only=True)
class Life:
    """What the engine did."""

    built: Result
    planned: Result
    changed: Result
    planned_after: Result
    refreshed: Result


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return once(tmp_path_factory, "rows", _live)


def _live(folder: Path) -> Life:
    with Emulation.start(folder / "aws.state") as emulation:
        emulation.build(account=ACCOUNT, region=REGION, world=WORLD)
        emulation.kubernetes(
            {
                "cluster": CLUSTER_ID,
                "operation": "seed",
                "version": "1.33",
                "configMaps": patched_config_maps(),
            }
        )
        stack = _stack(_project(folder / "project"))
        pulumi = tools.find("pulumi")
        assert pulumi is not None
        environment = {
            **emulation.environment(REGION),
            ACCOUNT_VARIABLE: ACCOUNT,
            "KUBECONFIG": os.devnull,
            "PULUMI_CONTINUE_ON_ERROR": "true",
        }
        engine = Engine(
            stack, folder / "state", pulumi=pulumi, plugins=write_plugins, environment=environment
        )
        built = succeeded(engine.up())
        engine.configure(_after(stack))
        return Life(
            built=built,
            planned=succeeded(engine.preview()),
            changed=engine.up(),
            planned_after=succeeded(engine.preview()),
            refreshed=succeeded(engine.refresh()),
        )


def _project(root: Path) -> Path:
    """A project whose program is the rows', with two charts."""
    root.mkdir()
    (root / "Pulumi.yaml").write_text("name: rows\nruntime: python\n")
    (root / "__main__.py").write_text("from tests.engine.rows import program\n\nprogram()\n")
    write_chart(root)
    shutil.copytree(root / CHART, root / OTHER_CHART)
    return root


def _stack(root: Path) -> Stack:
    own: dict[str, object] = {
        "aws:region": REGION,
        "kubernetes:clusterIdentifier": CLUSTER_ID,
        "rows:changed": "false",
    }
    return Stack(
        project="rows",
        name="rows",
        root=root,
        file=root / "Pulumi.rows.yaml",
        config={},
        secret_keys=frozenset(),
        own_config=own,
    )


def _after(stack: Stack) -> Stack:
    return replace(stack, own_config={**stack.own_config, "rows:changed": "true"})


def operation(row: Row) -> str:
    """What the engine calls the change."""
    return "replace" if TABLES[row.type].changes.get(row.key) is Change.REPLACE else "update"


def step(result: Result, row: Row, operation_: str) -> Step:
    (found,) = [s for s in result.steps if (s.type, s.name, s.operation) == (row.type, row.name, operation_)]
    return found


def order(result: Result, row: Row) -> list[str]:
    """The halves of a replacement, in the order in which they began."""
    halves = ("create-replacement", "delete-replaced")
    return [
        s.operation
        for s in result.steps
        if (s.type, s.name) == (row.type, row.name) and s.operation in halves
    ]


def name_of(row: Row) -> str:
    return f"{row.type} {row.key}"


each = pytest.mark.parametrize("row", ROWS, ids=name_of)


def test_every_row_of_every_table_is_tried_once() -> None:
    rows = [(type_, key) for type_, table in TABLES.items() for key in table.changes]
    there = [(row.type, row.key) for row in ROWS]
    assert not (missing := {*rows} - {*there}), f"add a row for {missing} to ROWS in tests/engine/rows.py"
    assert sorted(there) == sorted(rows)


@each
def test_a_row_changes_its_own_input_and_no_other(row: Row) -> None:
    top = row.key.partition(".")[0]
    differing = {key for key in {*row.before, *row.after} if row.before.get(key) != row.after.get(key)}
    assert differing == {top}


def test_everything_is_built(life: Life) -> None:
    wanted = {*(row.id for row in ROWS), *(f"{p.type} {p.name}" for p in PREREQUISITES)}
    assert {life.built.changes.get(resource) for resource in wanted} == {"create"}


@pytest.mark.parametrize("row", PLANNED, ids=name_of)
def test_a_changed_input_is_planned_as_its_row_says(life: Life, row: Row) -> None:
    assert life.planned.changes.get(row.id) == operation(row)
    changed = step(life.planned, row, operation(row)).changed
    # The Kubernetes provider names each field in it.
    assert {path[: len(row.key)] for path in changed} == {row.key}


def test_nothing_else_is_planned(life: Life) -> None:
    assert life.planned.changes.keys() == {row.id for row in PLANNED}


@pytest.mark.parametrize("row", [row for row in ROWS if operation(row) == "replace"], ids=name_of)
def test_a_replacement_that_keeps_the_physical_name_deletes_first(life: Life, row: Row) -> None:
    create, delete = "create-replacement", "delete-replaced"
    expected = [delete, create] if row.keeps_its_name else [create, delete]
    assert order(life.planned, row) == expected


@pytest.mark.parametrize("row", MADE, ids=name_of)
def test_the_change_is_made_and_leaves_nothing_to_do(life: Life, row: Row) -> None:
    assert life.changed.changes.get(row.id) == operation(row), life.changed.text
    assert not any(s.failed for s in life.changed.steps if (s.type, s.name) == (row.type, row.name))
    assert row.id not in life.planned_after.changes
    assert row.id not in life.refreshed.changes


@pytest.mark.parametrize("row", [row for row in PLANNED if row.unmade], ids=name_of)
def test_a_change_that_cannot_be_made_stays_in_the_plan(life: Life, row: Row) -> None:
    assert row.id in life.planned_after.changes


def test_nothing_else_is_changed_or_found_changed(life: Life) -> None:
    unmade = {row.id for row in PLANNED if row.unmade}
    assert life.planned_after.changes.keys() == unmade
    assert life.refreshed.changes.keys() <= unmade
