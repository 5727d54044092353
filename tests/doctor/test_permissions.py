"""The printed policies: sufficient for their purpose, and within IAM's limits."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError

from checks import aws_policy
from common.json_values import Json, records
from doctor.permissions import POLICY_MAX, PURPOSES, Purpose, actions_of, cluster_role, policies, scope_of
from tests.authorization import Caller
from tests.checkouts import ROOT
from tests.doctor.patient import ACCOUNT, REGION, Patient, patient

LONG = {"name": "n" * 40, "iam": {"path": f"/{'p' * 510}/"}}


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("settings", [{}, LONG])
def test_each_policy_fits_a_managed_one(
    purpose: Purpose, settings: Mapping[str, object], tmp_path: Path
) -> None:
    with patient(tmp_path, **settings) as region:
        scope = scope_of(region.case())
    printed = policies(purpose, scope)
    for document in (json.dumps(each, separators=(",", ":")) for each in printed):
        assert len(document) <= POLICY_MAX
        aws_policy.parse(document)  # as IAM would store it
    granted = [(statement["Resource"], frozenset(statement["Action"])) for statement in _statements(printed)]
    assert granted == list(actions_of(purpose, scope).items())


def _statements(printed: Iterable[Mapping[str, Json]]) -> list[Any]:
    return [statement for each in printed for statement in records(each, "Statement")]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_statement_grants_all(purpose: Purpose, region: Patient) -> None:
    statements = _statements(policies(purpose, scope_of(region.case())))
    assert not [action for each in statements for action in each["Action"] if action.endswith("*")]


def test_a_preview_writes_nothing_on_aws(region: Patient) -> None:
    statements = _statements(policies("preview", scope_of(region.case())))
    writes = re.compile(r":(Create|Update|Delete|Put|Modify|Attach|Detach|Tag|Untag|Add|Remove|Pass)")
    assert not [action for each in statements for action in each["Action"] if writes.search(action)]


@pytest.mark.parametrize("purpose", ["preview", "doctor"])
def test_previews_and_the_doctor_may_only_read_the_cluster(purpose: Purpose) -> None:
    rules: Any = cluster_role(purpose, purpose)["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}


def test_a_deployment_may_make_every_kind_of_the_chart() -> None:
    rules: Any = cluster_role("deploy", "deploy")["rules"]
    makeable = {kind for rule in rules if "create" in rule["verbs"] for kind in rule["resources"]}
    templates = (ROOT / "charts/maestro-server-eso/templates").glob("*.yaml")
    kinds = {kind for each in templates for kind in re.findall(r"(?m)^kind: (\w+)", each.read_text("utf-8"))}
    assert {re.sub(r"y$", "ie", re.sub(r"ss$", "sse", kind.lower())) + "s" for kind in kinds} <= makeable


@pytest.mark.parametrize("phase", ["before", "after"])
def test_the_doctor_works_under_exactly_the_policy_that_it_prints(phase: str, built: Patient) -> None:
    caller = Caller.under(policies("doctor", scope_of(built.case())), ACCOUNT, REGION)
    built.guard = lambda action, parameters: _judge(caller, action, parameters)
    assert built.fails(phase) == {}
    assert built.unverified(phase) == {}


def test_what_the_policy_lacks_is_reported(built: Patient) -> None:
    granted = policies("doctor", scope_of(built.case()))
    for statement in _statements(granted):
        statement["Action"] = [each for each in statement["Action"] if each != "iot:TestAuthorization"]
    caller = Caller.under(granted, ACCOUNT, REGION)
    built.guard = lambda action, parameters: _judge(caller, action, parameters)
    assert built.unverified("after").keys() == {"broker-allows"}


def _judge(caller: Caller, action: str, parameters: Mapping[str, Any]) -> None:
    if lacks := caller.lacks(action, parameters):
        answer: Any = {"Error": {"Code": "AccessDenied", "Message": f"not authorized to perform: {lacks}"}}
        raise ClientError(answer, action)


# --- deploy: what the emulation calls, and nothing that isn't needed -----------------------------


def _forbid(made: Patient, forbidden: str | None, seen: set[str]) -> None:
    """Record the providers' calls, and refuse one of them."""
    call = made.cloud.call

    def guarded(service: str, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        action = f"{service}:{operation}"
        seen.add(action)
        if action == forbidden:
            raise made.cloud.refuse(service, operation, "AccessDenied", f"not authorized: {action}")
        return call(service, operation, parameters)

    vars(made.cloud)["call"] = guarded


def test_an_up_makes_no_call_that_the_table_lacks_and_each_that_it_makes_is_needed(tmp_path: Path) -> None:
    seen: set[str] = set()
    with patient(tmp_path) as made:
        granted = frozenset[str]().union(*actions_of("deploy", scope_of(made.case())).values())
        _forbid(made, None, seen)
        made.build()
    assert seen <= granted
    not_needed: list[str] = []
    for action in sorted(seen - {"rds:DescribeDBParameterGroups"}):  # RDS itself looks the group up here
        with patient(tmp_path) as made:
            _forbid(made, action, set())
            try:
                not_needed += [] if made.program().failures else [action]
            except pulumi.RunError:
                continue
    assert not_needed == []
