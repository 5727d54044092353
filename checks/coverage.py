"""coverage: is everything that would be built known here, so that the other checks could look at it?"""

from checks.evidence import Evidence
from checks.finding import PREVIEW, Findings

NAME = "coverage"
QUESTION = "Is everything known here?"


def check(evidence: Evidence, findings: Findings) -> None:
    """Report each type that isn't emulated once, and what depends on unknown values."""
    unknown = [each for each in evidence.update.resources if not each.is_component and each.unverified]
    for reason in dict.fromkeys(each.unverified for each in unknown if each.id != ""):
        findings.unverified(reason, PREVIEW)
    for each in unknown:
        if each.id == "":
            findings.unverified(f"{each.title}: {each.unverified}", PREVIEW, subject=each.title)
    for key in evidence.not_followed:
        findings.unverified(f"what {key} changes: nothing here follows it", PREVIEW, subject=key)
    if not unknown:
        findings.holds("every resource is emulated")
