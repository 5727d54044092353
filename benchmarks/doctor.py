"""The doctor examining a healthy region whose AWS answers each call after a tenth of a second."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.report import BenchmarkError, line
from tests.doctor.patient import Patient, patient

LATENCY = 0.1  # seconds
LIMIT = 10.0


def measure() -> bool:
    """Print the figures; returns whether both are within their limits."""
    with tempfile.TemporaryDirectory() as folder, patient(Path(folder)) as region:
        region.guard = _slowly
        before = _seconds(region)
        region.guard = None
        region.build()
        region.guard = _slowly
        after = _seconds(region)
    return all(
        [
            line("doctor, before, at 100 ms a call", before, limit=LIMIT),
            line("doctor, after, at 100 ms a call", after, limit=LIMIT),
        ]
    )


def _slowly(action: str, parameters: Mapping[str, object]) -> None:
    del action, parameters
    time.sleep(LATENCY)


def _seconds(region: Patient) -> float:
    begun = time.perf_counter()
    diagnosis = region.examine()
    took = time.perf_counter() - begun
    if not diagnosis.is_content:
        raise BenchmarkError("the doctor finds something wrong with a healthy region")
    return took
