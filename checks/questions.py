"""All checks, in the order in which they are reported."""

from types import ModuleType

from checks import coverage, database, identity, mount, mqtt, order, placement, policy_rules, secrecy
from checks.evidence import Evidence
from checks.finding import Check, Findings

CHECKS: tuple[ModuleType, ...] = (
    coverage, mount, identity, mqtt, database, order, placement, policy_rules, secrecy,
)  # fmt: skip


def run_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Every check's answer."""
    return tuple(_run(module, evidence) for module in CHECKS)


def _run(module: ModuleType, evidence: Evidence) -> Check:
    findings = Findings()
    module.check(evidence, findings)
    return Check(name=module.NAME, question=module.QUESTION, findings=tuple(findings.found))
