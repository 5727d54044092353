"""coverage: is all that would be built known here, so that the other checks could look at it?"""

from checks.evidence import Evidence
from checks.finding import PREVIEW, Findings

NAME = "coverage"
QUESTION = "Is all of it known here?"


def check(evidence: Evidence, findings: Findings) -> None:
    """Tell each type that nothing emulates once, and what depends on what nobody knows."""
    resources = [each for each in evidence.update.resources if not each.is_component]
    unknown = dict.fromkeys(
        f"{each.title}: {each.unverified}" if each.id == "" else each.unverified
        for each in resources
        if each.unverified
    )
    followed = (f"what {key} changes: nothing here follows it" for key in evidence.not_followed)
    for reason in (*unknown, *followed):
        findings.unverified(reason, PREVIEW)
    if not unknown:
        findings.holds(f"each of {len(resources)} resources is emulated")
