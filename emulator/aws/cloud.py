"""One emulated AWS account in one region, and the guarantee that none of our calls reaches the real AWS."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import urlsplit

from common.json_values import Json, to_json
from common.loopback import is_loopback
from emulator.aws.errors import AwsError, NoHandlerError
from emulator.aws.regions import find_region

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.client import BaseClient
    from botocore.session import Session


# Not real credentials: botocore signs with these, so that it doesn't look for real ones.
ACCESS_KEY, SECRET_KEY = "EMULATED", "emulated"
DEFAULT_ACCOUNT = "123456789012"
"""The account that they act in."""

_SLOWEST_CALL = 900  # seconds; for a database with AWS's own latencies
_LONGEST_PAUSE = 0.5  # seconds between two attempts

# Services without regions: every region reaches the same data.
_GLOBAL_SERVICES = frozenset({"iam", "sts"})

_SERVICE_NAMES = {
    "ec2": "EC2",
    "eks": "EKS",
    "iam": "IAM",
    "iot": "IoT",
    "rds": "RDS",
    "secretsmanager": "Secrets Manager",
    "sts": "STS",
}


class OutsideWorldError(Exception):
    """A request was about to leave this machine, and was stopped."""


class Cloud:
    """One emulated account in one region.

    Its calls go to a moto server at `endpoint_url`, which must be on loopback, or to wherever `clients` sends
    them. `patience` is how long, in seconds, a handler repeats a call that the provider repeats because AWS
    is eventually consistent. `retries` is how many times at most the SDK makes a call that is throttled or
    gets a server error; `clients` have a setting of their own.
    """

    def __init__(  # noqa: PLR0913
        self,
        region: str,
        account_id: str,
        *,
        endpoint_url: str | None = None,
        clients: Clients | None = None,
        patience: float = 0,
        retries: int = 1,
    ) -> None:
        facts = find_region(region)
        self.region = region
        self.region_description = facts.description
        self.partition = facts.partition
        self.dns_suffix = facts.dns_suffix
        self.account_id = account_id
        self.patience = patience
        self._clients = clients or Clients(endpoint_url, retries=retries)
        self.lock = self._clients.lock
        """Held during each call to an account in this process (moto isn't thread-safe; its server has a lock
        of its own).

        Hold it across several calls to keep this process's other calls from coming between them.
        """

    def client(self, service: str) -> BaseClient:
        """The botocore client of a service; raises AwsError if the region doesn't offer the service."""
        return self._clients.get(service, self.region, self.partition, self.account_id)

    def call(self, service: str, operation: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        """Make one API call, such as `call("iam", "CreateRole", {"RoleName": …})`; returns the answer.

        botocore validates the parameters against AWS's service model first. Raises AwsError if AWS refuses,
        and NoHandlerError if moto doesn't implement the call.
        """
        from botocore import exceptions
        from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError

        client = self.client(service)
        method = _method(client, operation)
        try:
            with self._clients.calling:
                answer = method(**parameters)
        except ClientError as error:
            details = error.response.get("Error", {})
            code, message = details.get("Code", "Unknown"), details.get("Message", "").strip()
            if message == "Not yet implemented":  # moto's answer to a path that it doesn't know
                raise self._gap(service, operation) from error
            raise self.refuse(service, operation, code, message) from error
        except ParamValidationError as error:
            raise self.refuse(service, operation, "ParamValidationError", str(error)) from error
        except (exceptions.ConnectionError, HTTPClientError) as error:
            # The code that the provider's SDK uses.
            raise self.refuse(service, operation, "RequestError", f"send request failed: {error}") from error
        except NotImplementedError as error:
            raise self._gap(service, operation) from error
        return {key: to_json(value) for key, value in answer.items() if key != "ResponseMetadata"}

    def refuse(self, service: str, operation: str, code: str, message: str) -> AwsError:
        """An AwsError in AWS's own words, for what AWS refuses and moto doesn't."""
        return AwsError(
            service=_SERVICE_NAMES.get(service, service), operation=operation, code=code, message=message
        )

    def _gap(self, service: str, operation: str) -> NoHandlerError:
        name = _SERVICE_NAMES.get(service, service)
        return NoHandlerError(f"moto has no {name}: {operation}; emulate it in emulator/aws/{service}.py")

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in this account; IAM's have no region."""
        region = "" if service == "iam" else self.region
        return f"arn:{self.partition}:{service}:{region}:{self.account_id}:{resource}"

    def in_region(self, region: str) -> Cloud:
        """The same account in another region."""
        return Cloud(region, self.account_id, clients=self._clients, patience=self.patience)

    def in_account(self, account_id: str) -> Cloud:
        """The same region in another account."""
        return Cloud(self.region, account_id, clients=self._clients, patience=self.patience)


Answer = Callable[["AWSPreparedRequest"], "AWSResponse | None"]
"""Answers a request in place of the network; returns None if it can't."""


class Clients:
    """botocore clients by service, region and account, created on first use.

    Requests are answered by `answer`; those that it can't answer, and all of them if there is none, are sent
    only if they go to loopback. So nothing can ever reach the real AWS.

    A call is made up to `retries` times, as in the SDK's standard mode, but with short pauses.
    """

    def __init__(self, endpoint_url: str | None, answer: Answer | None = None, *, retries: int = 1) -> None:
        if endpoint_url is not None:
            require_loopback(endpoint_url)
        self._endpoint_url = endpoint_url
        self._answer = answer
        self._made: dict[tuple[str, str, str], BaseClient] = {}
        self._retries = retries
        self.lock = threading.RLock()
        self.calling: AbstractContextManager[object] = self.lock if answer else nullcontext()
        """Held during each call: moto in this process answers one at a time, its server many at once."""

    def get(self, service: str, region: str, partition: str, account_id: str) -> BaseClient:
        """The client; raises AwsError if the region doesn't offer the service."""
        key = (service, region, account_id)
        with self.lock:
            if key not in self._made:
                self._made[key] = self._make(service, region, partition, account_id)
            return self._made[key]

    def _make(self, service: str, region: str, partition: str, account_id: str) -> BaseClient:
        from botocore.config import Config

        session = botocore_session()
        if service not in _GLOBAL_SERVICES and region not in session.get_available_regions(
            service, partition
        ):
            raise AwsError(
                service=_SERVICE_NAMES.get(service, service),
                operation="any call",
                code="EndpointConnectionError",
                message=f"{_SERVICE_NAMES.get(service, service)} has no endpoint in {region} "
                "(according to botocore's endpoints.json)",
            )
        client = session.create_client(
            service,
            region_name=region,
            endpoint_url=self._endpoint_url or _endpoint_for_moto(service, region),
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(
                # Our own retries are added below; botocore's pause up to 20 seconds.
                retries={"total_max_attempts": 1},
                proxies={},
                # A call may answer only when AWS would be done; a timeout would make the SDK repeat it.
                read_timeout=_SLOWEST_CALL,
                max_pool_connections=50,
            ),
        )
        if self._retries > 1:
            _retry_soon(client, self._retries)

        def name_the_account(params: dict[str, dict[str, str]], **_: object) -> None:
            # moto's own way to tell accounts apart; AWS would derive the account from the credentials.
            params["headers"]["x-moto-account-id"] = account_id

        client.meta.events.register("before-call", name_the_account)
        # By the stubs, handlers return nothing; botocore takes what this one returns for AWS's answer.
        client.meta.events.register("before-send", cast("Callable[..., None]", self._gate))
        return client

    def _gate(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        """Answer a request from moto in this process, or let it go to this machine, or stop it."""
        answer = self._answer(request) if self._answer else None
        if answer is None:
            require_loopback(str(request.url))
        return answer


def _retry_soon(client: BaseClient, attempts: int) -> None:
    """Add the SDK's standard retries (throttling, 5xx, lost connections), at most half a second apart.

    Built as in botocore.retries.standard.register_retry_handler, which has no setting for the pause.
    """
    from botocore.retries import quota, standard

    class Backoff(standard.ExponentialBackoff):
        def delay_amount(self, context: standard.RetryContext) -> float:
            return min(super().delay_amount(context), _LONGEST_PAUSE)

    allowance = standard.RetryQuotaChecker(quota.RetryQuota())
    handler = standard.RetryHandler(
        retry_policy=standard.RetryPolicy(
            retry_checker=standard.StandardRetryConditions(max_attempts=attempts), retry_backoff=Backoff()
        ),
        retry_event_adapter=standard.RetryEventAdapter(),
        # The stubs name the wrong class.
        retry_quota=cast("quota.RetryQuota", allowance),
    )
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"after-call.{service}", allowance.release_retry_quota)
    # Before the handler for a single attempt, which botocore has registered for the same service.
    needs_retry = cast("Callable[..., None]", handler.needs_retry)
    client.meta.events.register_first(f"needs-retry.{service}", needs_retry)


def require_loopback(url: str) -> None:
    """Raises OutsideWorldError unless the URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if not is_loopback(host):
        raise OutsideWorldError(f"refused to send a request to {host}: the rehearsal talks to loopback only")


def _endpoint_for_moto(service: str, region: str) -> str | None:
    """For IAM, a host with the region: GovCloud's iam.us-gov.amazonaws.com gives moto the wrong partition."""
    return f"https://iam.{region}.amazonaws.com" if service == "iam" else None


class _Method(Protocol):
    def __call__(self, **parameters: Json) -> Mapping[str, object]: ...


def _method(client: BaseClient, operation: str) -> _Method:
    from botocore import xform_name

    # botocore generates these methods at run time from the service model.
    return cast(_Method, getattr(client, xform_name(operation)))


@cache
def botocore_session() -> Session:
    """One botocore session per process, so that each service model (up to a megabyte of JSON) is parsed once.

    It uses neither a profile nor a configuration file, whatever the environment says.
    """
    from botocore.session import Session

    nothing = (None, None, None, None)
    return Session(
        session_vars={
            "profile": nothing,
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "region": nothing,
            "data_path": nothing,
            "ca_bundle": nothing,
        }
    )


def fresh_id() -> str:
    """A random UUID, for client request tokens and association ids."""
    return str(uuid.uuid4())
