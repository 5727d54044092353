"""The doctor on a real API server, with a real stack: before `up`, after it, with pods that don't start."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from kubernetes.client import rest  # pyright: ignore[reportMissingTypeStubs]

import tools
from checks.finding import Status
from common.json_values import Json, number, record, records, text
from common.terminal import Colours
from controlplane import Api, ControlPlane
from docs import pictures
from docs.pictures import SHOWN_FAULTS, with_what_lasts
from doctor.api import LiveApi
from doctor.catalogue import CATEGORIES
from doctor.examine import case_of, diagnose
from doctor.permissions import cluster_role
from doctor.question import ask_all
from doctor.report import Diagnosis
from emulator.client import Emulation
from tests.cluster.bound import bound, kubeconfig
from tests.cluster.objects import ACCOUNT, CLUSTER, OURS, wait_until
from tests.cluster.stacks import OnCluster, on_cluster
from tests.doctor.faults import FAULTS
from tests.doctor.patient import Patient
from tests.engine.conftest import config

UNKNOWN_BEFORE = {"state-backend", "pods-security-groups", "network-policy"}
"""Here the state is a local file, and there are neither EC2 instances nor a CNI."""
UNKNOWN_AFTER = {"pods-security-groups", "pods-connected", "api-answers"}
"""No container runs, and so nothing logs or answers."""


@pytest.fixture(scope="module")
def stack(
    emulation: Emulation, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnCluster]:
    folder = tmp_path_factory.mktemp("doctor") / "region"
    with on_cluster(emulation, control_plane, folder, config(), account=ACCOUNT) as stack:
        wait_until(lambda: _daemons_are_ready(stack.api), "the cluster's own pods to be ready")
        yield stack
        # Other tests use the account, too.
        stack.region.refresh()
        stack.region.destroy()


def _daemons_are_ready(api: Api) -> bool:
    statuses = [
        record(each, "status") for each in records(api.call("GET", "/apis/apps/v1/daemonsets"), "items")
    ]
    return all(0 < number(s, "desiredNumberScheduled") == number(s, "numberReady") for s in statuses)


@pytest.fixture(autouse=True)
def shell(stack: OnCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of somebody who has just run `pulumi up`."""
    pulumi = tools.find("pulumi")
    assert pulumi is not None
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in stack.region.engine.variables.items():
        monkeypatch.setenv(name, value)
    path = [str(Path(sys.executable).parent), str(pulumi.parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(path))


def examined(stack: OnCluster, phase: str | None = None) -> Diagnosis:
    return diagnose(case_of(stack.region.engine.stack, lambda _: None), phase, lambda _: None)


def told(diagnosis: Diagnosis, status: Status) -> dict[str, str]:
    return {str(finding.name): finding.text for finding in diagnosis.findings(status)}


def test_a_region_is_healthy_before_up_and_after_it_and_is_only_read(
    stack: OnCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    verbs: list[str] = []
    client: Any = rest.RESTClientObject
    request = client.request

    def noted(self: object, method: str, *given: object, **more: object) -> object:
        verbs.append(method)
        return request(self, method, *given, **more)

    monkeypatch.setattr(client, "request", noted)
    before = examined(stack)
    assert (before.phase, told(before, Status.FAILS)) == ("before", {})
    assert told(before, Status.UNVERIFIED).keys() == UNKNOWN_BEFORE
    stack.region.up()
    after = examined(stack)
    assert (after.phase, told(after, Status.FAILS)) == ("after", {})
    assert told(after, Status.UNVERIFIED).keys() == UNKNOWN_AFTER
    assert set(verbs) == {"GET"}


def test_the_picture_in_the_readme_is_of_such_a_region(stack: OnCluster) -> None:
    printed: list[str] = []
    stack.region.destroy()
    for phase, name in SHOWN_FAULTS.items():
        if phase == "after":
            stack.region.up()
        (fault,) = (each for each in FAULTS if each.name == name)
        fault.plant(cast("Patient", stack.region))  # makes a call, which both have
        printed.append(with_what_lasts(examined(stack, phase), Colours(sys.stdout)))
        if fault.mend:
            fault.mend(cast("Patient", stack.region))
    stack.region.refresh()
    stack.region.up()
    picture = re.sub(r"\x1b\[\d*m", "", pictures.printed("doctor"))
    assert re.sub(r"in \d+\.\d s", "in 3.2 s", "\n".join(printed)).splitlines() == picture.splitlines()


def test_a_lost_association_is_found_with_the_pods_words_and_mended_by_its_remedy(stack: OnCluster) -> None:
    stack.region.up()
    association = records(
        stack.region.call("eks", "ListPodIdentityAssociations", clusterName=CLUSTER), "associations"
    )[0]
    key: dict[str, Json] = {"clusterName": CLUSTER, "associationId": association["associationId"]}
    stack.region.call("eks", "DeletePodIdentityAssociation", **key)
    for pod in stack.pods().values():
        name = text(record(pod, "metadata"), "name")
        stack.api.raw("DELETE", f"/api/v1/namespaces/{OURS}/pods/{name}?gracePeriodSeconds=0")
    events = f"/api/v1/namespaces/{OURS}/events"
    wait_until(lambda: "FailedMount" in str(stack.api.call("GET", events)), "the mount to fail")
    failing = told(examined(stack), Status.FAILS)
    assert failing.keys() == {"pods-role", "pods-ready"}
    assert "FailedMount" in failing["pods-ready"]
    stack.region.refresh()
    stack.region.up()
    wait_until(lambda: len(stack.ready()) == 2, "the pods to be ready")
    assert told(examined(stack), Status.FAILS) == {}


def test_a_failed_up_is_explained_by_what_is_there(stack: OnCluster) -> None:
    stack.region.destroy()
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    stack.region.call("iot", "CreatePolicy", policyName="maestro-server", policyDocument=document)
    assert not stack.region.engine.up().succeeded
    diagnosis = examined(stack)
    failing = told(diagnosis, Status.FAILS)
    assert (diagnosis.phase, failing.keys()) == ("after", {"state-complete", "iot-policy-name"})
    assert "not built: IoT policy, " in failing["state-complete"]
    stack.region.call("iot", "DeletePolicy", policyName="maestro-server")
    stack.region.up()
    assert told(examined(stack), Status.FAILS) == {}


def test_the_cluster_role_that_is_printed_is_enough(stack: OnCluster, control_plane: ControlPlane) -> None:
    stack.region.up()
    with bound(control_plane, stack.api, cluster_role("doctor", "doctor")) as token:
        text_ = kubeconfig(control_plane.url, control_plane, token)
        case = case_of(stack.region.engine.stack, lambda _: None)
        vars(case)["api"] = LiveApi(lambda: text_, None)
        for phase in ("before", "after"):
            checks = ask_all(CATEGORIES, case, phase, lambda _: None)
            refused = [f.text for check in checks for f in check.findings if "is refused" in f.text]
            assert refused == []
