"""The policy pack, asked over Pulumi's analyzer protocol about what the program really registers.

The CLI starts a pack through its language plugin; here the test does what that plugin and the engine do.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from common.json_values import Json, merged, record, records, text
from engine.project import load_stack, write_config
from engine.properties import SECRET, SIGNATURE, UNKNOWN
from engine.run import MASK, Resource
from policies import types
from policies.rules import RULES
from rehearsal.rehearse import rehearse
from tests.checkouts import ROOT

CONFIG: Mapping[str, Json] = {
    "aws:region": "us-east-1",
    "maestro-stack:clusterName": "regional-xyz",
    "maestro-stack:profile": "production",
}
PASSWORD = "the-very-password"  # noqa: S105 what no message may hold


Ask = Callable[[Message], Message]


class Pack:
    """A running pack."""

    def __init__(self, channel: grpc.Channel) -> None:
        analyzer = analyzer_pb2_grpc.AnalyzerStub(channel)
        # The SDK's stubs don't say what these take and return.
        self._info = cast(Ask, analyzer.GetAnalyzerInfo)  # pyright: ignore[reportUnknownMemberType]
        self._analyze = cast(Ask, analyzer.Analyze)  # pyright: ignore[reportUnknownMemberType]
        self._analyze_stack = cast(Ask, analyzer.AnalyzeStack)  # pyright: ignore[reportUnknownMemberType]

    def policies(self) -> list[str]:
        return [text(policy, "name") for policy in _listed(self._info(empty_pb2.Empty()), "policies")]

    def judge(self, resource: Resource) -> dict[str, str]:
        """By policy, what it says about a resource."""
        answer = self._analyze(
            analyzer_pb2.AnalyzeRequest(
                type=resource.type,
                urn=resource.urn,
                name=resource.name,
                properties=_struct(resource),
                options=analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect),
            )
        )
        return {text(d, "policyName"): text(d, "message") for d in _listed(answer, "diagnostics")}

    def judge_stack(self, resources: Iterable[Resource]) -> list[str]:
        """What it says about all of them together."""
        answer = self._analyze_stack(
            analyzer_pb2.AnalyzeStackRequest(
                resources=[
                    analyzer_pb2.AnalyzerResource(
                        type=resource.type,
                        urn=resource.urn,
                        name=resource.name,
                        properties=_struct(resource),
                        options=analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect),
                    )
                    for resource in resources
                ]
            )
        )
        return [text(diagnostic, "message") for diagnostic in _listed(answer, "diagnostics")]


def _listed(answer: Message, key: str) -> list[dict[str, Json]]:
    return records(cast("dict[str, Json]", json_format.MessageToDict(answer)), key)


def _struct(resource: Resource) -> struct_pb2.Struct:
    """The inputs as the engine sends them: a secret is marked, and in the clear."""

    def marked(value: Json) -> Json:
        match value:
            case dict():
                return {key: marked(inner) for key, inner in value.items()}
            case list():
                return [marked(item) for item in value]
            case str() if value == MASK:
                return {SIGNATURE: SECRET, "value": PASSWORD}
            case _:
                return value

    struct = struct_pb2.Struct()
    struct.update({key: marked(value) for key, value in resource.shown_inputs.items()})
    return struct


@contextmanager
def _started(config: Mapping[str, Json]) -> Generator[Pack]:
    """The pack, given a stack's configuration as the engine gives it."""
    flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    environment = {**os.environ, "PULUMI_CONFIG": json.dumps(flat)}
    # Unbuffered: the SDK doesn't flush the output after it prints the port.
    command = [sys.executable, "-u", ROOT / "policies/pack"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield Pack(channel)
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def pack() -> Iterator[Pack]:
    with _started(CONFIG) as pack:
        yield pack


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Resource, ...]:
    """What a production stack registers."""
    file = tmp_path_factory.mktemp("stack") / "Pulumi.test.yaml"
    write_config(file, CONFIG)
    stack = load_stack(ROOT, name="test", file=file)
    rehearsed = rehearse(stack, world=None, progress=lambda _: None)
    return tuple(resource for resource in rehearsed.update.resources if not resource.is_component)


