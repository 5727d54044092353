"""placement: would a node take the pods?"""

import json

from checks.evidence import Evidence
from checks.finding import Findings
from common.json_values import record, text

NAME = "placement"
QUESTION = "Would a node take the pods?"


def check(evidence: Evidence, findings: Findings) -> None:
    """Compare the pods' node selector with the labels of the cluster's nodes, if they are known."""
    with findings.refusing(LookupError):
        template = record(record(evidence.release.one("Deployment", "maestro"), "spec"), "template")
        selector = record(record(template, "spec"), "nodeSelector")
        wanted = ",".join(f"{label}={text(selector, label)}" for label in sorted(selector))
        if not selector:
            findings.holds("they may run on any node")
            return
        if evidence.nodes is None:
            findings.unverified(
                f"that the cluster has a node with {wanted}", f"kubectl get nodes -l {wanted}"
            )
            return
        fitting = [labels for labels in evidence.nodes if selector.items() <= labels.items()]
        others = {"deployment": {"nodeSelector": dict.fromkeys(sorted(selector), "*")}}
        findings.expect(
            bool(fitting),
            f"{len(fitting)} of {len(evidence.nodes)} nodes have {wanted}",
            f"server.values.deployment.nodeSelector: none of {len(evidence.nodes)} nodes has {wanted}; "
            f"example, to take it out: server: {json.dumps({'values': others})}",
        )
