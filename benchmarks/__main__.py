"""python -m benchmarks: each figure beside its goal; exit status 1 when a goal is missed."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import helm_python

from benchmarks import ROOT, doctor, engine, fleet, review
from benchmarks.report import BenchmarkError, line

# Warm means with bytecode: if writing it were disabled, every run would compile our modules.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
RUNS = 10
IMPORT_RATIO, REHEARSAL_SECONDS, EXTRA_SECONDS = 2.5, 5.0, 0.3


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure, and print each figure beside its goal."
    )
    parser.add_argument("part", nargs="*", choices=PARTS, help="what to measure; everything when left out")
    parts: Sequence[str] = parser.parse_args(argv).part or [*PARTS]
    met = [PARTS[part]() for part in parts]
    return 0 if all(met) else 1


def _rehearsal() -> bool:
    bare, rehearsal = alternate(
        lambda: seconds("-m", "benchmarks.bare_import"), lambda: seconds("-m", "rehearsal")
    )
    line("bare import", bare)
    return all(
        [
            line("rehearsal", rehearsal, limit=REHEARSAL_SECONDS),
            line("  times the bare import", rehearsal / bare, unit="x", limit=IMPORT_RATIO),
        ]
    )


def _program() -> bool:
    flat, ours = alternate(
        lambda: told("-m", "benchmarks.program", "benchmarks/flat/__main__.py"),
        lambda: told("-m", "benchmarks.program", "__main__.py"),
    )
    line("flat program, preview and update", flat)
    line("our program, preview and update", ours)
    return line("  more than the flat one", ours - flat, limit=EXTRA_SECONDS)


def _chart() -> bool:
    return line("chart render", render_seconds() * 1000, unit="ms")


PARTS: Mapping[str, Callable[[], bool]] = {
    "rehearsal": _rehearsal,
    "program": _program,
    "chart": _chart,
    "review": lambda: review.measure(ENVIRONMENT),
    "doctor": doctor.measure,
    "engine": lambda: engine.measure(ENVIRONMENT),
    "fleet": fleet.measure,
}
"""What each part prints; whether it meets its goals."""


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
