"""mount: would the pod find its eight files?"""

import json
from collections.abc import Iterator
from dataclasses import replace

from checks.aws_policy import PolicyError
from checks.csi_provider import MOUNT_PATH, MountError, parse_class
from checks.evidence import Evidence
from checks.finding import Findings
from checks.pod import known_policy
from checks.region import Missing, had

NAME = "mount"
QUESTION = f"Would the pod find its files at {MOUNT_PATH}?"
FILES = ("certificate", "privateKey", "ca.crt", "db.user", "db.password", "db.host", "db.port", "db.name")
OTHER_SECRET = "another-team/password"  # noqa: S105 a name


def check(evidence: Evidence, findings: Findings) -> None:
    """Mount the volume as the CSI provider does, with the pod's own rights."""
    with findings.refusing(MountError, PolicyError, LookupError):
        picked = [file for file in evidence.files if not file.whole_secret]
        names = {file.name for file in picked}
        missing = [name for name in FILES if name not in names]
        findings.expect(not missing, "all eight files", f"missing: {', '.join(missing)}")
        for file in sorted(picked, key=lambda f: FILES.index(f.name) if f.name in FILES else len(FILES)):
            findings.expect(
                file.size > 0 and file.mode & 0o004 != 0,
                f"{file.name} from {file.secret}",
                f"{file.name} is empty, or unreadable for the pod's user (mode {file.mode:04o})",
            )
        unused = sorted(_unused_keys(evidence))
        findings.expect(
            not unused, "every key of both secrets is mounted", f"not mounted: {', '.join(unused)}"
        )
        _check_reach(evidence, findings)
        _check_others_policies(evidence, findings)


def _unused_keys(evidence: Evidence) -> Iterator[str]:
    """Keys of the secrets that aren't in any file."""
    spc = parse_class(evidence.release.one("SecretProviderClass"))
    secrets = had(evidence.region.secrets)
    for wanted in spc.objects:
        used = {entry.path for entry in wanted.jmes_path}
        yield from (
            f"{wanted.name}: {key}" for key in json.loads(secrets[wanted.name].content) if key not in used
        )


def _check_reach(evidence: Evidence, findings: Findings) -> None:
    """The role reads these two secrets and nothing else."""
    foreign = evidence.region.arn("secretsmanager", f"secret:{OTHER_SECRET}-AbCdEf")
    secrets = evidence.update.of_type("aws:secretsmanager/secret:Secret")
    own = [str(r.outputs["arn"]) for r in sorted(secrets, key=lambda each: each.name)]
    excess = [
        f"{action} on {arn}"
        for action, arns in (
            ("secretsmanager:GetSecretValue", [foreign]),
            ("secretsmanager:PutSecretValue", own),
            ("secretsmanager:DeleteSecret", own),
            ("iot:Publish", [evidence.region.arn("iot", "topic/x")]),
            ("rds:DeleteDBInstance", [evidence.region.arn("rds", "db:x")]),
        )
        for arn in arns
        if evidence.session.may(action, arn).allowed
    ]
    for secret in had(evidence.region.secrets).values():
        other = replace(secret, arn=foreign)
        if secret.key and evidence.session.may_decrypt(other, secret.key, evidence.region.name).allowed:
            excess.append(f"kms:Decrypt of {foreign} with {secret.key.arn}")
    findings.expect(
        not excess,
        f"role {evidence.session.role_name} may read these two secrets and do nothing else",
        f"role {evidence.session.role_name} may do more than read its secrets: {'; '.join(excess)}",
    )


def _check_others_policies(evidence: Evidence, findings: Findings) -> None:
    """What policies outside the stack say: the role's boundary and the secrets' keys."""
    session, secrets = evidence.session, had(evidence.region.secrets)
    boundary = session.boundary
    if isinstance(boundary, Missing):
        arns = " ".join(sorted(secret.arn for secret in secrets.values()))
        findings.unverified(
            f"that the role's permissions boundary lets it read them: {boundary.reason}",
            f"aws iam simulate-principal-policy --policy-source-arn {session.role_arn} --action-names "
            f"secretsmanager:GetSecretValue --resource-arns {arns}",
        )
    elif boundary is not None:
        findings.holds(f"its boundary lets it: {boundary.name}")
    for key in {each.key.arn: each.key for each in secrets.values() if each.key}.values():
        policy = known_policy(key, "key")
        if isinstance(policy, Missing):
            findings.unverified(
                f"that the key's policy lets the role decrypt them: {policy.reason}",
                f"aws kms get-key-policy --key-id {key.arn} --policy-name default",
            )
        else:
            findings.holds(f"their key lets it decrypt them: {key.arn}")
