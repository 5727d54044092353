"""rules: does every resource keep the rules of policies/?"""

from checks.evidence import Evidence
from checks.finding import PREVIEW, Findings
from policies.judge import judge, why_unused
from policies.rule import Resource
from policies.rules import RULES

NAME = "rules"
QUESTION = "Does every resource keep the rules?"


def check(evidence: Evidence, findings: Findings) -> None:
    """Apply every rule to every resource, as the engine would have it in state."""
    resources = [
        Resource(type=each.type, name=each.name, inputs=each.shown_inputs, protect=each.protect)
        for each in evidence.update.resources
        if not each.is_component
    ]
    judgement = judge(resources, evidence.settings)
    for violation in judgement.violations:
        rule, name = violation.rule, violation.resource.name
        said = f"{rule.name}: {name}: {'; '.join(violation.problems)}"
        if violation.excuse:
            findings.holds(f"{said}. Excepted: {violation.excuse.reason}")
        else:
            findings.fail(f"{said}. {rule.remedy}", subject=name)
    for excuse in judgement.unused:
        findings.fail(f"{why_unused(excuse)}. Remove it, so that it can't cover a later change")
    if judgement.unasked:
        findings.unverified(f"{judgement.unasked} questions about values that aren't known here", PREVIEW)
    if not judgement.questions:
        findings.fail("there was nothing to judge")
    elif all(violation.excuse for violation in judgement.violations):
        findings.holds(f"{len(RULES)} rules, asked {judgement.questions} times: no violations")
