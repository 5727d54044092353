"""Rotation on the real engine and API server, judged by AWS's call log, the mounts and the pods.

One production stack, in which changes of the database wait for the maintenance window, rotates the
certificate, then the password, then both; what happened is recorded, and each test looks at it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pytest

from common.json_values import flag, record, records, text
from controlplane import ControlPlane
from emulator.client import Emulation, LoggedCall
from rehearsal.kubelet import MountedPod
from tests.cluster.objects import CLUSTER, wait_until
from tests.cluster.stacks import (
    RELEASE,
    REPLICAS,
    Moment,
    OnCluster,
    Served,
    on_cluster,
    rollout_faults,
    served,
)
from tests.engine.conftest import PRODUCTION, Region, config
from tests.rds import is_password_in_force
from tests.sharing import once

DATABASE = f"maestro-{CLUSTER}"
CERTIFICATE_SECRET = f"{CLUSTER}/maestro/server-mqtt-cert"
DATABASE_SECRET = f"{CLUSTER}/maestro/db-credentials"
CERTIFICATE = "aws:iot/certificate:Certificate certificate"
"""The first generation's; a later generation's name has its string as a suffix."""
ATTACHMENT = "aws:iot/policyAttachment:PolicyAttachment policy-attachment"
CERTIFICATE_VERSION = "aws:secretsmanager/secretVersion:SecretVersion server-mqtt-cert-regional-xyz"
DATABASE_VERSION = "aws:secretsmanager/secretVersion:SecretVersion db-credentials-regional-xyz"
INSTANCE = "aws:rds/instance:Instance instance"
LONGEST_WINDOW = 30.0
"""Seconds, with containers that start at once and an RDS that answers at once."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What the two secrets hold."""

    certificate: str
    """SHA-256 of its PEM, as the kubelet's history has it."""
    password: str


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One `up` that rotates, and what was observed of it."""

    old_generation: str
    """The suffix of the old certificate's name."""
    generation: str
    before: Credentials
    after: Credentials
    calls: list[LoggedCall]
    """All AWS calls in the account, including the kubelet's."""
    served: list[Served]
    old: list[MountedPod]
    new: list[MountedPod]
    ready: frozenset[str]
    """Uids of the pods that were ready before."""
    moments: tuple[Moment, ...]
    changes: Mapping[str, str]

    def at(self, operation: str) -> float:
        """When AWS did it, which must be once."""
        (call,) = [c for c in self.calls if c["operation"] == operation]
        assert call["status"] == 200
        return call["at"]

    def step(self, method: str, resource: str) -> Served:
        """What the engine asked a provider for, which must be once."""
        (step,) = [s for s in self.served if (s.method, s.resource) == (method, resource)]
        return step

    def became_ready(self) -> list[float]:
        """When each new pod became ready."""
        new = {pod.uid for pod in self.new}
        return [min(m.at for m in self.moments if m.uid == uid and m.is_ready) for uid in new]

    def left(self) -> dict[str, float]:
        """When each old pod was told to stop, by uid."""
        old = {pod.uid for pod in self.old}
        return {uid: min(m.at for m in self.moments if m.uid == uid and m.is_leaving) for uid in old}

    def gone(self) -> float:
        """When the last old pod was gone."""
        return max(m.at for m in self.moments if m.is_gone)


@dataclass(frozen=True, kw_only=True)
class Rotations:
    """All of them, and the history of the whole stack's life."""

    by_kind: Mapping[str, Rotation]
    pods: tuple[MountedPod, ...]
    moments: tuple[Moment, ...]
    passwords_in_force: Mapping[str, tuple[bool, bool]]
    """By kind of rotation: whether the old and the new password let one log in after it."""
    waits: bool
    """Whether changes of the database wait for the maintenance window."""


ROTATIONS: Mapping[str, Mapping[str, str]] = {
    "certificate": {"certificate": "2026-11"},
    "database": {"certificate": "2026-11", "database": "2026-11"},
    "both": {"certificate": "2026-12", "database": "2026-12"},
}
"""Each follows the one before."""
OF_CERTIFICATE, OF_DATABASE = ("certificate", "both"), ("database", "both")


