"""The stack's outputs: a versioned contract, defined once.

`MaestroOutputs` exports them, documents them (docs/outputs.md and the files beside it are generated from it)
and reads them in other stacks. Nothing in it is secret: consumers get ARNs. This module and what it imports
use only pulumi and the standard library; they are what `pip install` of this repository installs.

region = MaestroOutputs.from_stack(pulumi.StackReference("organization/maestro-stack/us-east-1"))
region.maestro_iot_mqtt_endpoint        # pulumi.Output[str]
region.agent("mc-east").policy          # the IoT policy of that consumer's agent, as JSON
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import NoneType
from typing import Annotated, Self, TypeVar, cast, get_args, get_origin, get_type_hints

import pulumi

from maestro_stack.errors import OutputsError, Problem
from maestro_stack.mqtt import Agent, Mqtt

T = TypeVar("T")

CONTRACT_VERSION = 1
"""Incremented when an output is removed or changes its meaning or type, but not when one is added."""
VERSION_OUTPUT = "maestro_contract_version"
INSTALL_OUTPUT = "maestro_server_install"


@dataclass(frozen=True)
class Example:
    """What an output's value looks like, and when it is exported."""

    example: str | int | Mapping[str, object]
    since: str = "0.1.0"
    """First release of maestro-stack that exports it."""
    install: str | None = None
    """The `server.install` with which it is exported; None: with all."""


