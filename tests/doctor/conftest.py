"""Patients: see patient.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.patient import Patient, patient


@pytest.fixture
def region(tmp_path: Path) -> Iterator[Patient]:
    """A healthy region in which nothing is built."""
    with patient(tmp_path) as made:
        yield made


@pytest.fixture
def built(region: Patient) -> Patient:
    """The same region with the stack in it."""
    region.build()
    return region
