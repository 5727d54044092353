"""Measurements, printed in one run by `python -m benchmarks`, each beside something of its own kind.

In it: what is measured, and how. Not in it: goals of single functions. For others: nothing.
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
STACK_FILE = ROOT / "tests" / "project" / "Pulumi.dev.yaml"
"""Whose stack everything is measured on."""