@dataclass(frozen=True, kw_only=True)
class AgentOutputs:
    """Names and rights of one consumer's agent on the region's broker."""

    client_id: pulumi.Output[str]
    """MQTT client id. An agent appends `-client` to what it is given: see `cloudevents_client_id`."""
    cloudevents_client_id: pulumi.Output[str]
    """What the agent's flag `--cloudevents-client-id` takes."""
    source_events_topic: pulumi.Output[str]
    """Topic on which the agent receives its work."""
    agent_events_topic: pulumi.Output[str]
    """Topic to which the agent publishes its status."""
    policy_name: pulumi.Output[str]
    """Physical name of the agent's IoT policy."""
    policy: pulumi.Output[str]
    """The agent's IoT policy, as JSON: this client id and these topics, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class MaestroOutputs:
    """What a region's stack tells other stacks."""

    cluster_name: Annotated[pulumi.Output[str], Example("regional-xyz")]
    """EKS cluster, and prefix of the secrets."""
    maestro_contract_version: Annotated[pulumi.Output[int], Example(CONTRACT_VERSION)]
    """Version of this contract."""
    maestro_region: Annotated[pulumi.Output[str], Example("us-east-1")]
    """AWS region of everything below."""
    maestro_iot_mqtt_endpoint: Annotated[
        pulumi.Output[str], Example("a1b2c3d4e5f6g7-ats.iot.us-east-1.amazonaws.com")
    ]
    """MQTT broker: host of the account's Data-ATS endpoint, without port."""
    maestro_iot_mqtt_port: Annotated[pulumi.Output[int], Example(8883)]
    """MQTT port, for mutual TLS."""
    maestro_mqtt_source_id: Annotated[pulumi.Output[str], Example("maestro")]
    """Source id: prefix of topics and client ids."""
    maestro_mqtt_source_events_topic: Annotated[
        pulumi.Output[str], Example("sources/maestro/consumers/+/sourceevents")
    ]
    """Topic for a consumer's work; `+` stands for the consumer's name."""
    maestro_mqtt_agent_events_topic: Annotated[
        pulumi.Output[str], Example("sources/maestro/consumers/+/agentevents")
    ]
    """Topic for a consumer's status; `+` stands for the consumer's name."""
    maestro_iot_policy_name: Annotated[pulumi.Output[str], Example("maestro-server")]
    """IoT policy of the server."""
    maestro_iot_policy_arn: Annotated[
        pulumi.Output[str], Example("arn:aws:iot:us-east-1:123456789012:policy/maestro-server")
    ]
    """The same policy's ARN."""
    maestro_iot_certificate_id: Annotated[pulumi.Output[str], Example("4f2a…")]
    """IoT certificate of the server; changes with `rotation.certificate`."""
    maestro_iot_certificate_arn: Annotated[
        pulumi.Output[str], Example("arn:aws:iot:us-east-1:123456789012:cert/4f2a…")
    ]
    """The same certificate's ARN."""
    maestro_database_address: Annotated[
        pulumi.Output[str], Example("maestro-regional-xyz.abcdefghijkl.us-east-1.rds.amazonaws.com")
    ]
    """Database host, without port."""
    maestro_database_port: Annotated[pulumi.Output[int], Example(5432)]
    """Database port."""
    maestro_database_name: Annotated[pulumi.Output[str], Example("maestro")]
    """Database on the instance."""
    maestro_database_instance_id: Annotated[pulumi.Output[str], Example("maestro-regional-xyz")]
    """RDS instance identifier."""
    maestro_server_mqtt_cert_secret_name: Annotated[
        pulumi.Output[str], Example("regional-xyz/maestro/server-mqtt-cert")
    ]
    """Secret with the server's MQTT certificate, key and CA."""
    maestro_server_mqtt_cert_secret_arn: Annotated[
        pulumi.Output[str],
        Example(
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:regional-xyz/maestro/server-mqtt-cert-a1B2c3"
        ),
    ]
    """The same secret's ARN."""
    maestro_db_credentials_secret_name: Annotated[
        pulumi.Output[str], Example("regional-xyz/maestro/db-credentials")
    ]
    """Secret with the database's address and credentials."""
    maestro_db_credentials_secret_arn: Annotated[
        pulumi.Output[str],
        Example(
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:regional-xyz/maestro/db-credentials-a1B2c3"
        ),
    ]
    """The same secret's ARN."""
    maestro_role_name: Annotated[pulumi.Output[str], Example("maestro-server-regional-xyz-us-east-1")]
    """IAM role of the server's pods."""
    maestro_role_arn: Annotated[
        pulumi.Output[str], Example("arn:aws:iam::123456789012:role/maestro-server-regional-xyz-us-east-1")
    ]
    """The same role's ARN."""
    maestro_server_install: Annotated[pulumi.Output[str], Example("pulumi")]
    """Who installs the chart: `pulumi` or something `external`."""
    maestro_namespace: Annotated[pulumi.Output[str], Example("maestro")]
    """Kubernetes namespace of the server."""
    maestro_release_name: Annotated[pulumi.Output[str | None], Example("maestro-server", install="pulumi")]
    """Helm release."""
    maestro_release_revision: Annotated[pulumi.Output[int | None], Example(1, install="pulumi")]
    """Helm release revision."""
    maestro_release_status: Annotated[pulumi.Output[str | None], Example("deployed", install="pulumi")]
    """Helm release status."""
    maestro_chart_version: Annotated[pulumi.Output[str | None], Example("0.1.0", install="pulumi")]
    """Version of the chart installed."""
    maestro_chart_values: Annotated[
        pulumi.Output[dict[str, object] | None],
        Example({"clusterName": "regional-xyz"}, install="external"),
    ]
    """All chart values that this region needs, for Argo CD or `helm install --values`."""
    maestro_http_address: Annotated[pulumi.Output[str], Example("http://maestro.maestro.svc:8000")]
    """REST API, inside the cluster. Unauthenticated: the chart's network policy decides who reaches it."""
    maestro_grpc_address: Annotated[pulumi.Output[str], Example("maestro-grpc.maestro.svc:8090")]
    """CloudEvents gRPC service, inside the cluster. Unauthenticated, like the REST API."""

    def export(self, *, install: str) -> None:
        """Export those that the stack has with this `server.install`."""
        for output in contract():
            if output.install in (None, install):
                pulumi.export(output.name, getattr(self, output.name))

    @classmethod
    def from_stack(cls, reference: pulumi.StackReference) -> Self:
        """The outputs of a region's stack, in a stack that builds on it.

        They are checked as a whole, before any of them has a value: a stack whose exports don't match this
        contract ends the program with an `OutputsError`, which lists everything that is wrong. In a preview,
        the outputs of a stack that has none yet are unknown, and a warning says so. Those that exist with
        only one `server.install` are None with the other.
        """
        checked = pulumi.Output.all(reference.name, reference.outputs).apply(_checked)

        def value(name: str) -> pulumi.Output[object]:
            return checked.apply(lambda values: values.get(name))

        return cls(**{output.name: value(output.name) for output in fields(cls)})  # type: ignore[arg-type]

    def agent(self, consumer: str) -> AgentOutputs:
        """Names and rights of one consumer's agent on this region's broker.

        Raises:
            ValueError: the consumer's name isn't one that Maestro accepts (`mqtt.consumer_problem`).
        """
        agent = self.maestro_mqtt_source_id.apply(lambda source_id: Mqtt(source_id).agent(consumer))
        Mqtt("any").agent(consumer)  # refuses a wrong name at once, not only when the region is known

        def named(of: Callable[[Agent], str]) -> pulumi.Output[str]:
            return agent.apply(of)

        return AgentOutputs(
            client_id=named(lambda a: a.client_id),
            cloudevents_client_id=named(lambda a: a.cloudevents_client_id),
            source_events_topic=named(lambda a: a.source_events),
            agent_events_topic=named(lambda a: a.agent_events),
            policy_name=named(lambda a: a.policy_name),
            policy=pulumi.Output.all(agent, self.maestro_iot_policy_arn).apply(
                lambda both: json.dumps(cast(Agent, both[0]).policy(**_place(cast(str, both[1]))))
            ),
        )


def _place(arn: str) -> dict[str, str]:
    """Partition, region and account of an ARN."""
    _, partition, _, region, account_id, _ = arn.split(":", 5)
    return {"partition": partition, "region": region, "account_id": account_id}


