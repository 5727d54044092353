"""An `up` that meets a fault, and the way from there to the state after an undisturbed one."""

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import tools
from common.json_values import Json, record, records, text
from emulator.aws.cloud import DEFAULT_ACCOUNT
from emulator.client import Emulation
from emulator.executables import write_plugins
from emulator.world import World
from engine.driver import EngineError, Result
from engine.kill import kill
from engine.programs import WritePlugins
from tests.engine.attached import Attached
from tests.engine.conftest import CLUSTER, Region, config
from tests.faults import recovery
from tests.faults.accounts import idle_certificates, inventory, outgoing_rules, without_generated

KUBERNETES = "kubernetes"
_TYPES_OF_KUBERNETES = f"{KUBERNETES}:"
_READS = ("Describe", "Get", "List", "get ", "list ", "watch ")

_WRAPPER = """#!{python}
# Tells the emulated AWS the engine's process id before there is an engine.
import json, os, sys, urllib.request

plan = {plan!r}
if "up" in sys.argv:
    with open({pid!r}, "w") as file:
        file.write(str(os.getpid()))
if "up" in sys.argv and os.path.exists(plan):
    with open(plan) as file:
        faults = json.load(file)
    os.unlink(plan)
    content = json.dumps([dict(fault, pid=os.getpid()) for fault in faults]).encode()
    request = urllib.request.Request({url!r} + "/_rehearsal/faults", method="PUT", data=content)
    urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).close()
os.execv({pulumi!r}, sys.argv)
"""


class Call(NamedTuple):
    """One call of an `up`: the `nth` of its operation."""

    service: str
    operation: str
    """AWS's name; for an API server, verb and path: `patch /api/v1/namespaces/{name}`."""
    nth: int

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return not self.operation.startswith(_READS)

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}:{self.nth}"


def numbered(made: Iterable[tuple[str, str]]) -> list[Call]:
    """Calls by service and operation, those of each operation numbered."""
    seen = Counter[tuple[str, str]]()
    calls: list[Call] = []
    for each in made:
        seen[each] += 1
        calls.append(Call(*each, seen[each]))
    return sorted(calls)


class Outcome(NamedTuple):
    """A stack that has come to rest."""

    resources: list[str]
    outputs: dict[str, Json]
    inventory: list[str]


