"""The credentials that the stack's AWS provider would use.

Sources: Pulumi Registry, AWS provider, "Configuration"; botocore.credentials.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
from botocore import exceptions
from botocore.client import BaseClient
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from checks.finding import Findings
from common.json_values import Json, records, text
from doctor.errors import UnusableError
from engine.project import PLACEHOLDER
from maestro_stack.aws_configuration import authentication, decoded

_VARIABLES = {
    "profile": "AWS_PROFILE",
    "config_file": "AWS_CONFIG_FILE",
    "credentials_file": "AWS_SHARED_CREDENTIALS_FILE",
}
"""By botocore's name of it, the AWS CLI's."""
LONGEST_UP = timedelta(minutes=40)
"""The provider's own timeout for creating a database."""


def session_of(config: Mapping[str, str], region: str) -> boto3.session.Session:
    """A session from the engine's flat configuration.

    Raises:
        UnusableError: there are no credentials.
    """
    own = authentication(config).environment
    core = Session()
    try:
        for name, variable in _VARIABLES.items():
            if variable in own:
                core.set_config_variable(name, own[variable])
        _take_keys(core, config)
        if "AWS_ROLE_ARN" in own:
            _take_web_identity(core, own, region)
        for role in records({"roles": decoded(config, "assumeRoles")}, "roles"):
            _take_role(core, role, region)
        if core.get_credentials() is None:
            raise _none("there are none")
    except (exceptions.BotoCoreError, OSError) as error:
        raise _none(str(error)) from None
    return boto3.session.Session(botocore_session=core, region_name=region)


def _none(why: str) -> UnusableError:
    return UnusableError(
        f"AWS can't be asked without credentials: {why}\n"
        "    the stack's own are looked for, as the provider does; try: aws sts get-caller-identity"
    )


def _take_keys(core: Session, config: Mapping[str, str]) -> None:
    keys = [config.get(f"aws:{key}", "") for key in ("accessKey", "secretKey", "token")]
    if any(key.startswith(PLACEHOLDER) for key in keys):
        raise UnusableError(
            "the stack's AWS keys are encrypted, and the doctor decrypts nothing\n"
            "    give it the same identity in the environment, and a stack file without them: --config FILE"
        )
    if keys[0] and keys[1]:
        core.set_credentials(keys[0], keys[1], keys[2] or None)


def _take_role(core: Session, role: Mapping[str, Json], region: str) -> None:
    """Assume a role; several in turn are a chain."""
    source = core.get_credentials()
    if source is None:
        raise _none(f"there are none to take role {text(role, 'roleArn')} with")
    external = text(role, "externalId")
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=_in_region(core, region),
        source_credentials=source,
        role_arn=text(role, "roleArn"),
        extra_args={
            "RoleSessionName": text(role, "sessionName", "maestro-doctor"),
            **({"ExternalId": external} if external else {}),
        },
    )
    _use(core, fetcher.fetch_credentials, "assume-role")


def _take_web_identity(core: Session, own: Mapping[str, str], region: str) -> None:
    file = own.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=_in_region(core, region),
        web_identity_token_loader=lambda: Path(file).read_text(encoding="utf-8").strip(),
        role_arn=own["AWS_ROLE_ARN"],
        extra_args={"RoleSessionName": own.get("AWS_ROLE_SESSION_NAME", "maestro-doctor")},
    )
    _use(core, fetcher.fetch_credentials, "assume-role-with-web-identity")


def _in_region(core: Session, region: str) -> Callable[..., BaseClient]:
    def create(service: str, **options: object) -> BaseClient:
        make = cast("Callable[..., BaseClient]", core.create_client)
        return make(service, **{"region_name": region, **options})

    return create


def _use(core: Session, fetch: Callable[[], object], method: str) -> None:
    # As botocore's own providers do it; the session only has a setter for plain keys.
    cast(Any, core)._credentials = DeferredRefreshableCredentials(cast(Any, fetch), method)  # noqa: SLF001


def check_expiry(session: boto3.session.Session, findings: Findings) -> None:
    """Whether the credentials outlast an `up`; botocore renews all but those in the environment."""
    credentials = session.get_credentials()
    method = "" if credentials is None else credentials.method
    ends = cast("datetime | None", getattr(credentials, "_expiry_time", None))
    if method != "env":
        findings.holds(f"credentials by {method}, which renews them" if ends else f"credentials by {method}")
    elif ends is not None:
        left = ends - datetime.now(UTC)
        findings.expect(
            left > LONGEST_UP,
            f"credentials until {ends:%H:%M} UTC",
            f"credentials end at {ends:%H:%M} UTC, in {max(0, int(left.total_seconds() / 60))} minutes; a "
            f"database may take {int(LONGEST_UP.total_seconds() / 60)}",
            "renew AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        )
    elif credentials is not None and credentials.token:
        findings.unverified("that the credentials outlast an `up`: AWS_CREDENTIAL_EXPIRATION isn't set", None)
    else:
        findings.holds("credentials by keys that don't expire")
