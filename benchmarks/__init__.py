"""Measurements, all printed by `python -m benchmarks`, each beside a comparable one.

In it: what is measured, and how. Not in it: goals for single functions. For others: nothing.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
STACK_FILE = ROOT / "tests" / "project" / "Pulumi.dev.yaml"
"""The stack that everything is measured with."""
