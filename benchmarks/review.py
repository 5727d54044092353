"""The review: of one stack compared with two rehearsals, and of many stacks compared with one."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks import ROOT, STACK_FILE
from benchmarks.report import line
from engine.shell import copy_checkout

RUNS = 3
STACKS = 24
RATIO, STACKS_RATIO = 1.5, 14.0
TEMPLATE = "charts/maestro-server-eso/templates/deployment.yaml"


def measure(environment: Mapping[str, str]) -> bool:
    """Measure and print; returns whether all goals are met. No cached rehearsal is used."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        one, many = (_changed(Path(folder) / name, count) for name, count in (("one", 1), ("many", STACKS)))
        _review(one, environment)
        pairs = [(_two_rehearsals(one, environment), _review(one, environment)) for _ in range(RUNS)]
        rehearsals, review = (median(side) for side in zip(*pairs, strict=True))
        of_many = _review(many, environment)
    good = [
        line("two rehearsals at once", rehearsals),
        line("review of one stack", review),
        line("  times two rehearsals", review / rehearsals, unit="x", limit=RATIO),
        line(f"review of {STACKS} stacks", of_many),
        line("  times one stack", of_many / review, unit="x", limit=STACKS_RATIO),
    ]
    return all(good)


def _changed(root: Path, count: int) -> Path:
    """A checkout with `count` stacks, whose work tree changes what each of them deploys."""
    copy_checkout(ROOT, root, "benchmarks")
    stack = STACK_FILE.read_text(encoding="utf-8")
    (root / "Pulumi.dev.yaml").write_text(stack, encoding="utf-8")
    for number in range(1, count):
        named = stack.replace("regional-xyz", f"regional-{number:03}")
        (root / f"Pulumi.region-{number:03}.yaml").write_text(named, encoding="utf-8")
    for arguments in (
        ("init", "--quiet"),
        ("add", "--all"),
        ("-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "--quiet", "--message", "base"),
    ):
        subprocess.run(["git", *arguments], cwd=root, check=True)  # noqa: S607
    template = root / TEMPLATE
    field = "serviceAccountName: maestro"
    changed = template.read_text(encoding="utf-8").replace(
        field, f"terminationGracePeriodSeconds: 45\n      {field}"
    )
    template.write_text(changed, encoding="utf-8")
    return root


def _two_rehearsals(root: Path, environment: Mapping[str, str]) -> float:
    """Seconds that two rehearsals take side by side."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(_run, root, ["-m", "rehearsal"], environment) for _ in range(2)]
    for each in running:
        each.result()
    return time.perf_counter() - begun


def _review(root: Path, environment: Mapping[str, str]) -> float:
    """Seconds that a review takes."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as cache:
        begun = time.perf_counter()
        _run(root, ["-m", "review", "--base", "HEAD", "--markdown"], {**environment, "XDG_CACHE_HOME": cache})
        return time.perf_counter() - begun


def _run(root: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL
    )


if __name__ == "__main__":
    sys.exit(0 if measure(os.environ) else 1)