class Disturbed:
    """A development stack in an emulated AWS of its own, whose `up` can meet faults."""

    def __init__(
        self,
        emulation: Emulation,
        folder: Path,
        *,
        world: Callable[[World], World] = lambda world: world,
        environment: Mapping[str, str] | None = None,
        attached: Attached | None = None,
        plugins: WritePlugins = write_plugins,
        program: str = "__main__.py",
    ) -> None:
        """Without `attached`, a kill of the engine ends its providers, too."""
        pulumi = tools.find("pulumi")
        assert pulumi is not None
        self.emulation = emulation
        folder.mkdir(parents=True, exist_ok=True)
        self._plan = folder / "faults.json"
        self._pid = folder / "pid"
        wrapper = folder / "pulumi"
        content = _WRAPPER.format(
            python=sys.executable,
            plan=str(self._plan),
            pid=str(self._pid),
            url=emulation.url,
            pulumi=str(pulumi),
        )
        wrapper.write_text(content)
        wrapper.chmod(0o755)
        self.region = Region(
            emulation,
            folder / "region",
            DEFAULT_ACCOUNT,
            config(),
            pulumi=wrapper,
            world=world,
            environment=environment,
            attached=attached,
            plugins=plugins,
            program=program,
        )

    # --- disturb it ---------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        """The calls of an undisturbed `up`."""
        self.emulation.clear_calls()
        self.region.up()
        return numbered((call["service"], call["operation"]) for call in self.emulation.calls())

    def inject(self, faults: Iterable[Mapping[str, Json]]) -> None:
        """Put faults in force, in place of earlier ones."""
        self.emulation.inject(faults)

    def end_faults(self) -> None:
        """End the faults, each of which must have been met."""
        faults = self.emulation.faults()
        assert all(fault["fired"] for fault in faults), faults
        self.emulation.inject([])

    def up(self, *faults: Mapping[str, Json]) -> Result:
        """An `up` that must meet each of the faults at least once; they end with it."""
        self.inject(faults)
        result = self.region.engine.up()
        self.end_faults()
        return result

    def killed_up(self, call: Call, when: str) -> None:
        """An `up` whose engine gets SIGKILL at a call."""
        self.inject_kill({**call._asdict(), "effect": "kill", "when": when})
        with suppress(EngineError):  # killed before it has done anything
            assert not self.region.engine.up().succeeded
        self.end_faults()
        self._mend_state()

    def inject_kill(self, fault: Mapping[str, Json]) -> None:
        """Put a fault in force that kills the engine of the next `up`."""
        self._plan.write_text(json.dumps([fault]))

    def engine_pid(self) -> int:
        """The engine's pid in the `up` that runs, or ran last."""
        return int(self._pid.read_text())

    def killed_when(self, executed: Counter[str]) -> None:
        """An `up` whose engine gets SIGKILL when these calls (`service:Operation`) have been executed.

        It never sees their answers.
        """
        self.emulation.clear_calls()
        self.emulation.delay(dict.fromkeys(executed, 120.0))
        missing: list[Counter[str]] = []
        killer = threading.Thread(target=lambda: missing.append(self._kill_when(executed)))
        killer.start()
        with suppress(EngineError):
            assert not self.region.engine.up().succeeded
        killer.join()
        self.emulation.delay({})
        assert missing == [Counter()], missing
        self._mend_state()

    def _mend_state(self) -> None:
        """Remove what a kill leaves half-written beside the state, by the document's command."""
        (remove,) = recovery.sections()["An empty attributes file"]
        recovery.run(self.region, remove, BACKEND=str(self.region.folder / "state" / "backend"))

    def _kill_when(self, executed: Counter[str]) -> Counter[str]:
        """Returns those that weren't executed in time."""
        deadline = time.monotonic() + 60
        while missing := executed - Counter(
            f"{c['service']}:{c['operation']}" for c in self.emulation.calls()
        ):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        kill(self.engine_pid())
        return missing

    # --- and go on as docs/recovery.md says ---------------------------------------------------------

    def pending(self) -> dict[str, Json]:
        """The pending creations, as the document's command writes them for `pulumi import`."""
        recovery.run(self.region, recovery.sections()["After a kill"][2])
        content: dict[str, Json] = json.loads(self._imports.read_text())
        return content

    def recover(self) -> list[str]:
        """After a kill: cancel, import what exists, clear the rest; returns the types of what existed."""
        wait, cancel, _, refresh, import_, _ = recovery.sections()["After a kill"]
        recovery.run(self.region, wait)
        recovery.run(self.region, cancel)
        pending = self.pending()
        self.free_release()
        found = [(r, self.find(text(r, "type"), text(r, "name"))) for r in records(pending, "resources")]
        made = [{**r, "id": id_} for r, id_ in found if id_]
        self._imports.write_text(json.dumps({**pending, "resources": made}))
        recovery.run(self.region, refresh)
        if made:
            recovery.run(self.region, import_)
        return [str(r["type"]) for r in made]

    def find(self, type_: str, name: str) -> str:
        """The id of what a pending creation made; empty if it made nothing, or is to be cleared."""
        command = recovery.by_type()[type_].find
        if command is None:
            return ""
        if type_.startswith(_TYPES_OF_KUBERNETES):
            return self.find_in_cluster(type_, command)
        return recovery.run(self.region, command, NAME=name)

    def find_in_cluster(self, type_: str, command: str) -> str:  # noqa: ARG002 there is no program to run
        """What the document's `kubectl` and `helm` would print about the cluster in memory."""
        kind = type_.rpartition(":")[2]
        # The chart's Deployment stands for its release.
        sought, name, id_ = {
            "Namespace": ("Namespace", "maestro", "maestro"),
            "ConfigMap": ("ConfigMap", "bootstrap-output", "kube-system/bootstrap-output"),
            "Release": ("Deployment", "maestro", "maestro/maestro-server"),
        }[kind]
        there = [(o["kind"], text(record(o, "metadata"), "name")) for o in self.region.objects()]
        return id_ if (sought, name) in there else ""

    def remove(self, type_: str, name: str) -> None:
        """Remove what was created but never recorded."""
        command = recovery.by_type()[type_].remove
        assert command is not None, type_
        if type_.startswith(_TYPES_OF_KUBERNETES):
            self.remove_from_cluster(type_, command)
        else:
            recovery.run(self.region, command, NAME=name)

    def remove_from_cluster(self, type_: str, command: str) -> None:
        """Remove it as the document's `kubectl` and `helm` would."""
        state: Json = {"id": self.find_in_cluster(type_, command), "outputs": {}}
        cluster = self.region.cloud().arn("eks", f"cluster/{CLUSTER}")
        self.emulation.kubernetes({"cluster": cluster, "operation": "delete", "type": type_, "state": state})

    def free_release(self) -> bool:
        """Whether Helm was cut off and the release had to be freed; in memory there is no Helm to cut off."""
        return False

    def remove_idle_certificates(self) -> list[str]:
        """List the certificates that nothing uses, and remove them, by the document's commands."""
        if not idle_certificates(self.region):
            return []
        list_them, remove = recovery.sections()["Orphaned certificates"]
        found = recovery.run(self.region, list_them).split()
        assert sorted(found) == sorted(idle_certificates(self.region))
        for arn in found:
            recovery.run(self.region, remove, ID=arn.rpartition("/")[2])
        return found

    def revoke_leftover_rules(self) -> None:
        """Revoke what AWS lets leave a new security group, if the provider didn't get to that."""
        if not outgoing_rules(self.region):
            return
        recovery.run(self.region, recovery.sections()["Just again"][1])

    # --- the outcome ----------------------------------------------------------------------------------

    def outcome(self) -> Outcome:
        """Everything that two stacks built from the same configuration have in common."""
        deployment = record(self._state(), "latest")
        assert not deployment.get("pending_operations"), deployment["pending_operations"]
        resources = records(deployment, "resources")
        assert not [r["urn"] for r in resources if r.get("initErrors")]
        described = [
            f"{r['urn']} {json.dumps(r.get('inputs'), sort_keys=True)} {r.get('protect', False)}"
            for r in resources
        ]
        # The release's revision counts how often it was repaired.
        (stack,) = [r for r in resources if r["type"] == "pulumi:pulumi:Stack"]
        outputs = {k: v for k, v in record(stack, "outputs").items() if k != "maestro_release_revision"}
        settled = json.loads(without_generated(json.dumps(outputs)))
        found = inventory(self.region, self.objects())
        return Outcome(sorted(map(without_generated, described)), settled, found)

    def objects(self) -> Iterable[Mapping[str, Json]]:
        """What is in the cluster, without what differs between runs."""
        return self.region.objects()

    def assert_settled(self, undisturbed: Outcome) -> None:
        """It is as if nothing had happened, and nothing is left to do."""
        mine = self.outcome()
        found = [
            *_difference(mine.inventory, undisturbed.inventory),
            *_difference(mine.resources, undisturbed.resources),
        ]
        assert not found, "\n".join(found)
        assert mine.outputs == undisturbed.outputs
        assert self.region.preview().changes == {}

    @property
    def _imports(self) -> Path:
        return self.region.folder / "state/project/pending.json"

    def _state(self) -> dict[str, Json]:
        folder = self.region.folder / "state/backend/.pulumi/stacks"
        (file,) = folder.rglob(f"{self.region.name}.json")
        content: dict[str, Json] = json.loads(file.read_text())
        return record(content, "checkpoint")


def _difference(mine: list[str], theirs: list[str]) -> list[str]:
    """What only one of them has, each with its count."""
    ours, others = Counter(mine), Counter(theirs)
    return [f"too many: {line}" for line in ours - others] + [f"missing: {line}" for line in others - ours]


def is_locked(region: Region) -> bool:
    """Whether the engine refuses to work on the stack because of a lock."""
    try:
        region.engine.up()
    except EngineError as refused:
        return "currently locked" in str(refused)
    return False
