"""Fixtures that one xdist worker makes for all of them."""

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import pytest

T = TypeVar("T")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """What `make` returns, made once per run, whichever xdist worker asks; `make` gets a folder of its own.

    While one worker makes a slow fixture, others steal the tests that need it.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    kept = shared / f"{name}.pickle"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            return cast(T, pickle.loads(kept.read_bytes()))  # noqa: S301 this run wrote it
        made = make(factory.mktemp(name))
        kept.write_bytes(pickle.dumps(made))
        return made
