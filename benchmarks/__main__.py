"""python -m benchmarks: each figure beside its goal; exit status 1 when a goal is missed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import helm_python

from benchmarks import ROOT, doctor, engine, fleet, review
from benchmarks.report import BenchmarkError, line

# Warm means with bytecode: if writing it were disabled, every run would compile our modules.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
RUNS = 10
IMPORT_RATIO, REHEARSAL_SECONDS, EXTRA_SECONDS = 2.5, 5.0, 0.3


def main() -> int:
    """Measure and print; returns the exit status."""
    bare, rehearsal = alternate(
        lambda: seconds("-m", "benchmarks.bare_import"), lambda: seconds("-m", "rehearsal")
    )
    flat, ours = alternate(
        lambda: told("-m", "benchmarks.program", "benchmarks/flat/__main__.py"),
        lambda: told("-m", "benchmarks.program", "__main__.py"),
    )
    good = [
        line("bare import", bare),
        line("rehearsal", rehearsal, limit=REHEARSAL_SECONDS),
        line("  times the bare import", rehearsal / bare, unit="x", limit=IMPORT_RATIO),
        line("flat program, preview and update", flat),
        line("our program, preview and update", ours),
        line("  more than the flat one", ours - flat, limit=EXTRA_SECONDS),
        line("chart render", render_seconds() * 1000, unit="ms"),
        review.measure(ENVIRONMENT),
        doctor.measure(),
        engine.measure(ENVIRONMENT),
        fleet.measure(),
    ]
    return 0 if all(good) else 1


def alternate(one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """Medians of both, measured in turns after a warm-up run of each."""
    one()
    other()
    pairs = [(one(), other()) for _ in range(RUNS)]
    return median(first for first, _ in pairs), median(second for _, second in pairs)


def seconds(*arguments: str) -> float:
    """Wall-clock seconds of a Python process."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - begun


def told(*arguments: str) -> float:
    """The seconds that a Python process prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def render_seconds() -> float:
    """Seconds that Helm's engine takes to render the loaded chart once."""
    values = {
        "clusterName": "regional-xyz",
        "broker": {"endpoint": "abc-ats.iot.us-east-1.amazonaws.com"},
    }
    with helm_python.Chart.load(ROOT / "charts" / "maestro-server-eso") as chart:
        chart.render(values, name="maestro-server", namespace="maestro")
        begun = time.perf_counter()
        for _ in range(100):
            chart.render(values, name="maestro-server", namespace="maestro")
        return (time.perf_counter() - begun) / 100


def _main() -> int:
    try:
        return main()
    except KeyboardInterrupt:
        return 130
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(_main())
