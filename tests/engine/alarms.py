"""The AWS provider for stacks in YAML: its alarms, with the schema that the YAML language host asks for.

The schema is read off the Python SDK, which is generated from the provider's own; the alarms live in the
emulated AWS. It serves nothing else.
"""

import inspect
import json
import typing
from collections.abc import Mapping, Sequence

import grpc
import pulumi_aws as aws
from google.protobuf import empty_pb2
from pulumi import _types  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from common.json_values import Json, records, text, whole_numbers
from emulator.aws.cloud import Cloud
from engine import properties

TOKEN = "aws:cloudwatch/metricAlarm:MetricAlarm"  # noqa: S105
VERSION = "7.51.1"
KINDS: Mapping[object, dict[str, Json]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}


def schema() -> dict[str, Json]:
    """The provider's package schema, as far as alarms go."""
    arguments = aws.cloudwatch.MetricAlarmArgs
    names = _types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments).parameters.values()
    properties: dict[str, Json] = {names[p.name]: _kind(p.annotation) for p in parameters}
    resource: dict[str, Json] = {
        "inputProperties": properties,
        "properties": {**properties, "arn": {"type": "string"}},
        "required": ["arn"],
        "requiredInputs": ["comparisonOperator", "evaluationPeriods"],
    }
    return {"name": "aws", "version": VERSION, "resources": {TOKEN: resource}}


def _kind(hint: object) -> dict[str, Json]:
    """A property's type: the first plain one of the SDK's union."""
    for choice in (hint, *typing.get_args(hint)):
        if choice in KINDS:
            return KINDS[choice]
        origin, arguments = typing.get_origin(choice), typing.get_args(choice)
        if origin is Sequence:
            return {"type": "array", "items": _kind(arguments[0])}
        if origin is Mapping:
            return {"type": "object", "additionalProperties": _kind(arguments[1])}
    return {"$ref": "pulumi.json#/Any"}


class Alarms(provider_pb2_grpc.ResourceProviderServicer):
    """Makes and deletes alarms in one account and region."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema()))

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        same = request.old_inputs == request.news
        changes = provider_pb2.DiffResponse
        return changes(changes=changes.DIFF_NONE if same else changes.DIFF_SOME)

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        inputs = typing.cast("dict[str, Json]", properties.plain(properties.decode(request.properties)))
        region = inputs.pop("region", None)
        assert region == self._cloud.region
        self._cloud.call("cloudwatch", "PutMetricAlarm", api(inputs))
        (made,) = self.found(str(inputs["name"]))
        outputs: dict[str, Json] = {**inputs, "region": region, "arn": text(made, "AlarmArn")}
        return provider_pb2.CreateResponse(id=str(inputs["name"]), properties=properties.encode(outputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._cloud.call("cloudwatch", "DeleteAlarms", {"AlarmNames": [request.id]})
        return empty_pb2.Empty()

    def found(self, *names: str) -> list[dict[str, Json]]:
        """All alarms, or those with these names."""
        wanted: dict[str, Json] = {"AlarmNames": list(names)} if names else {}
        return records(self._cloud.call("cloudwatch", "DescribeAlarms", wanted), "MetricAlarms")


def api(inputs: Mapping[str, Json]) -> dict[str, Json]:
    """The parameters of PutMetricAlarm; botocore refuses any that CloudWatch doesn't know."""
    renamed = {"name": "AlarmName", "okActions": "OKActions"}
    parameters = {
        renamed.get(name, name[0].upper() + name[1:]): whole_numbers(value) for name, value in inputs.items()
    }
    dimensions = typing.cast("dict[str, Json]", parameters.pop("Dimensions"))
    pairs: list[Json] = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    return {**parameters, "Dimensions": pairs}
