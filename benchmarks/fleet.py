"""A fleet of twelve regions, four at once, compared with a loop over the CLI; with AWS's latencies at 1:10.

Both do the same: `pulumi up`, preceded by a preview, of the unmodified program, with provider plugins and
language host as processes of each region's own. The loop is really run, not calculated.
"""

import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tools
from benchmarks.latencies import SCALE, played
from benchmarks.report import BenchmarkError, line
from common.json_values import Json
from emulator.client import Emulation
from engine.kill import descendants, parents
from rehearsal.emulated_fleet import EmulatedFleet

REGIONS = (
    *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-west-1", "eu-central-1"),
    *("eu-north-1", "ap-south-1", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "sa-east-1"),
)
AT_ONCE, TIMES_FASTER = 4, 3.0
FILE: Mapping[str, Json] = {
    "maxConcurrent": AT_ONCE,
    "waves": [{"name": "all", "stacks": list(REGIONS)}],
}


def measure() -> bool:
    """Print the fleet's figures; returns whether each meets its goal. Raises BenchmarkError."""
    if tools.find("pulumi") is None:
        print("fleet: skipped, since no pulumi was found: install Pulumi, or build it with `make tools`")
        return True
    print(f"A fleet of {len(REGIONS)}, {AT_ONCE} at once; AWS's latencies played at 1:{SCALE}:")
    with _fleet() as fleet:
        memory = _Memory()
        process = fleet.start("up", "--yes")
        with memory.watching(process.pid):
            begun = time.perf_counter()
            _, said = process.communicate()
            up = time.perf_counter() - begun
        _require(process.returncode, said)
        calls = len(fleet.emulation.calls())
        line("fleet, up", up)
        line("  peak memory of a running region", memory.of_a_region / 2**20, unit="MiB")
        line("  peak memory of the fleet's own process", memory.of_the_driver / 2**20, unit="MiB")
        line("  AWS calls a region", calls / len(REGIONS), unit="")
        fleet.emulation.clear_calls()
        begun = time.perf_counter()
        previewed = fleet.run("preview")
        seconds = time.perf_counter() - begun
        _require(previewed.returncode, previewed.stderr)
        calls = len(fleet.emulation.calls())
        line("fleet, preview of nothing to do, a region", seconds / len(REGIONS))
        line("  AWS calls a region", calls / len(REGIONS), unit="")
    with _fleet() as fleet:
        begun = time.perf_counter()
        for region in REGIONS:
            fleet.pulumi("up", "--yes", "--stack", region)
        loop = time.perf_counter() - begun
    line("loop over the CLI, up", loop)
    return line("  times the fleet's", loop / up, unit="x", least=TIMES_FASTER)


@contextmanager
def _fleet() -> Generator[EmulatedFleet]:
    """A fleet that isn't built yet, in an AWS with latencies."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmarks-") as folder,
        Emulation.start(Path(folder) / "aws.state") as emulation,
    ):
        fleet = EmulatedFleet(emulation, Path(folder), FILE)
        fleet.build_worlds()
        emulation.delay(played())
        emulation.clear_calls()
        yield fleet


def _require(status: int, said: str) -> None:
    if status:
        raise BenchmarkError(f"the fleet's command failed:\n{said}")


class _Memory:
    """Peak memory in bytes: of the driver, and of one region's processes together.

    Shared memory is divided among the processes (PSS, from /proc: on Linux only).
    """

    def __init__(self) -> None:
        self.of_a_region = 0
        self.of_the_driver = 0
        self._ended = threading.Event()

    @contextmanager
    def watching(self, driver: int) -> Generator[None]:
        """Sample once a second, until exit."""
        watcher = threading.Thread(target=self._watch, args=(driver,))
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            watcher.join()

    def _watch(self, driver: int) -> None:
        while not self._ended.wait(1):
            self.of_the_driver = max(self.of_the_driver, _bytes(driver))
            for engine in [child for child, parent in parents().items() if parent == driver]:
                region = _bytes(engine) + sum(map(_bytes, descendants(engine)))
                self.of_a_region = max(self.of_a_region, region)


def _bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
