"""The program on the real engine, compared with a flat program, with its critical path, and with its peer.

The peer is what the program replaces: `terraform apply` for everything in AWS, then `helm install`
(docs/from-terraform.md). It isn't run but calculated, in its favour: with the same latencies and the same
parallelism, no time for the tools themselves, and none for passing values from one to the other.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import tools
from benchmarks import ROOT
from benchmarks.critical_path import Chain, Resource, critical_path, resources
from benchmarks.latencies import SCALE, TABLE, played, seconds
from benchmarks.report import BenchmarkError, line
from benchmarks.stacks import FLAT, OURS, Place, Places, rotated
from common.json_values import Json, record, text
from emulator.client import Emulation
from engine.driver import Engine
from engine.events import Step

RUNS = 10
EXTRA_SECONDS, MAKESPAN_SECONDS = 0.3, 5.0
RELEASE = "kubernetes:helm.sh/v3:Release"
_MAKING = frozenset({"create", "create-replacement"})


def measure(environment: Mapping[str, str]) -> bool:
    """Print the engine's figures; returns whether each meets its goal.

    `environment` is for the processes in which programs are timed. Raises BenchmarkError.
    """
    pulumi = tools.find("pulumi")
    if pulumi is None:
        print("engine: skipped, since no pulumi was found: install Pulumi, or build it with `make tools`")
        return True
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as kept:
        folder = Path(kept)
        with Emulation.start(folder / "aws.state") as emulation:
            places = Places(emulation, folder, pulumi)
            good = _against_flat(places, environment)
        # A new process: one that holds 22 accounts takes longer to save the changes of each call.
        with Emulation.start(folder / "paced.state") as emulation:
            place = Places(emulation, folder / "paced", pulumi).new()
            return _against_critical_path(emulation, place) and good


# --- our program and a flat one, without latencies -----------------------------------------------------


def _against_flat(places: Places, environment: Mapping[str, str]) -> bool:
    flat, ours = places.new(), places.new()  # these two only warm up
    _timed(flat, FLAT, environment)
    _timed(ours, OURS, environment)
    _require_same_resources(flat.engine(FLAT), ours.engine(OURS))
    pairs = [
        (_timed(places.new(), FLAT, environment), _timed(places.new(), OURS, environment))
        for _ in range(RUNS)
    ]
    good: list[bool] = []
    for index, what in enumerate(("preview", "up")):
        line(f"flat program on the engine, {what}", median(flat[index] for flat, _ in pairs))
        line(f"our program on the engine, {what}", median(ours[index] for _, ours in pairs))
        # The difference per pair: other load on the machine slows both of a pair.
        extra = median(ours[index] - flat[index] for flat, ours in pairs)
        good.append(line("  more than the flat one", extra, limit=EXTRA_SECONDS))
    return all(good)


def _timed(place: Place, program: str, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds of a preview and of an `up` of a stack that doesn't exist yet, each in a process of its own."""

    def told(operation: str) -> float:
        command = [sys.executable, "-m", "benchmarks.operation", str(place.folder), program, operation]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, stdout=subprocess.PIPE, text=True
        )
        if done.returncode:
            raise BenchmarkError(f"{operation} of {program} failed")
        return float(done.stdout)

    return told("preview"), told("up")


def _require_same_resources(flat: Engine, ours: Engine) -> None:
    def types(engine: Engine) -> Counter[str]:
        found = Counter(resource.type for resource in resources(engine.export()))
        return Counter({type_: count for type_, count in found.items() if not type_.startswith("maestro:")})

    only_flat, only_ours = types(flat) - types(ours), types(ours) - types(flat)
    if only_flat or only_ours:
        raise BenchmarkError(
            f"{FLAT} declares other resources: it alone {dict(only_flat)}, ours alone {dict(only_ours)}"
        )


# --- with AWS's latencies, at 1:10 ---------------------------------------------------------------------


