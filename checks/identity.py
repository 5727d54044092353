"""identity: does the association belong to the pod, and the role to nobody else?"""

from dataclasses import replace

from checks.aws_policy import PodIdentity, PolicyError, pod_may_assume
from checks.evidence import Evidence
from checks.finding import Findings
from checks.pod import trust_of
from checks.region import had
from common.json_values import record, text

NAME = "identity"
QUESTION = "Does the pod, and nobody else, get the role?"


def check(evidence: Evidence, findings: Findings) -> None:
    """Find the pod's association, and ask the role's trust policy about this pod and others."""
    with findings.refusing(PolicyError, LookupError):
        identity = evidence.identity
        where = f"{identity.namespace}/{identity.service_account} on {identity.cluster_name}"
        association = had(evidence.region.association)
        if association is None:
            findings.fail(f"no Pod Identity association for {where}")
            return
        findings.expect(
            any(
                each["kind"] == "ServiceAccount"
                and text(record(each, "metadata"), "name") == identity.service_account
                for each in evidence.release.objects
            ),
            f"the association is the pod's: {where}",
            f"the release has no ServiceAccount {identity.service_account}",
        )
        trust = trust_of(association)
        decision = pod_may_assume(trust, identity, tags_disabled=association.tags_disabled)
        role = association.role_name
        findings.expect(decision.allowed, f"{role} trusts it", f"{role} refuses the pod: {decision}")
        intruders = [who for who, other in _others(identity).items() if pod_may_assume(trust, other).allowed]
        findings.expect(
            not intruders,
            f"{role} refuses another {', '.join(_others(identity))}",
            f"{role} also trusts a pod of another {', '.join(intruders)}",
        )


def _others(identity: PodIdentity) -> dict[str, PodIdentity]:
    """The same pod with one difference, by what it is."""
    other_arn = f"{identity.cluster_arn}-2"
    return {
        "namespace": replace(identity, namespace="default"),
        "service account": replace(identity, service_account="default"),
        "cluster": replace(identity, cluster_name=f"{identity.cluster_name}-2", cluster_arn=other_arn),
        "account": replace(identity, account_id="999999999999"),
    }