def credentials(region: Region) -> Credentials:
    def value(secret: str) -> dict[str, str]:
        answer = region.call("secretsmanager", "GetSecretValue", SecretId=secret)
        return json.loads(text(answer, "SecretString"))

    certificate = value(CERTIFICATE_SECRET)["certificate"]
    return Credentials(
        certificate=hashlib.sha256(certificate.encode()).hexdigest(),
        password=value(DATABASE_SECRET)["password"],
    )


def rotate(stack: OnCluster, keys: Mapping[str, str], old_generation: str) -> Rotation:
    region, log = stack.region, stack.region.folder / "state/provider.log"
    region.configure(config(**PRODUCTION, rotation=dict(keys)))
    before, ready, old = credentials(region), frozenset(stack.ready()), stack.kubelet.mounted
    seen, told, written = len(region.emulation.calls()), len(stack.watch.moments), log.stat().st_size
    changes = region.up().changes
    wait_until(lambda: len(stack.pods()) == REPLICAS, "the old pods to go")
    wait_until(lambda: sum(m.is_gone for m in stack.watch.moments[told:]) == REPLICAS, "word of it")
    calls = [c for c in region.emulation.calls()[seen:] if c["account"] == region.account]
    return Rotation(
        old_generation=old_generation,
        generation=f"-{keys['certificate']}",
        before=before,
        after=credentials(region),
        calls=calls,
        served=served(log.read_bytes()[written:].decode()),
        old=[pod for pod in old if pod.uid in ready],
        new=[pod for pod in stack.kubelet.mounted if pod not in old and pod.uid not in ready],
        ready=ready,
        moments=stack.watch.moments[told:],
        changes=changes,
    )


