"""The account, as the stack's own AWS provider sees it; read only."""

import json
import threading
from collections.abc import Mapping
from typing import Protocol, cast

import boto3
from botocore import exceptions, xform_name
from botocore.client import BaseClient
from botocore.config import Config

from common.json_values import Json, records, to_json
from doctor.calls import AWS_CALLS
from doctor.errors import AwsError, RefusedError, UnaskedError
from doctor.memo import Memo

# Throttled calls are retried, up to five attempts in all. Source: boto3, "Retries", standard mode.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=32,
)
_DENIED = ("accessdenied", "unauthorized", "notauthorized", "authorizationerror", "forbidden")


class Aws:
    """One account in one region. Any thread may use it."""

    def __init__(self, session: boto3.session.Session) -> None:
        self.session = session
        self._lock = threading.Lock()
        self._clients: dict[str, BaseClient] = {}
        self._once = Memo[dict[str, Json]]()

    def call(self, action: str, **parameters: Json) -> dict[str, Json]:
        """The answer to a call such as "eks:DescribeCluster", with all pages merged.

        Raises:
            RefusedError: this identity may not make it.
            AwsError: AWS refused it for another reason.
            UnaskedError: AWS can't be reached.
        """
        if action not in AWS_CALLS:
            raise ValueError(f"{action} isn't in doctor/calls.py")
        key = (action, json.dumps(parameters, sort_keys=True))
        return self._once(key, lambda: self._call(action, parameters))

    def records(self, action: str, member: str, **parameters: Json) -> list[dict[str, Json]]:
        """The objects in one list of the answer. Raises as `call` does."""
        return records(self.call(action, **parameters), member)

    def _call(self, action: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        service, _, operation = action.partition(":")
        try:
            client = self._client(service)
            if client.can_paginate(xform_name(operation)):
                pages = client.get_paginator(xform_name(operation)).paginate(**parameters)
                answer = cast("Mapping[str, object]", pages.build_full_result())
            else:
                answer = _method(client, operation)(**parameters)
        except exceptions.ClientError as error:
            raise _refusal(action, error) from None
        except exceptions.ParamValidationError as error:
            raise UnaskedError(f"{action}: {error}") from None
        except (exceptions.BotoCoreError, exceptions.HTTPClientError, RuntimeError) as error:
            # The last is how botocore says that credentials have expired.
            raise UnaskedError(f"{action}: {error}") from None
        return {key: to_json(value) for key, value in answer.items() if key != "ResponseMetadata"}

    def _client(self, service: str) -> BaseClient:
        with self._lock:  # boto3 sessions aren't thread-safe; clients are
            if service not in self._clients:
                # The stubs have one overload per service.
                make = cast("_MakeClient", self.session.client)  # pyright: ignore[reportUnknownMemberType]
                self._clients[service] = make(service, config=_CONFIG)
            return self._clients[service]


class _MakeClient(Protocol):
    def __call__(self, service: str, *, config: Config) -> BaseClient: ...


class _Method(Protocol):
    def __call__(self, **parameters: Json) -> Mapping[str, object]: ...


def _method(client: BaseClient, operation: str) -> _Method:
    return cast(_Method, getattr(client, xform_name(operation)))  # made at run time, from the service model


def _refusal(action: str, error: exceptions.ClientError) -> UnaskedError:
    details = error.response.get("Error", {})
    code, message = details.get("Code", "Unknown"), details.get("Message", "").strip()
    if any(word in code.lower() for word in _DENIED):
        return RefusedError(action)
    return AwsError(action, code, message)
