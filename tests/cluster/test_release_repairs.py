"""A release whose pods can't get ready: `up` says why, and mending what is wrong heals it without help.

In one dev stack, three things go wrong in turn; what happened is recorded, and each test looks at it.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.json_values import Json, record, records, text, texts
from controlplane import ControlPlane
from emulator.client import Emulation
from engine.driver import Result
from tests.checkouts import ROOT
from tests.cluster.objects import CLUSTER, OURS, condition, wait_until
from tests.cluster.stacks import RELEASE, REPLICAS, OnCluster, Served, on_cluster, served
from tests.engine.conftest import Region, config, succeeded
from tests.faults.recovery import run, sections
from tests.sharing import once

OPERATING = ROOT / "docs/operating.md"
TYPE = RELEASE.partition(" ")[0]
CERTIFICATE_SECRET = f"{CLUSTER}/maestro/server-mqtt-cert"
DATABASE_SECRET = f"{CLUSTER}/maestro/db-credentials"
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation association-regional-xyz"
ATTACHMENT = "aws:iot/policyAttachment:PolicyAttachment policy-attachment"
CERTIFICATE = "aws:iot/certificate:Certificate certificate"
DATABASE_VERSION = "aws:secretsmanager/secretVersion:SecretVersion db-credentials-regional-xyz"
ROLE_POLICY = "read-server-secrets"
FAILED_MOUNT = 'MountVolume.SetUp failed for volume "secrets-store"'
NO_ASSOCIATION = f"no association of service account {OURS}/maestro on cluster {CLUSTER}"
NOT_FETCHED = "Failed to fetch secret from all regions: "


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One `up` that fails because of the release, and how it ends well."""

    failed: Result
    warnings: str
    """What `kubectl get events` then prints, run as docs/operating.md says."""
    in_state: Mapping[str, Json]
    """The release in the stack's state after it; empty if missing."""
    helm_status: str
    """The release's status, as Helm stores it."""
    kept: frozenset[str]
    """Uids of the pods that were ready before and still are."""
    waiting: tuple[str, ...]
    """The phase of each pod that isn't ready."""
    healed_by_itself: bool
    """Whether the pods became ready when what was wrong was mended, before the next `up`."""
    certificates: int
    """How many are in force after the failure."""
    mended: Result
    """The next `up`."""
    served: list[Served]
    """What the engine asked the providers for in it."""
    certificates_after: int
    ready: int
    """Pods that are ready after it."""
    helm_status_after: str


def fail(
    stack: OnCluster, break_: Callable[[], object], mend: Callable[[], object], *, heals: bool
) -> Failure:
    """Make an `up` fail at the release, mend what is wrong, and make it succeed."""
    before = frozenset(stack.ready()) if stack.api.exists(f"/api/v1/namespaces/{OURS}") else frozenset[str]()
    failed = up_while(stack, break_)
    warnings = run(stack.region, sections(OPERATING)["When the pods don't get ready"][0])
    assert not failed.succeeded, "nothing went wrong"
    state = records(record(stack.region.engine.export(), "deployment"), "resources")
    status = helm_status(stack)
    kept = before & stack.ready()
    waiting = tuple(
        text(record(pod, "status"), "phase")
        for pod in stack.pods().values()
        if condition(pod, "Ready") != "True"
    )
    certificates = certificates_in_force(stack.region)
    mend()
    if heals:
        wait_until(lambda: is_rolled_out(stack, before), "the pods to heal")
    healed = is_rolled_out(stack, before)
    log = stack.region.folder / "state/provider.log"
    written = log.stat().st_size
    mended = stack.region.up()
    wait_until(lambda: is_rolled_out(stack, before), "the old pods to go")
    return Failure(
        failed=failed,
        warnings=warnings,
        in_state=next((r for r in state if text(r, "type") == TYPE), dict[str, Json]()),
        helm_status=status,
        kept=kept,
        waiting=waiting,
        healed_by_itself=healed,
        certificates=certificates,
        mended=mended,
        served=served(log.read_bytes()[written:].decode()),
        certificates_after=certificates_in_force(stack.region),
        ready=len(stack.ready()),
        helm_status_after=helm_status(stack),
    )


def is_rolled_out(stack: OnCluster, before: frozenset[str]) -> bool:
    """Whether all pods are ready, and none is from before."""
    ready = stack.ready()
    return len(ready) == REPLICAS and ready == set(stack.pods()) and not ready & before


def helm_status(stack: OnCluster) -> str:
    return text(record(stack.revisions()[-1], "info"), "status")


