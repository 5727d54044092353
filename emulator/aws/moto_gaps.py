"""What moto lacks or gets wrong about IAM, IoT and Secrets Manager, fixed in moto itself.

So every client sees AWS's behaviour, including the `aws` command. It runs where moto's data is; only
`emulator` imports this module. What it adds lives in moto's own objects and is saved with them. Each function
names the difference; the sources are the services' API references.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import IAMBackend, Role
from moto.iot.exceptions import ResourceNotFoundException
from moto.iot.models import FakePolicy, IoTBackend
from moto.iot.responses import IoTResponse
from moto.secretsmanager.exceptions import InvalidParameterException, InvalidRequestException
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

if TYPE_CHECKING:
    from moto.core.responses import BaseResponse


def install() -> None:
    """Patch moto, for the rest of the process's life; may be called again."""
    if hasattr(IoTResponse, "tag_resource"):
        return
    _tag_iot_policies()
    _update_role_partly()
    _match_keys_of_role_tags_in_any_case()
    _refuse_deleted_secrets_as_aws()
    _clear_descriptions_of_secrets()
    _follow_the_current_version()


def _tag_iot_policies() -> None:
    """moto drops the tags of IoT policies, and lacks all three calls."""
    create_policy = IoTResponse.create_policy

    def create(response: IoTResponse) -> ActionResult:
        answer = create_policy(response)
        name = str(_param(response, "policyName"))
        _tags(response.iot_backend.policies[name]).update(_pairs(_param(response, "tags")))
        return answer

    def tag_resource(response: IoTResponse) -> ActionResult:
        _tags(_policy(response)).update(_pairs(_param(response, "tags")))
        return EmptyResult()

    def untag_resource(response: IoTResponse) -> ActionResult:
        tags = _tags(_policy(response))
        for key in cast("list[str]", _param(response, "tagKeys") or []):
            tags.pop(key, None)
        return EmptyResult()

    def list_tags_for_resource(response: IoTResponse) -> ActionResult:
        tags = _tags(_policy(response))
        return ActionResult({"tags": [{"Key": key, "Value": value} for key, value in tags.items()]})

    patch.object(IoTResponse, "create_policy", create).start()
    for action in (tag_resource, untag_resource, list_tags_for_resource):
        setattr(IoTResponse, action.__name__, action)


def _policy(response: IoTResponse) -> FakePolicy:
    arn = str(_param(response, "resourceArn") or "")
    backend: IoTBackend = response.iot_backend
    policy = next((found for found in backend.policies.values() if found.arn == arn), None)
    if policy is None:
        raise ResourceNotFoundException(f"No resource found for ARN {arn}")
    return policy


def _tags(policy: FakePolicy) -> dict[str, str]:
    return cast("dict[str, str]", vars(policy).setdefault("tags", {}))


def _pairs(tags: object) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in cast("list[dict[str, str]] | None", tags) or []}


def _param(response: "BaseResponse", name: str) -> object:
    # moto's parameter reader, untyped and marked private, is what all of its own calls use.
    read = cast("Callable[[str], object]", getattr(response, "_get_param"))  # noqa: B009
    return read(name)


def _update_role_partly() -> None:
    """moto's UpdateRole drops the description if only the session duration is given."""
    update = IAMBackend.update_role

    def update_role(
        backend: IAMBackend, role_name: str, role_description: str | None, max_session_duration: str
    ) -> Role:
        kept = backend.get_role(role_name).description
        description = kept if role_description is None else role_description
        return update(backend, role_name, description, max_session_duration)

    patch.object(IAMBackend, "update_role", update_role).start()


def _match_keys_of_role_tags_in_any_case() -> None:
    """In moto, keys that differ in case are different ones, except when a role is created.

    Source: IAM user guide, "Rules for tagging in IAM and AWS STS".
    """
    untag = IAMBackend.untag_role
    tag = IAMBackend.tag_role

    def untag_role(backend: IAMBackend, role_name: str, tag_keys: list[str]) -> None:
        lower = {key.lower() for key in tag_keys}
        there = [str(tag["Key"]) for tag in backend.get_role(role_name).tags]
        untag(backend, role_name, [*tag_keys, *(key for key in there if key.lower() in lower)])

    def tag_role(backend: IAMBackend, role_name: str, tags: list[dict[str, str]]) -> None:
        untag_role(backend, role_name, [tag["Key"] for tag in tags])
        tag(backend, role_name, tags)

    for replacement in (tag_role, untag_role):
        patch.object(IAMBackend, replacement.__name__, replacement).start()


def _refuse_deleted_secrets_as_aws() -> None:
    """For a secret scheduled for deletion, moto says that it exists, or allows changes, or refuses in words
    of its own.
    """
    taken = "You can't create this secret because a secret with this name is already scheduled for deletion."
    marked = "You can't perform this operation on the secret because it was marked for deletion."
    again = "You tried to perform the operation on a secret that's currently marked deleted."
    for method, message in (
        ("create_secret", taken),
        ("delete_secret", again),
        ("get_secret_value", marked),
        ("put_secret_value", marked),
        ("update_secret", marked),
        ("update_secret_version_stage", marked),
    ):
        _refuse_deleted(method, message)


def _refuse_deleted(method: str, message: str) -> None:
    real = cast("Callable[..., object]", getattr(SecretsManagerBackend, method))

    # moto's responses name all parameters: the secret is `name` on creation, and `secret_id` afterwards.
    def call(backend: SecretsManagerBackend, **parameters: object) -> object:
        secret_id = str(parameters.get("name") or parameters.get("secret_id"))
        is_deleted = secret_id in backend.secrets and backend.secrets[secret_id].is_deleted()
        if is_deleted and not parameters.get("force_delete_without_recovery"):
            raise InvalidRequestException(message)
        return real(backend, **parameters)

    patch.object(SecretsManagerBackend, method, call).start()


def _clear_descriptions_of_secrets() -> None:
    """moto's UpdateSecret keeps the old description if the new one is empty."""
    update = cast("Callable[..., str]", SecretsManagerBackend.update_secret)

    def update_secret(backend: SecretsManagerBackend, **parameters: object) -> str:
        answer = update(backend, **parameters)
        secret = backend.secrets[str(parameters["secret_id"])]
        if parameters["description"] == "" and isinstance(secret, FakeSecret):
            secret.description = ""
        return answer

    patch.object(SecretsManagerBackend, "update_secret", update_secret).start()


def _follow_the_current_version() -> None:
    """moto keeps returning the version that was current before its stage was moved."""
    move = cast("Callable[..., tuple[str, str]]", SecretsManagerBackend.update_secret_version_stage)

    def update_secret_version_stage(backend: SecretsManagerBackend, **parameters: object) -> tuple[str, str]:
        is_current, version = parameters["version_stage"] == "AWSCURRENT", parameters["move_to_version_id"]
        if is_current and not version:
            raise InvalidParameterException(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be "
                "completely removed."
            )
        answer = move(backend, **parameters)
        secret = backend.secrets[str(parameters["secret_id"])]
        if is_current and isinstance(secret, FakeSecret):
            secret.set_default_version_id(str(version))
        return answer

    patch.object(SecretsManagerBackend, "update_secret_version_stage", update_secret_version_stage).start()
