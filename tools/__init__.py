"""Finds and builds, at pinned versions, the programs that tests and linters need and pip doesn't install.

In it: versions.toml, which lists them, and for each tool a folder with the go.mod and go.sum that it is built
from (README.md); and `lock`, for what pip does install. Not in it: anything but the standard library, so that
`make tools` works before anything is installed.
For others: `cache`, `lock`, and `find` and `missing` below.
"""

import os
from pathlib import Path

from tools.cache import Cache, Finding, cache_folder
from tools.catalogue import load

__all__ = ["find", "missing"]


def find(name: str) -> Path | None:
    """The executable `name` (etcd, helm, kube-apiserver, …) in the pinned version; None if it is missing.

    Looks in the cache and, for `pulumi`, on PATH before it. Raises ValueError if no tool has the name.
    """
    cache = _cache()
    for tool in load():
        for executable in tool.executables:
            if executable.name == name:
                return cache.find(tool, executable).path
    raise ValueError(f"no tool has an executable {name!r}: see tools/versions.toml")


def missing() -> list[str]:
    """The names of all executables that `make tools` would have to build."""
    found: list[Finding] = _cache().survey(load())
    return [each.executable.name for each in found if each.path is None]


def _cache() -> Cache:
    return Cache(cache_folder(os.environ), os.environ)