def _changed(resources: Iterable[Resource], type_: str, inputs: Mapping[str, Json]) -> Resource:
    """The first resource of a type with other inputs."""
    resource = next(each for each in resources if each.type == type_)
    return replace(resource, shown_inputs=merged(resource.shown_inputs, inputs))


def test_the_pack_has_every_rule_and_one_about_exceptions(pack: Pack) -> None:
    assert pack.policies() == [*(rule.name for rule in RULES), "no-unused-exceptions"]


def test_the_pack_has_nothing_against_what_a_production_stack_registers(
    pack: Pack, registered: tuple[Resource, ...]
) -> None:
    assert {types.INSTANCE, types.RELEASE, types.IOT_POLICY} <= {each.type for each in registered}
    assert {each.urn: found for each in registered if (found := pack.judge(each))} == {}
    assert pack.judge_stack(registered) == []


def test_the_pack_says_what_is_wrong_and_what_to_do(pack: Pack, registered: tuple[Resource, ...]) -> None:
    found = pack.judge(_changed(registered, types.INSTANCE, {"publiclyAccessible": True, "multiAz": False}))
    assert set(found) == {"no-public-database", "standby-in-production"}
    assert "it has a public address. Remove publicly_accessible." in found["no-public-database"]


def test_a_resource_that_is_not_protected_is_found(pack: Pack, registered: tuple[Resource, ...]) -> None:
    instance = replace(_changed(registered, types.INSTANCE, {}), protect=False)
    assert set(pack.judge(instance)) == {"protected-in-production"}


def test_a_dev_stack_is_judged_as_one(registered: tuple[Resource, ...]) -> None:
    with _started({**CONFIG, "maestro-stack:profile": "dev"}) as pack:
        assert pack.judge(_changed(registered, types.INSTANCE, {"multiAz": False})) == {}


def test_an_exception_of_the_stack_file_excuses_its_resource_and_an_unused_one_is_reported(
    registered: tuple[Resource, ...],
) -> None:
    exceptions: list[Json] = [
        {"rule": "standby-in-production", "resource": "instance", "reason": "load test"},
        {"rule": "required-tags", "resource": "role", "reason": "none"},
        {"rule": "no-such-rule", "resource": "role", "reason": "none"},
    ]
    config: dict[str, Json] = {**CONFIG, "maestro-stack:policies": {"exceptions": exceptions}}
    with _started(config) as pack:
        weak = _changed(registered, types.INSTANCE, {"multiAz": False})
        assert pack.judge(weak) == {}
        others = [each for each in registered if each.type != types.INSTANCE]
        unused, unknown = pack.judge_stack([*others, weak])
    assert "policies.exceptions[1]: required-tags holds for role" in unused
    assert "policies.exceptions[2]: there is no rule no-such-rule" in unknown


def test_what_a_preview_does_not_know_is_reported_as_unknown_and_not_guessed(
    pack: Pack, registered: tuple[Resource, ...]
) -> None:
    policy = pack.judge(_changed(registered, types.ROLE_POLICY, {"policy": UNKNOWN}))
    assert set(policy) == {"no-wildcard-permissions"}
    assert "can't be known during preview" in policy["no-wildcard-permissions"]
    release = _changed(registered, types.RELEASE, {})
    values = record(release.shown_inputs, "values")
    annotated = merged(record(values, "deployment"), {"podAnnotations": {"a": UNKNOWN}})
    unknown = _changed(registered, types.RELEASE, {"values": merged(values, {"deployment": annotated})})
    assert pack.judge(unknown) == {}


def test_no_message_holds_a_secret_and_a_secret_is_not_taken_for_plain_text(
    pack: Pack, registered: tuple[Resource, ...]
) -> None:
    secret = _changed(registered, types.SECRET, {"name": MASK, "description": MASK})
    found = pack.judge(secret)
    assert set(found) == {"secrets-under-prefix"}
    assert PASSWORD not in "".join(found.values())
    plain = pack.judge(_changed(registered, types.INSTANCE, {"password": PASSWORD}))
    assert set(plain) == {"no-plain-secrets"}
    assert PASSWORD not in "".join(plain.values())


def test_a_configuration_that_the_program_refuses_is_not_judged(registered: tuple[Resource, ...]) -> None:
    with _started({"aws:region": "us-east-1"}) as pack:
        assert pack.judge(_changed(registered, types.INSTANCE, {"publiclyAccessible": True})) == {}
