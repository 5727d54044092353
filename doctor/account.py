"""account: are we who we should be, where we should be?"""

from checks.finding import Findings
from common.json_values import json_list, text
from doctor.case import Case
from doctor.credentials import check_expiry
from doctor.question import Category, Question
from maestro_stack.aws_configuration import decoded


def _allowed(case: Case, findings: Findings) -> None:
    """Whether the AWS provider would accept the account, by `allowedAccountIds` and `forbiddenAccountIds`."""
    account = case.identity.account
    allowed, forbidden = (_accounts(case, key) for key in ("allowedAccountIds", "forbiddenAccountIds"))
    remedy = f"aws sts get-caller-identity; pulumi config set --path 'aws:allowedAccountIds[0]' {account}"
    if (allowed and account not in allowed) or account in forbidden:
        findings.fail(
            f"account {account} ({case.identity.arn}) isn't one that the stack may be in: "
            f"{', '.join(allowed) or 'any but ' + ', '.join(forbidden)}",
            remedy,
        )
    else:
        findings.holds(f"account {account}, as {case.identity.arn}")
    if case.identity.partition != case.partition:
        findings.fail(
            f"the credentials are for partition {case.identity.partition}, but {case.settings.region} is in "
            f"{case.partition}",
            "aws sts get-caller-identity",
        )


def _accounts(case: Case, key: str) -> list[str]:
    listed = decoded(case.stack.config, key)
    return [str(each) for each in listed] if isinstance(listed, list) else []


def _enabled(case: Case, findings: Findings) -> None:
    region = case.settings.region
    [found] = case.aws.records(
        "ec2:DescribeRegions", "Regions", RegionNames=json_list([region]), AllRegions=True
    ) or [{}]
    status = text(found, "OptInStatus", "opt-in-not-required")
    findings.expect(
        status != "not-opted-in",
        f"region {region} is enabled",
        f"region {region} isn't enabled in account {case.identity.account}",
        f"aws account enable-region --region-name {region}",
    )


CATEGORY = Category(
    name="account",
    question="Are we who we should be, where we should be?",
    before=(
        allowed := Question(
            name="account-allowed", that="that the account is one that the stack may be in", ask=_allowed
        ),
        Question(name="region-enabled", that="that the region is enabled", ask=_enabled),
        Question(
            name="credentials-last",
            that="that the credentials outlast an `up`",
            ask=lambda case, findings: check_expiry(case.aws.session, findings),
        ),
    ),
    after=(allowed,),
)
