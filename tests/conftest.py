"""Test tiers: one folder each, with what it needs; a tier that can't run says so in one line.

`MAESTRO_REQUIRE_TIERS=all` makes such a tier a failure.
"""

import gc
import importlib.util
import os
import tempfile
from collections import Counter
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

import tools
from tests.fuzz import files

_REHEARSAL = ("helm_python", "kubernetes_validate", "moto")
TIERS = {
    "unit": ("pytest",),
    "chart": ("helm_python", "kubernetes_validate"),
    "rehearsal": (*_REHEARSAL, "pulumi_policy"),
    "doctor": (*_REHEARSAL, "kubernetes"),
    "review": (*_REHEARSAL, "markdown_it"),
    "engine": (*_REHEARSAL, "kubernetes"),
    "cluster": (*_REHEARSAL, "kubernetes"),
}
"""The modules that each tier needs."""
TOOLS = {
    "engine": ("pulumi", "pulumi-language-yaml"),
    "cluster": (
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
        "helm",
        "kubectl",
        "pulumi",
        "pulumi-resource-kubernetes",
    ),
}
"""The programs that each tier needs."""
HERE = Path(__file__).parent


# The SDKs are half a million objects that live to the end: scanning them often takes a fifth of the time.
gc.set_threshold(100_000, 20, 100)

_CACHE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test-fuzz` reads more stack files than an ordinary run has time for."""
    parser.addoption(
        "--fuzz", type=int, default=100, help="number of strange stack files to read (default: 100)"
    )


@pytest.fixture(scope="session")
def strange(pytestconfig: pytest.Config) -> list[bytes]:
    """Stack files, most of which can't be used."""
    return files(int(str(pytestconfig.getoption("--fuzz"))))


def pytest_configure(config: pytest.Config) -> None:
    """Helm's engine reads its environment when it is loaded: keep its cache out of the user's home."""
    config.stash[_CACHE] = tempfile.TemporaryDirectory(prefix="maestro-kube-cache-")
    os.environ["KUBECACHEDIR"] = config.stash[_CACHE].name
    # Engine, API server and Helm live for seconds or minutes: they needn't collect garbage so often.
    os.environ.setdefault("GOGC", "300")


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than xdist would start: engine and cluster tests spend much of their time waiting."""
    return (yield) + 1


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_CACHE].cleanup()


@cache
def _missing(tier: str) -> dict[str, str]:
    """What a tier lacks, and the command that provides it."""
    modules = [module for module in TIERS[tier] if importlib.util.find_spec(module) is None]
    programs = [name for name in TOOLS.get(tier, ()) if tools.find(name) is None]
    return dict.fromkeys(modules, "pip install -r requirements-dev.txt") | dict.fromkeys(
        programs, "make tools"
    )


def _tier(path: Path) -> str | None:
    return path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) and path != HERE else None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    tier = _tier(collection_path)
    return True if tier in TIERS and _missing(tier) else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("MAESTRO_REQUIRE_TIERS") == "all" and any(_missing(tier) for tier in TIERS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ran = Counter[tuple[str | None, str]]()
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.getreports(outcome):
            if outcome != "passed" or report.when == "call":
                ran[_tier(HERE.parent / report.nodeid.partition("::")[0]), outcome] += 1
    for tier in TIERS:
        counts = ", ".join(f"{n} {outcome}" for (name, outcome), n in ran.items() if name == tier)
        missing = _missing(tier)
        remedy = " and ".join(dict.fromkeys(missing.values()))
        not_run = f"SKIPPED, needs {', '.join(missing)} (run {remedy})" if missing else "not selected"
        terminalreporter.write_line(f"tier {tier}: {counts or not_run}")
