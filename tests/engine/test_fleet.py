"""`python -m fleet` as a process: regions in waves on the real engine, with a language host of our own."""

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from common.json_values import Json
from emulator.aws.cloud import DEFAULT_ACCOUNT
from emulator.client import Emulation
from engine.shell import PASSPHRASE
from rehearsal.emulated_fleet import EmulatedFleet
from tests.engine.attached import Attached
from tests.engine.conftest import CLUSTER, Region, config
from tests.engine.preloaded import Preloaded
from tests.faults.disturbed import Disturbed
from tests.faults.recovery import run, sections

SIX = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "ap-south-1", "sa-east-1")
"""The benchmark has twelve."""
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})
"""Somebody else's."""


def fleet_file(*waves: Mapping[str, Any], **more: Json) -> dict[str, Json]:
    """A fleet file of these waves."""
    return {
        "maxConcurrent": 4,
        "waves": [{"name": f"wave-{number}", **wave} for number, wave in enumerate(waves, 1)],
        **more,
    }


class Fleet(EmulatedFleet):
    """An emulated fleet, with what the tests need besides."""

    def result(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit status and what `--json` prints."""
        done = self.run(*arguments, "--json")
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    def call(self, stack: str, service: str, operation: str, **parameters: Json) -> dict[str, Json]:
        """An API call in a region, behind the program's back."""
        return self.emulation.cloud(stack, self.account).call(service, operation, parameters)

    def made(self) -> Counter[tuple[str, str]]:
        """How often each creating call was executed, by region and operation; status 0 is a lost answer."""
        return Counter(
            (call["region"], call["operation"])
            for call in self.emulation.calls()
            if call["operation"].startswith("Create") and call["status"] in (0, 200)
        )

    def as_region(self, stack: str, folder: Path) -> Region:
        """One stack by itself, for work by hand."""
        state = folder / "state"
        (state / "project").mkdir(parents=True)
        (state / "backend").symlink_to(self.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
        shutil.copy(self.checkout / f"Pulumi.{stack}.yaml", state / "project")
        return Region(
            self.emulation, folder, self.account, config(stack), name=stack, build=False,
            environment={"PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
        )  # fmt: skip


class CutOff(Disturbed):
    """A stack whose engine was killed, to be recovered as docs/recovery.md says."""

    def __init__(self, region: Region) -> None:
        self.emulation = region.emulation
        self.region = region


_accounts = itertools.count(400_000_000_000)
NewFleet = Callable[..., Fleet]


@pytest.fixture(scope="module")
def preloaded() -> Iterator[Preloaded]:
    with Preloaded() as running:
        yield running


@pytest.fixture
def fleet(emulation: Emulation, preloaded: Preloaded, tmp_path: Path) -> Iterator[NewFleet]:
    """Make a fleet that isn't built yet."""
    with Attached() as attached:

        def new(content: Mapping[str, Json], account: str | None = None) -> Fleet:
            account = account or str(next(_accounts))
            made = Fleet(emulation, tmp_path, content, account=account, more=attached.variables)
            made.environment["PATH"] = f"{preloaded.folder}{os.pathsep}{made.environment['PATH']}"
            made.build_worlds()
            attached.heed(made.environment)
            return made

        yield new


def outcomes(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """The stacks by their outcome."""
    found: dict[str, list[str]] = {}
    for region in result["regions"]:
        found.setdefault(region["outcome"], []).append(region["stack"])
    return found


def test_a_fleet_of_six_survives_a_failure_and_a_kill_and_leaves_nothing(
    fleet: NewFleet, tmp_path: Path
) -> None:
    waves = SIX[:1], SIX[1:3], SIX[3:5], SIX[5:]
    several = fleet(
        fleet_file(
            {"stacks": list(waves[0])},
            {"stacks": list(waves[1]), "failureTolerancePercentage": 50},
            {"stacks": list(waves[2])},
            {"stacks": list(waves[3])},
        ),
        account=DEFAULT_ACCOUNT,  # the one that the `aws` command's credentials belong to
    )
    theirs, killed_at = waves[1][0], 1 + 1 + 2  # what AWS refuses there never gets to its database
    several.call(theirs, "iot", "CreatePolicy", policyName="maestro-server", policyDocument=POLICY)
    several.emulation.clear_calls()

    # The region whose IoT policy is somebody else's fails; the wave tolerates one. Then the machine dies.
    process = several.start("up", "--yes", "--json")
    fault = {"service": "rds", "operation": "CreateDBInstance", "nth": killed_at}
    several.emulation.inject([{**fault, "when": "after", "effect": "kill", "pid": process.pid}])
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == -signal.SIGKILL, stderr
    several.emulation.inject([])
    assert f"{theirs}: failed" in stderr
    # What a kill may leave half-written beside a state is removed by the document's command.
    (remove,) = sections()["An empty attributes file"]
    backend = several.environment["PULUMI_BACKEND_URL"].removeprefix("file://")
    run(several.as_region(theirs, tmp_path / "mending"), remove, BACKEND=backend)

    # What was cut off is named before anything starts.
    status, refused = several.result("up", "--yes")
    assert (status, refused["result"]) == (1, "failed")
    cut_off = {problem["key"] for problem in refused["problems"]}
    assert cut_off
    assert cut_off <= set(waves[2])
    assert {each["outcome"] for each in refused["regions"]} == {"not reached"}
    for stack in cut_off:
        CutOff(several.as_region(stack, tmp_path / stack)).recover()
    several.call(theirs, "iot", "DeletePolicy", policyName="maestro-server")

    # Run again, it goes on where it stopped.
    status, resumed = several.result("up", "--yes")
    assert status == 0, resumed
    assert outcomes(resumed).keys() == {"unchanged", "done"}
    assert set(outcomes(resumed)["unchanged"]) >= {*waves[0], *waves[1][1:]}
    assert set(outcomes(resumed)["done"]) >= {theirs, *cut_off, *waves[3]}
    made = several.made()
    once = {operation: made[waves[3][0], operation] for _, operation in made}
    twice = {call for call, count in made.items() if count > once[call[1]]}
    # A certificate that was cut off can't be imported; all else ran once.
    assert twice <= {(stack, "CreateKeysAndCertificate") for stack in cut_off}

    assert several.result("drift")[0] == 0
    secret = f"{CLUSTER}/maestro/db-credentials"
    several.call(waves[3][0], "secretsmanager", "UpdateSecret", SecretId=secret, Description="theirs")
    status, drifted = several.result("drift", "--stack", waves[2][0], "--stack", waves[3][0])
    assert (status, outcomes(drifted)) == (1, {"drifted": [waves[3][0]], "unchanged": [waves[2][0]]})

    status, destroyed = several.result("destroy", "--yes")
    assert (status, outcomes(destroyed)) == (0, {"done": list(SIX)})
    for stack in SIX:
        left = several.as_region(stack, tmp_path / "left" / stack).leftovers()
        assert len(left) == sum(stack == cut for cut, _ in twice), left
        assert all(each.startswith("iot ") for each in left)


EAST, WEST, EU = SIX[0], SIX[2], SIX[3]


def test_a_failing_canary_stops_the_rollout_and_the_untouched_regions_are_listed(fleet: NewFleet) -> None:
    two = fleet(fleet_file({"stacks": [EAST]}, {"stacks": [WEST]}))
    two.call(EAST, "iot", "CreatePolicy", policyName="maestro-server", policyDocument=POLICY)
    two.emulation.clear_calls()
    status, result = two.result("up", "--yes")
    assert (status, outcomes(result)) == (1, {"failed": [EAST], "not reached": [WEST]})
    assert f"not touched: {WEST}" in result["next"]
    assert any("python -m fleet up --yes --json" in step for step in result["next"])
    failed = result["regions"][0]
    assert "mqtt.sourceId" in failed["remedies"][0]["do"]
    assert Path(failed["log"]).read_text().startswith("$ pulumi preview --stack us-east-1")
    assert not [call for call, _ in two.made() if call == WEST]


def test_what_keeps_stacks_from_starting_is_reported_for_all_before_anything_happens(fleet: NewFleet) -> None:
    two = fleet(fleet_file({"stacks": [EAST]}, {"stacks": [WEST]}))
    backend = Path(two.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    locks = backend / ".pulumi/locks/organization/maestro-stack" / EAST
    locks.mkdir(parents=True, exist_ok=True)
    held = {"pid": 1, "username": "ann", "hostname": "her-machine", "timestamp": "2026-01-01T00:00:00Z"}
    (locks / "a.json").write_text(json.dumps(held))
    two.pulumi("stack", "rm", WEST, "--yes", "--preserve-config")
    two.emulation.clear_calls()
    status, result = two.result("up", "--yes")
    assert (status, outcomes(result)) == (1, {"not reached": [EAST, WEST]})
    locked, missing = result["problems"]
    assert "ann@her-machine" in locked["problem"]
    assert f"pulumi cancel --yes --stack {EAST}" in locked["example"]
    assert f"pulumi stack init {WEST}" in missing["example"]
    two.environment["PULUMI_BACKEND_URL"] = "file:///nowhere/at/all"
    status, result = two.result("up", "--yes")
    assert status == 1
    (unreachable,) = result["problems"]
    assert unreachable["key"] == "backend"
    assert two.emulation.calls() == []


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it didn't happen"
        time.sleep(0.1)


def _asked_for_databases(of: Fleet, count: int) -> Callable[[], bool]:
    return lambda: sum(call["operation"] == "CreateDBInstance" for call in of.emulation.calls()) >= count


def test_interrupts_let_regions_finish_then_cancel_them_and_protection_stops_a_destroy(
    fleet: NewFleet,
) -> None:
    three = fleet(fleet_file({"stacks": [EAST, WEST, EU]}, maxConcurrent=2))
    three.emulation.delay({"rds:CreateDBInstance": 5})
    three.emulation.clear_calls()

    process = three.start("up", "--yes", "--json")
    _until(_asked_for_databases(three, 2))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    result = json.loads(stdout)
    assert (process.returncode, result["result"]) == (130, "interrupted"), stderr
    assert outcomes(result) == {"done": [EAST, WEST], "not reached": [EU]}
    assert "no further region begins" in stderr

    process = three.start("up", "--yes", "--json")
    _until(_asked_for_databases(three, 3))
    process.send_signal(signal.SIGINT)
    _until_said(process, "interrupted:")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    result = json.loads(stdout)
    assert process.returncode == 130, stderr
    assert outcomes(result) == {"unchanged": [EAST, WEST], "interrupted": [EU]}
    three.emulation.delay({})

    # What was under way was waited for, so nothing is in doubt.
    status, result = three.result("status")
    assert [region["pending"] for region in result["regions"]] == [[], [], []]

    exported = three.pulumi("stack", "export", "--stack", WEST)
    urns = re.findall(r'"urn": "([^"]*secretVersion:SecretVersion[^"]*)"', exported)
    three.pulumi("state", "protect", urns[0], "--yes", "--stack", WEST)
    three.emulation.clear_calls()
    status, result = three.result("destroy", "--yes")
    assert (status, outcomes(result)) == (1, {"not reached": [EAST, WEST, EU]})
    (problem,) = result["problems"]
    assert problem["key"] == WEST
    assert "SecretVersion" in problem["problem"]
    assert three.emulation.calls() == []


def test_a_backend_that_goes_away_in_the_middle_fails_the_regions_under_way_and_no_further_one_begins(
    fleet: NewFleet, tmp_path: Path
) -> None:
    two = fleet(fleet_file({"stacks": [EAST]}, {"stacks": [WEST]}))
    backend = Path(two.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    two.emulation.delay({"rds:CreateDBInstance": 3})
    two.emulation.clear_calls()
    process = two.start("up", "--yes", "--json")
    _until(_asked_for_databases(two, 1))
    backend.rename(tmp_path / "away")
    backend.write_text("a folder that is gone would be made anew")
    stdout, stderr = process.communicate(timeout=100)
    two.emulation.delay({})
    result = json.loads(stdout)
    assert process.returncode == 1, stderr
    assert outcomes(result) == {"failed": [EAST], "not reached": [WEST]}
    assert "Traceback" not in stderr


def test_a_release_that_cannot_be_read_after_the_soak_stops_the_rollout_and_a_soak_goes_on_when_run_again(
    fleet: NewFleet,
) -> None:
    waves: list[dict[str, Any]] = [{"stacks": [EAST], "soak": "3s"}, {"stacks": [WEST]}]
    two = fleet(fleet_file(*waves))
    process = two.start("up", "--yes", "--json")
    _until_said(process, f"{EAST}: soaking")
    fault = {"service": "kubernetes", "operation": "read", "times": 1000, "effect": "unavailable"}
    two.emulation.inject([fault])
    stdout, _ = process.communicate(timeout=60)
    two.emulation.inject([])
    assert (process.returncode, outcomes(json.loads(stdout))) == (
        1,
        {"failed": [EAST], "not reached": [WEST]},
    )

    two.configure(fleet_file({**waves[0], "soak": "1h"}, waves[1]))
    process = two.start("up", "--yes", "--json")
    _until_said(process, f"{EAST}: soaking")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert outcomes(json.loads(stdout)) == {"unchanged": [EAST], "not reached": [WEST]}


def test_a_key_is_set_in_the_stacks_of_a_wave_and_the_rest_of_their_files_stays(fleet: NewFleet) -> None:
    two = fleet(fleet_file({"stacks": [EAST]}, {"stacks": [WEST]}))
    files = {stack: two.checkout / f"Pulumi.{stack}.yaml" for stack in (EAST, WEST)}
    theirs = '  # which one is allowed\n  aws:allowedAccountIds: ["012345678901"]\n'
    for file in files.values():
        file.write_text(file.read_text().replace("config:\n", f"config:\n{theirs}"))
    untouched = files[WEST].read_text()

    replicas = "maestro-stack:server.replicas"
    status, result = two.result("set", "--path", replicas, "3", "--wave", "wave-1")
    assert (status, outcomes(result)) == (0, {"done": [EAST]})
    assert "# which one is allowed" in files[EAST].read_text()
    assert '"012345678901"' in files[EAST].read_text()
    assert "replicas: 3" in files[EAST].read_text()
    assert files[WEST].read_text() == untouched

    status, result = two.result("set", "--path", replicas, "-1")
    assert (status, result["result"]) == (2, "unusable")
    assert [problem["key"] for problem in result["problems"]] == ["server.replicas"] * 2
    assert [problem["where"].partition(":")[0] for problem in result["problems"]] == [
        f"Pulumi.{stack}.yaml" for stack in (EAST, WEST)
    ]
    assert f"{replicas} is set in {EAST}, {WEST}, but" in two.run("set", "--path", replicas, "-1").stderr

    two.pulumi("stack", "rm", WEST, "--yes", "--preserve-config")
    status, result = two.result("set", "--path", replicas, "2", "--stack", WEST)
    assert (status, outcomes(result)) == (1, {"failed": [WEST]})
    assert f"no stack named '{WEST}' found" in "".join(result["regions"][0]["messages"])


def _until_said(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stderr
    assert any(words in line for line in process.stderr), f"it ended without {words}"
