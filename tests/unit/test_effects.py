"""The table of what each change does: complete, consistent, and made of settings that are accepted."""

import json
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.json_values import dig
from docs import generate
from emulator.aws import RESOURCE_TYPES, TAGGABLE_TYPES, resource_handler
from emulator.kubernetes import TABLES
from emulator.lifecycle import Change
from maestro_stack.schema import Configuration
from maestro_stack.settings import parse
from review.effects import (
    BASES,
    CLUSTER_NAME,
    INSTANCE,
    REGION,
    ROWS,
    SERVER_RELEASE,
    TAGGED,
    Base,
    Data,
    Downtime,
    Refusal,
    Row,
    Way,
    When,
    settings,
    source_of,
)

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / generate.EFFECTS).read_text(encoding="utf-8")

# Changes that wait for the maintenance window: RDS user guide, "Settings for DB instances".
WAITING = {
    "allocatedStorage", "dbSubnetGroupName", "engineVersion", "identifier", "instanceClass", "iops",
    "multiAz", "storageThroughput",
}  # fmt: skip
STEERING = {
    key for key, does in resource_handler(INSTANCE.type).table.changes.items() if does is Change.STATE
}


def name_of(row: Row) -> str:
    (own,) = [change for change in row.changes if change[0] == row.key]
    return f"{row.key}-{row.base.value}-{json.dumps(own[2])[:40]}"


every_row = pytest.mark.parametrize("row", ROWS, ids=name_of)


def keys_of(model: Any, prefix: str = "") -> Iterator[str]:
    for field in model.model_fields.values():
        path = f"{prefix}{field.alias}"
        if hasattr(field.annotation, "model_fields"):
            yield from keys_of(field.annotation, f"{path}.")
        else:
            yield path


def flat(row: Row) -> dict[str, str]:
    """The configuration after the change, as the engine hands it over."""
    own = {"clusterName": CLUSTER_NAME, "aws:region": REGION, **row.configuration}
    return {
        key if ":" in key else f"x:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in own.items()
    }


def test_every_setting_has_a_row_and_no_row_names_another() -> None:
    of_rows, known = {row.key for row in ROWS}, {"aws:region", *keys_of(Configuration)}
    assert not (missing := known - of_rows), f"add a row for {missing} to ROWS in review/effects.py"
    assert not (unknown := of_rows - known), f"not settings, but in ROWS of review/effects.py: {unknown}"


def test_no_two_rows_are_about_the_same_change() -> None:
    names = [(row.key, row.base, json.dumps(row.to, sort_keys=True)) for row in ROWS]
    assert len(names) == len({*names})


@pytest.mark.parametrize(
    ("key", "base", "before", "after"),
    [
        ("profile", Base.DEV, "dev", "production"),
        ("profile", Base.PRODUCTION, "production", "dev"),
        ("bootstrapConfigMap", Base.DEV, "create", "adopt"),
        ("bootstrapConfigMap", Base.DEV, "create", "external"),
        ("database.multiAz", Base.DEV, False, True),
        ("database.multiAz", Base.PRODUCTION, True, False),
        ("database.deletionProtection", Base.PRODUCTION, True, False),
        ("database.engineVersion", Base.DEV, "17", "18"),
        ("database.engineVersion", Base.PRODUCTION, "17", "18"),
        ("database.engineVersion", Base.DEV, "17", "16"),
        ("database.applyImmediately", Base.DEV, True, False),
        ("database.applyImmediately", Base.PRODUCTION, False, True),
    ],
)
def test_where_the_direction_matters_each_has_a_row(
    key: str, base: Base, before: object, after: object
) -> None:
    assert (key, before, after) in [change for row in ROWS if row.base is base for change in row.changes]


@every_row
def test_a_row_changes_its_own_setting_to_a_configuration_that_is_accepted(row: Row) -> None:
    assert row.key in [path for path, *_ in row.changes]
    secret = {"x:kubernetes"} if dig(row.configuration, "kubernetes.kubeconfig") else set[str]()
    parse(flat(row), project="x", root=ROOT, secret=secret)


@pytest.mark.parametrize("base", BASES)
def test_a_base_is_a_configuration_that_is_accepted(base: Base) -> None:
    parse(flat(Row(key="", base=base, to={})), project="x", root=ROOT)


