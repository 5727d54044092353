"""The checks: questions about a plan, answered by what the emulated AWS and the rendered release show.

Each module has a name, a question and a `check` that adds findings; none knows how the program was run.
"""

from types import ModuleType

from rehearsal.checks import database, identity, mounting, mqtt, order, rules, secrecy
from rehearsal.checks.evidence import Evidence
from rehearsal.checks.finding import Check, Finding, Findings, Status

__all__ = ["Check", "Evidence", "Finding", "Findings", "Status", "run_checks"]

CHECKS: tuple[ModuleType, ...] = (mounting, identity, mqtt, database, order, rules, secrecy)


def run_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Every check's answer."""
    return tuple(_run(module, evidence) for module in CHECKS)


def _run(module: ModuleType, evidence: Evidence) -> Check:
    findings = Findings()
    module.check(evidence, findings)
    return Check(name=module.NAME, question=module.QUESTION, findings=tuple(findings.found))
