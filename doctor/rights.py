"""rights: may this identity do what `up` does?"""

from checks.finding import Findings
from common.json_values import json_list, record, text
from doctor.case import Case
from doctor.errors import AwsError
from doctor.permissions import actions_of, scope_of
from doctor.question import Category, Question

_ALLOWED = "allowed"


def _may(case: Case, findings: Findings) -> None:
    """Asks IAM's own simulator, which ignores conditions on a call's content and resource-based policies.

    Source: IAM API reference, SimulatePrincipalPolicy.
    """
    principal = _principal(case)
    if principal.endswith(":root"):
        findings.holds("the account's root user may do everything")
        return
    wanted = actions_of("deploy", scope_of(case))
    denied: set[str] = set()
    for resource, actions in wanted.items():
        asked = actions - {"sts:GetCallerIdentity"}  # needs no grant, and would be reported as denied
        results = case.aws.records(
            "iam:SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=principal,
            ActionNames=json_list(sorted(asked)),
            # The simulator accepts no wildcard in a resource: any name stands for those that AWS generates.
            ResourceArns=json_list([resource if resource == "*" else resource.replace("*", "x")]),
        )
        denied |= {text(r, "EvalActionName") for r in results if text(r, "EvalDecision") != _ALLOWED}
    count = len(frozenset[str]().union(*wanted.values()))
    findings.expect(
        not denied,
        f"{principal} may do all {count} actions of an `up`",
        f"{principal} lacks {', '.join(sorted(denied))}",
        "python -m doctor permissions --for deploy",
    )


def _principal(case: Case) -> str:
    """The principal, with the role's path, which the session's own ARN leaves out."""
    principal = case.identity.principal
    if ":role/" not in principal:
        return principal
    try:
        role = record(case.aws.call("iam:GetRole", RoleName=principal.rpartition("/")[2]), "Role")
    except AwsError:
        return principal
    return text(role, "Arn", principal)


CATEGORY = Category(
    name="rights",
    question="May this identity do what `up` does?",
    before=(Question(name="rights-deploy", that="that this identity may do what `up` does", ask=_may),),
)