def known(path: str, changes: Container[str]) -> str:
    """The input that a path belongs to: its longest prefix that the table has, or its first step."""
    steps = path.partition("[")[0].split(".")
    parts = (".".join(steps[:end]) for end in range(len(steps), 0, -1))
    return next((part for part in parts if part in changes), steps[0])


@every_row
def test_every_input_that_a_row_names_is_one_of_the_providers_table_with_that_effect(row: Row) -> None:
    for touch in row.touches:
        type_ = touch.resource.type
        if type_ in RESOURCE_TYPES:
            changes = resource_handler(type_).table.changes
        elif type_ in TABLES:
            changes = TABLES[type_].changes
        else:
            continue
        inputs = {known(key, changes) for key in touch.inputs}
        assert inputs <= changes.keys(), touch
        by_itself = Change.REPLACE in {changes[key] for key in inputs}
        assert by_itself == (touch.way is Way.REPLACED and not touch.because), touch
        assert not inputs or touch.way in (Way.UPDATED, Way.REPLACED), touch


@every_row
def test_a_row_names_the_source_of_everything_that_it_touches(row: Row) -> None:
    assert row.sources == tuple(dict.fromkeys(source_of(touch.resource.type) for touch in row.touches))
    assert all(re.search(r"\w\.go", source) for source in row.sources)
    assert bool(row.sources) == bool(row.touches)


@every_row
def test_what_waits_for_the_window_says_so(row: Row) -> None:
    inputs = {key for touch in row.touches if touch.resource == INSTANCE for key in touch.inputs}
    waits = not dig(settings(row.configuration), "database.applyImmediately") and bool(inputs & WAITING)
    assert (row.when is When.WINDOW) == waits
    assert (row.when is When.LATER) == (bool(inputs) and inputs <= STEERING)
    assert (row.when is When.NEVER) == (not row.touches and row.refusal is not Refusal.PROTECTION)


@every_row
def test_downtime_and_restarts_agree(row: Row) -> None:
    touched = {touch.resource: touch.way for touch in row.touches}
    if row.restarts_pods:
        assert row.downtime >= Downtime.ROLLING
        assert SERVER_RELEASE in touched
    if touched.get(SERVER_RELEASE) is Way.REPLACED:
        assert row.restarts_pods
        assert row.downtime is Downtime.OUTAGE
    if row.downtime is Downtime.ROLLING:
        assert row.restarts_pods
    if not row.touches:
        assert row.downtime is Downtime.NONE


@every_row
def test_what_can_be_lost_is_named_and_the_loss_of_the_database_is_the_worst(row: Row) -> None:
    assert row.data is (Data.AT_RISK if row.at_risk else Data.SAFE)
    if (INSTANCE, Way.REPLACED) in [(touch.resource, touch.way) for touch in row.touches]:
        assert row.data is Data.AT_RISK
        assert row.downtime is Downtime.OUTAGE
    if row.refusal:
        assert row.notes, "a refusal must name the way out"


def test_everything_that_takes_tags_is_tagged() -> None:
    assert {resource.type for resource in TAGGED} == TAGGABLE_TYPES


def test_the_document_begins_by_saying_what_it_rests_on() -> None:
    first = DOCUMENT.split("-->")[1].strip()
    assert first.startswith("**Derived from the providers' sources, not run against AWS.**")


def test_the_document_has_every_row_with_the_worst_first() -> None:
    summary = DOCUMENT.split("## The worst first")[1].split("\n\n## ")[0]
    assert summary.count("\n| `") == len(ROWS)
    assert DOCUMENT.count("\n### ") == len(ROWS)
    at_risk = [" **at risk** " in line for line in summary.splitlines() if line.startswith("| `")]
    assert at_risk == sorted(at_risk, reverse=True)
    for section in DOCUMENT.split("\n## ")[2:]:
        at_risk = ["Data **at risk**" in part for part in section.split("\n### ")[1:]]
        assert at_risk == sorted(at_risk, reverse=True)


@every_row
def test_the_document_names_a_rows_resources_inputs_and_sources(row: Row) -> None:
    parts = [part for part in DOCUMENT.split("\n### ") if part.startswith(f"`{row.key}`:")]
    wanted = [
        f"| `{touch.resource.type}` `{touch.resource.name}` | {touch.way.value} | "
        f"{', '.join([touch.because] * bool(touch.because) + [f'`{key}`' for key in touch.inputs])} | "
        f"`{touch.resource.source}` |"
        for touch in row.touches
    ]
    assert any(all(line in part for line in wanted) and row.notes in part for part in parts)