def up_while(stack: OnCluster, break_: Callable[[], object]) -> Result:
    """An `up` that goes wrong when the engine comes to the release; the kubelet looks at no pod before."""
    began = threading.Event()

    def see(event: dict[str, Json]) -> None:
        if text(record(record(event, "resourcePreEvent"), "metadata"), "type") == TYPE and not began.is_set():
            began.set()
            break_()
            if not stack.kubelet.is_running:
                stack.kubelet.start()

    return stack.region.engine.up(observer=see)


def remove_association(region: Region) -> None:
    found = records(region.call("eks", "ListPodIdentityAssociations", clusterName=CLUSTER), "associations")
    identity = text(found[0], "associationId")
    region.call("eks", "DeletePodIdentityAssociation", clusterName=CLUSTER, associationId=identity)


def refresh_only(region: Region, name: str) -> None:
    """Refresh one resource: what the state says of the others, such as that the release failed, stays."""
    succeeded(region.engine.refresh("--target", f"**::{name}"))


def role(region: Region) -> str:
    roles = records(region.call("iam", "ListRoles"), "Roles")
    return next(name for each in roles if (name := text(each, "RoleName")).startswith("maestro"))


def take_rights(region: Region) -> dict[str, Json]:
    """Returns the policy that the role had."""
    policy: dict[str, Json] = {"RoleName": role(region), "PolicyName": ROLE_POLICY}
    document = record(region.call("iam", "GetRolePolicy", **policy), "PolicyDocument")
    region.call("iam", "DeleteRolePolicy", **policy)
    return policy | {"PolicyDocument": json.dumps(document)}


def write_without_port(region: Region) -> None:
    found = text(region.call("secretsmanager", "GetSecretValue", SecretId=DATABASE_SECRET), "SecretString")
    content = {key: value for key, value in json.loads(found).items() if key != "port"}
    region.call(
        "secretsmanager", "PutSecretValue", SecretId=DATABASE_SECRET, SecretString=json.dumps(content)
    )


def settings(*, tag: str = "1", certificate: str = "", **values: Json) -> dict[str, object]:
    """The stack's configuration. Another image tag, or rotation of the certificate, replaces the pods."""
    server = {"image": {"tag": tag * 40}, "values": values}
    return config(server=server, rotation={"certificate": certificate})