@pytest.fixture(scope="module")
def rotations(
    emulation: Emulation, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Rotations:
    return once(tmp_path_factory, "rotations", lambda folder: rotate_all(emulation, control_plane, folder))


def rotate_all(emulation: Emulation, control_plane: ControlPlane, folder: Path) -> Rotations:
    with on_cluster(emulation, control_plane, folder / "region", config(**PRODUCTION)) as stack:
        stack.region.up()
        done: dict[str, Rotation] = {}
        in_force: dict[str, tuple[bool, bool]] = {}
        generation = ""
        for kind, keys in ROTATIONS.items():
            done[kind] = rotate(stack, keys, generation)
            generation = done[kind].generation
            cloud = stack.region.cloud()
            in_force[kind] = (
                is_password_in_force(cloud, DATABASE, done[kind].before.password),
                is_password_in_force(cloud, DATABASE, done[kind].after.password),
            )
        exported = record(stack.region.engine.export(), "deployment")
        (instance,) = [
            r for r in records(exported, "resources") if text(r, "type") == "aws:rds/instance:Instance"
        ]
        return Rotations(
            by_kind=done,
            pods=stack.kubelet.mounted,
            moments=stack.watch.moments,
            passwords_in_force=in_force,
            waits=not flag(record(instance, "inputs"), "applyImmediately"),
        )


@pytest.mark.parametrize("kind", OF_CERTIFICATE)
def test_a_new_certificate_may_be_used_before_a_pod_has_it(rotations: Rotations, kind: str) -> None:
    rotation = rotations.by_kind[kind]
    first = min(pod.mounted_at for pod in rotation.new)
    assert rotation.at("CreateKeysAndCertificate") < rotation.at("AttachPolicy") < first
    attached = rotation.step("Create", f"{ATTACHMENT}{rotation.generation}")
    assert attached.ended < rotation.step("Update", RELEASE).begun
    assert rotation.step("Create", CERTIFICATE_VERSION).ended < rotation.step("Update", RELEASE).begun
    assert {pod.files["certificate"] for pod in rotation.new} == {rotation.after.certificate}
    assert rotation.after.certificate != rotation.before.certificate


@pytest.mark.parametrize("kind", OF_CERTIFICATE)
def test_the_old_certificate_goes_when_all_new_pods_are_ready_and_no_old_one_runs(
    rotations: Rotations, kind: str
) -> None:
    rotation = rotations.by_kind[kind]
    assert len(rotation.became_ready()) == len(rotation.left()) == REPLICAS
    assert max(rotation.became_ready()) < rotation.at("DetachPolicy")
    assert max(rotation.left().values()) < rotation.at("DetachPolicy")
    detached = rotation.step("Delete", f"{ATTACHMENT}{rotation.old_generation}")
    assert rotation.step("Update", RELEASE).ended <= detached.begun
    assert rotation.at("DetachPolicy") < rotation.at("UpdateCertificate") < rotation.at("DeleteCertificate")


def test_no_running_pod_ever_has_a_certificate_that_is_not_in_force(rotations: Rotations) -> None:
    """In force: active, and with the policy attached, from AttachPolicy to DetachPolicy."""
    turns = [rotations.by_kind[kind] for kind in OF_CERTIFICATE]
    begins = {turn.after.certificate: turn.at("AttachPolicy") for turn in turns}
    ends = {turn.before.certificate: turn.at("DetachPolicy") for turn in turns}
    left = {moment.uid: moment.at for moment in reversed(rotations.moments) if moment.is_leaving}
    assert len(rotations.pods) == REPLICAS * (1 + len(ROTATIONS))
    for pod in rotations.pods:
        certificate = pod.files["certificate"]
        assert begins.get(certificate, 0) < pod.mounted_at
        assert left.get(pod.uid, float("inf")) <= ends.get(certificate, float("inf"))
        assert certificate in begins.keys() | ends.keys()


def test_no_two_pods_ever_have_one_client_id(rotations: Rotations) -> None:
    assert all(pod.client_id and pod.client_id.startswith("maestro-server-") for pod in rotations.pods)
    for one, other in combinations(rotations.pods, 2):
        assert one.client_id != other.client_id


@pytest.mark.parametrize("kind", ROTATIONS)
def test_pods_are_rolled_one_at_a_time_and_all_stay_served(rotations: Rotations, kind: str) -> None:
    rotation = rotations.by_kind[kind]
    assert len(rotation.new) == len(rotation.old) == REPLICAS
    assert rollout_faults(rotation.moments, ready=rotation.ready) == []


@pytest.mark.parametrize("kind", OF_DATABASE)
def test_a_new_password_is_in_force_before_it_is_handed_out(rotations: Rotations, kind: str) -> None:
    rotation = rotations.by_kind[kind]
    modified, written = rotation.step("Update", INSTANCE), rotation.step("Create", DATABASE_VERSION)
    assert modified.begun < rotation.at("ModifyDBInstance") < modified.ended <= written.begun
    assert written.ended < rotation.step("Update", RELEASE).begun
    digest = hashlib.sha256(rotation.after.password.encode()).hexdigest()
    assert {pod.files["db.password"] for pod in rotation.new} == {digest}


@pytest.mark.parametrize("kind", OF_DATABASE)
def test_a_new_password_never_waits_for_the_maintenance_window(rotations: Rotations, kind: str) -> None:
    assert rotations.waits
    assert rotations.by_kind[kind].before.password != rotations.by_kind[kind].after.password
    assert rotations.passwords_in_force[kind] == (False, True)


@pytest.mark.parametrize("kind", OF_DATABASE)
def test_the_old_password_is_dead_only_until_the_last_old_pod_is_gone(
    rotations: Rotations, kind: str
) -> None:
    """docs/operating.md says what that means, and what makes it longer in a region."""
    rotation = rotations.by_kind[kind]
    assert 0 < rotation.gone() - rotation.at("ModifyDBInstance") < LONGEST_WINDOW


def test_a_rotation_leaves_the_other_credential_alone(rotations: Rotations) -> None:
    of_certificate, of_database = rotations.by_kind["certificate"], rotations.by_kind["database"]
    assert of_certificate.before.password == of_certificate.after.password
    assert of_database.before.certificate == of_database.after.certificate
    for rotation, other in ((of_certificate, DATABASE_SECRET), (of_database, CERTIFICATE_SECRET)):
        assert len({pod.versions[other] for pod in (*rotation.old, *rotation.new)}) == 1
    assert not [each for each in of_database.changes if each.startswith(CERTIFICATE)]
    assert INSTANCE not in of_certificate.changes


def test_both_credentials_take_one_rollout(rotations: Rotations) -> None:
    both = rotations.by_kind["both"]
    assert both.changes[f"{CERTIFICATE}{both.generation}"] == "create"
    assert both.changes[f"{CERTIFICATE}{both.old_generation}"] == "delete"
    assert both.changes[DATABASE_VERSION] == "replace"
    assert both.changes[INSTANCE] == both.changes[RELEASE] == "update"
    assert len(both.new) == REPLICAS