def _against_critical_path(emulation: Emulation, place: Place) -> bool:
    emulation.delay(played())
    print(f"With AWS's latencies (benchmarks/latencies.py) played at 1:{SCALE}; seconds of this clock:")
    first = _paced(emulation, place.engine(OURS))
    chain = first.critical_path()
    line("first up", first.makespan)
    line("  its critical path", chain.seconds / SCALE)
    extra = first.makespan - chain.seconds / SCALE
    good = line("  more than the critical path", extra, limit=MAKESPAN_SECONDS)
    print(f"  the path: {_described(chain)}")
    rotation = _paced(emulation, place.engine(OURS, rotated(place.folder)))
    line("certificate rotation, until pods are ready", rotation.ready)
    line("  its critical path", rotation.critical_path(to=RELEASE).seconds / SCALE)
    print(f"  the path: {_described(rotation.critical_path(to=RELEASE))}")
    print("Until pods are ready, against everything in AWS first and Helm after it; AWS's own seconds:")
    for what, paced in (("first up", first), ("certificate rotation", rotation)):
        line(f"{what}, everything first", paced.everything_first)
        line(f"{what}, ours", paced.unscaled)
        line("  everything first, times ours", paced.everything_first / paced.unscaled, unit="x")
    return good


@dataclass(frozen=True, kw_only=True)
class _Paced:
    """An `up` with latencies; measured times are in scaled seconds, calculated ones in AWS's own."""

    makespan: float
    ready: float
    """When the release was done, and therefore its pods ready; measured."""
    waits: Mapping[str, float]
    """By URN, how long this `up` waits for AWS or the cluster."""
    graph: tuple[Resource, ...]

    def critical_path(self, *, to: str | None = None) -> Chain:
        """The critical path of everything, or up to the resource of a type."""
        urn = next(each.urn for each in self.graph if each.type == to) if to else None
        chain = critical_path(self.graph, self._takes, to=urn)
        return replace(chain, urns=tuple(urn for urn in chain.urns if self.waits.get(urn)))

    @property
    def unscaled(self) -> float:
        """Time until pods are ready with AWS unscaled; the engine's share is what was measured on top."""
        chain = self.critical_path(to=RELEASE).seconds
        return chain + self.ready - chain / SCALE

    @property
    def everything_first(self) -> float:
        """The peer's time: the longest path through what is in AWS, then the release."""
        in_aws = [each for each in self.graph if not each.type.startswith("kubernetes:")]
        release = next(each for each in self.graph if each.type == RELEASE)
        return critical_path(in_aws, self._takes).seconds + self._takes(release)

    def _takes(self, resource: Resource) -> float:
        return self.waits.get(resource.urn, 0)


def _paced(emulation: Emulation, engine: Engine) -> _Paced:
    done: list[float] = []

    def observe(event: dict[str, Json]) -> None:
        if text(record(record(event, "resOutputsEvent"), "metadata"), "type") == RELEASE:
            done.append(time.perf_counter() - begun)

    emulation.clear_calls()
    begun = time.perf_counter()
    result = engine.up(observer=observe)
    makespan = time.perf_counter() - begun
    if not result.succeeded or not done:
        raise BenchmarkError(f"up failed, or did nothing to the release:\n{result.text}")
    changes = [step for step in result.steps if step.operation in {*_MAKING, "update"}]
    _require_played(emulation, changes)
    return _Paced(
        makespan=makespan,
        ready=done[0],
        waits={s.urn: seconds(s.type, is_update=s.operation == "update") for s in changes},
        graph=resources(engine.export()),
    )


def _require_played(emulation: Emulation, changes: Iterable[Step]) -> None:
    """Check that AWS got exactly the calls in the table, so that what was calculated is what ran."""
    expected = Counter(
        row.call
        for step in changes
        for row in TABLE
        if (row.type, row.is_update) == (step.type, step.operation == "update")
        and not row.call.startswith("kubernetes:")
    )
    made = Counter(f"{call['service']}:{call['operation']}" for call in emulation.calls())
    found = Counter({call: count for call, count in made.items() if call in played()})
    if found != expected:
        raise BenchmarkError(
            f"benchmarks/latencies.py doesn't fit: by it {dict(expected)}, in fact {dict(found)}"
        )


def _described(chain: Chain) -> str:
    return " > ".join(urn.rpartition("::")[2] for urn in chain.urns)