def certificates_in_force(region: Region) -> int:
    """How many certificates a pod could use: active, and with our policy attached."""
    active = [
        text(each, "certificateArn")
        for each in records(region.call("iot", "ListCertificates"), "certificates")
        if text(each, "status") == "ACTIVE"
    ]
    targets = texts(region.call("iot", "ListTargetsForPolicy", policyName="maestro-server"), "targets")
    return len(set(active) & set(targets))


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that went wrong, in order."""

    failures: Mapping[str, Failure]
    taken_back: tuple[str, Json]
    """Helm's status of the release, and the pods' node selector, after a failed addition was taken back."""
    changes_at_the_end: Mapping[str, str]
    """What a preview would then change."""


@pytest.fixture(scope="module")
def story(
    emulation: Emulation, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Story:
    return once(tmp_path_factory, "repairs", lambda folder: tell(emulation, control_plane, folder))


def tell(emulation: Emulation, control_plane: ControlPlane, folder: Path) -> Story:
    done: dict[str, Failure] = {}
    program = str(ROOT / "tests/cluster/impatient.py")
    with on_cluster(
        emulation, control_plane, folder / "region", settings(), kubelet=False, program=program
    ) as stack:
        region = stack.region
        done["association"] = fail(stack, lambda: remove_association(region), region.refresh, heals=False)
        rights = take_rights(region)
        region.configure(settings(tag="2"))
        done["rights"] = fail(
            stack, lambda: None, lambda: region.call("iam", "PutRolePolicy", **rights), heals=True
        )
        write_without_port(region)
        region.configure(settings(tag="2", certificate="2026-11"))
        done["port"] = fail(
            stack, lambda: None, lambda: refresh_only(region, "db-credentials-*"), heals=False
        )
        taken_back = add_and_take_back(stack)
        return Story(failures=done, taken_back=taken_back, changes_at_the_end=region.preview().changes)


def add_and_take_back(stack: OnCluster) -> tuple[str, Json]:
    """Add a node selector that no node has, and take it back as the document says."""
    region, before = stack.region, stack.region.settings
    selector: Json = {"nodeSelector": {"example.com/none": "here"}}
    region.configure(settings(tag="2", certificate="2026-11", deployment=selector))
    assert not region.engine.up().succeeded
    region.configure(before)
    *by_hand, last = sections(OPERATING)["When the pods don't get ready"][1].split("\n")[:-1]
    assert last == "pulumi up"
    run(region, "\n".join(by_hand))
    region.up()
    deployment = stack.api.call("GET", f"/apis/apps/v1/namespaces/{OURS}/deployments/maestro")
    pod = record(record(record(deployment, "spec"), "template"), "spec")
    return helm_status(stack), pod.get("nodeSelector")


CASES: Mapping[str, str] = {
    "association": NO_ASSOCIATION,
    "rights": NOT_FETCHED + CERTIFICATE_SECRET,
    "port": NOT_FETCHED + DATABASE_SECRET,
}
"""By what is wrong: the words of the AWS provider that a person must find."""


@pytest.mark.parametrize(("case", "words"), CASES.items(), ids=CASES)
def test_up_fails_and_the_documents_command_says_which_mount_failed_and_why(
    story: Story, case: str, words: str
) -> None:
    failure = story.failures[case]
    said = "\n".join(failure.failed.diagnostics)
    assert "failed to initialize completely" in said
    assert "context deadline exceeded" in said
    assert FAILED_MOUNT in failure.warnings
    assert words in failure.warnings
    assert failure.waiting
    assert set(failure.waiting) == {"Pending"}


@pytest.mark.parametrize("case", CASES)
def test_the_release_is_kept_as_partly_made(story: Story, case: str) -> None:
    failure = story.failures[case]
    assert failure.helm_status == "failed"
    assert failure.in_state["id"] == f"{OURS}/maestro-server"
    assert failure.in_state["initErrors"]
    assert [step.name for step in failure.failed.steps if step.failed] == ["release-regional-xyz"]


@pytest.mark.parametrize("case", ["rights", "port"])
def test_the_pods_that_ran_before_run_on(story: Story, case: str) -> None:
    assert len(story.failures[case].kept) == REPLICAS


def test_pods_heal_by_themselves_when_what_is_wrong_is_mended_by_hand(story: Story) -> None:
    assert story.failures["rights"].healed_by_itself


def test_up_repairs_a_release_whose_trouble_was_mended_by_hand(story: Story) -> None:
    mended = story.failures["rights"]
    assert mended.mended.changes == {RELEASE: "update"}
    assert (mended.ready, mended.helm_status_after) == (REPLICAS, "deployed")


def test_a_refresh_of_what_is_wrong_alone_lets_up_mend_it_and_the_release(story: Story) -> None:
    mended = story.failures["port"]
    # The failed rotation's old certificate goes now.
    retired = {CERTIFICATE: "delete", ATTACHMENT: "delete"}
    assert mended.mended.changes == {DATABASE_VERSION: "update", RELEASE: "update", **retired}
    assert (mended.ready, mended.helm_status_after) == (REPLICAS, "deployed")


def test_a_rotation_whose_rollout_fails_leaves_both_certificates_in_force_until_one_succeeds(
    story: Story,
) -> None:
    rotated = story.failures["port"]
    assert rotated.failed.of("create").count(CERTIFICATE.partition(" ")[0]) == 1
    assert (rotated.certificates, rotated.certificates_after) == (2, 1)
    (release,) = [s for s in rotated.served if (s.method, s.resource) == ("Update", RELEASE)]
    deleted = {s.resource: s.begun for s in rotated.served if s.method == "Delete"}
    assert release.ended <= deleted[ATTACHMENT] < deleted[CERTIFICATE]


def test_after_a_refresh_of_all_up_mends_what_is_wrong_and_helm_says_failed_until_the_next_change(
    story: Story,
) -> None:
    """The real provider's Read reports no error, and its Diff doesn't look at the release's status.

    Source: pulumi-kubernetes, provider/pkg/provider/helm_release.go. docs/operating.md says so.
    """
    mended = story.failures["association"]
    assert mended.mended.changes == {ASSOCIATION: "create"}
    assert (mended.ready, mended.helm_status_after) == (REPLICAS, "failed")
    assert story.failures["rights"].helm_status_after == "deployed"


def test_a_failed_addition_is_taken_back_by_the_documents_commands(story: Story) -> None:
    assert story.taken_back == ("deployed", {"kubernetes.io/arch": "amd64"})


def test_nothing_is_left_to_change(story: Story) -> None:
    assert story.changes_at_the_end == {}
