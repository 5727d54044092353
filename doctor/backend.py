"""state: does it outlive this machine, and is any part of the stack missing or half done?"""

import os

from checks.finding import Findings
from doctor.case import Case
from doctor.question import Category, Question
from engine.remedies import remedies_of
from policies import types

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 a variable's name
_PARTS = {
    types.IOT_POLICY: ("IoT policy", 1),
    types.CERTIFICATE: ("certificate", 1),
    types.POLICY_ATTACHMENT: ("attachment of the IoT policy", 1),
    types.SECURITY_GROUP: ("security group", 1),
    types.PARAMETER_GROUP: ("parameter group", 1),
    types.SUBNET_GROUP: ("subnet group", 1),
    types.LOG_GROUP: ("log groups", 2),
    types.INSTANCE: ("database", 1),
    types.SECRET: ("secrets", 2),
    types.SECRET_VERSION: ("secrets' values", 2),
    types.ROLE: ("role", 1),
    types.ROLE_POLICY: ("role's policy", 1),
    types.POD_IDENTITY: ("Pod Identity association", 1),
    types.RELEASE: ("release", 1),
}
"""What every built stack has in AWS and the cluster: in words, and at least how many."""


def _backend(case: Case, findings: Findings) -> None:
    state = case.known()
    if not state.backend.startswith("file://"):
        findings.holds(f"the state is in {state.backend}")
        return
    text = f"the state is a local file, {state.backend}: it ends with this machine, and nobody else has it"
    remedy = "pulumi login s3://STATE-BUCKET"
    if case.settings.is_production:
        findings.fail(text, remedy)
    else:
        findings.unverified(
            f"that the state outlives this machine: it is a local file, {state.backend}", remedy
        )


def _secrets(case: Case, findings: Findings) -> None:
    """The state's secrets provider encrypts the certificate's private key and the database's password."""
    provider = case.known().secrets_provider
    is_empty = os.environ.get(PASSPHRASE) == "" and not os.environ.get(f"{PASSPHRASE}_FILE")
    findings.expect(
        provider not in ("passphrase", "") or not is_empty,
        f"secrets in the state are encrypted ({provider or 'no state yet'})",
        f"secrets in the state are encrypted with an empty passphrase: {PASSPHRASE} is empty",
        'pulumi stack change-secrets-provider "awskms://alias/ALIAS?region=REGION"',
    )


def _pending(case: Case, findings: Findings) -> None:
    pending = case.known().pending
    [row] = remedies_of(["pending operations"])
    findings.expect(
        not pending,
        "no operation was cut off",
        "an update was cut off; pending are: "
        + ", ".join(f"{each.operation} of {each.type} {each.name}" for each in pending),
        f"{row.do}: {row.page}",
    )


def _complete(case: Case, findings: Findings) -> None:
    state = case.known()
    external = {types.RELEASE} if case.settings.server.install == "external" else set[str]()
    parts = {type_: part for type_, part in _PARTS.items() if type_ not in external}
    missing = [words for type_, (words, least) in parts.items() if len(case.built(type_)) < least]
    findings.expect(
        not missing,
        f"all is built: {sum(1 for each in state.resources if each.id)} resources",
        f"not built: {', '.join(missing)}",
        "fix what fails here; then `pulumi up` continues where it stopped",
    )
    if left := case.left_behind():
        findings.fail(
            f"still there, of another cluster: {', '.join(each.name for each in left)}",
            "`pulumi up` ends the move; if that cluster is gone for good: docs/move.md",
        )


_BACKEND = Question(name="state-backend", that="that the state outlives this machine", ask=_backend)
_SECRETS = Question(name="state-secrets", that="that the state's secrets are encrypted", ask=_secrets)

CATEGORY = Category(
    name="state",
    question="Does it outlive this machine, and is the stack whole in it?",
    before=(_BACKEND, _SECRETS),
    after=(
        Question(name="state-pending", that="that no operation was cut off", ask=_pending),
        Question(name="state-complete", that="that all of the stack is built", ask=_complete),
    ),
)