# --- reading --------------------------------------------------------------------------------------

_TYPES: Mapping[str, type] = {"string": str, "integer": int, "object": dict}
_WORDS = (
    (bool, "a boolean"),
    (str, "a string"),
    (int | float, "a number"),
    (list, "a list"),
    (dict, "an object"),
)


def _checked(read: list[object]) -> dict[str, object] | pulumi.Output[dict[str, object]]:
    """The outputs in their types, from the stack's name and what the engine read from it."""
    stack, values = cast(str, read[0]), cast(dict[str, object] | None, read[1]) or {}
    if not values and pulumi.runtime.is_dry_run():
        pulumi.log.warn(f"{stack} has no outputs yet: what depends on them is unknown in this preview.")
        return _unknown()
    values = cast(dict[str, object], _whole(values))
    if problems := problems_of(stack, values):
        raise OutputsError(problems)
    return values


def _whole(value: object) -> object:
    """Whole numbers become integers again: the engine's numbers are all floats."""
    if isinstance(value, dict):
        return {key: _whole(below) for key, below in cast(dict[str, object], value).items()}
    if isinstance(value, list):
        return [_whole(below) for below in cast(list[object], value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unknown() -> pulumi.Output[dict[str, object]]:
    async def resolved(value: T) -> T:
        return value

    return pulumi.Output(set(), resolved(cast(dict[str, object], {})), resolved(value=False))


def problems_of(stack: str, values: Mapping[str, object]) -> list[Problem]:
    """All differences between a stack's outputs and this contract; whole numbers are integers in `values`."""
    if not values:
        problem = "has no outputs: it was never deployed, or it was destroyed"
        return [Problem(key=stack, problem=problem, example=f"deploy it: pulumi up --stack {stack}")]
    if VERSION_OUTPUT not in values:
        there = ", ".join(sorted(values)[:5]) + (", …" if len(values) > 5 else "")
        problem = f"is not a stack of maestro-stack: it exports {there}, and no {VERSION_OUTPUT}"
        example = "name a region's stack, for example: ORGANIZATION/maestro-stack/us-east-1"
        return [Problem(key=stack, problem=problem, example=example)]
    version = values[VERSION_OUTPUT]
    is_newer = isinstance(version, int) and version > CONTRACT_VERSION
    return [
        *_version_problems(stack, version),
        *(
            _missing(output, is_newer=is_newer)
            if output.name not in values
            else Problem(
                key=output.name,
                problem=f"is {_word(values[output.name])}, and must be {_article(output.type)}",
                example=f"{stack} was not written by maestro-stack; example of a value: {output.example}",
            )
            for output in contract()
            if output.install in (None, values.get(INSTALL_OUTPUT))
            if not _is(output.type, values.get(output.name))
        ),
    ]


def _version_problems(stack: str, version: object) -> list[Problem]:
    if not isinstance(version, int) or isinstance(version, bool) or version == CONTRACT_VERSION:
        return []
    age, example = (
        ("newer", "install the release of maestro-stack that the region runs")
        if version > CONTRACT_VERSION
        else ("older", f"update the region, or install the release of maestro-stack that {stack} runs")
    )
    problem = f"is {version}, which is {age} than this reader's, {CONTRACT_VERSION}"
    return [Problem(key=VERSION_OUTPUT, problem=problem, example=example)]


def _missing(output: "Row", *, is_newer: bool) -> Problem:
    if is_newer:
        return Problem(
            key=output.name,
            problem="is missing: the newer contract no longer has it",
            example="docs/outputs.md of the region's release says what replaces it",
        )
    return Problem(
        key=output.name,
        problem=f"is missing: maestro-stack {output.since} was the first to export it",
        example=f"update the region to {output.since} or later, or install the region's release here; "
        "if they already match, an update with --target or --exclude left it out",
    )


def _is(type_: str, value: object) -> bool:
    return isinstance(value, _TYPES[type_]) and not isinstance(value, bool)


def _word(value: object) -> str:
    """The type of a value in words; the value itself may be a secret."""
    return next((word for kind, word in _WORDS if isinstance(value, kind)), "null")


def _article(type_: str) -> str:
    return f"an {type_}" if type_[0] in "aeiou" else f"a {type_}"


# --- the model, read ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Row(Example):
    """One row of the contract."""

    name: str
    type: str
    """`string`, `integer` or `object`."""


@cache
def contract() -> tuple[Row, ...]:
    """Every output, in order."""
    types = {type_: name for name, type_ in _TYPES.items()}
    rows: list[Row] = []
    for name, hint in get_type_hints(MaestroOutputs, include_extras=True).items():
        output, example = cast(tuple[object, Example], get_args(hint))
        (type_,) = get_args(output)
        if NoneType in get_args(type_):  # X | None
            type_ = get_args(type_)[0]
        rows.append(Row(name=name, type=types[get_origin(type_) or type_], **vars(example)))
    return tuple(rows)
