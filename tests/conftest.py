"""Test tiers: one folder each, with what it needs; a tier that can't run says so in one line.

`MAESTRO_REQUIRE_TIERS=all` makes such a tier a failure.
"""

import importlib.util
import os
from collections import Counter
from pathlib import Path

import pytest

TIERS = {
    "unit": ("pytest",),
    "chart": ("helm_python", "kubernetes_validate"),
    "rehearsal": ("helm_python", "kubernetes_validate", "moto"),
}
"""By tier: the modules that it needs."""
HERE = Path(__file__).parent


def _missing(tier: str) -> list[str]:
    return [module for module in TIERS[tier] if importlib.util.find_spec(module) is None]


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
        missing = ", ".join(_missing(tier))
        not_run = (
            f"SKIPPED, needs {missing} (pip install -r requirements-dev.txt)" if missing else "not selected"
        )
        terminalreporter.write_line(f"tier {tier}: {counts or not_run}")
