"""One handler per AWS resource type and look-up that the program uses; emulator/README.md says how."""

from emulator.aws import account, cloudwatch, ec2, eks, iam, iot, rds, secretsmanager
from emulator.aws.errors import AwsError, NoHandlerError, UnmappedInputError
from emulator.aws.handler import FunctionHandler, ResourceHandler, handler_file

__all__ = [
    "FUNCTION_TOKENS",
    "RESOURCE_TYPES",
    "TAGGABLE_TYPES",
    "AwsError",
    "FunctionHandler",
    "NoHandlerError",
    "ResourceHandler",
    "UnmappedInputError",
    "function_handler",
    "resource_handler",
]

_SERVICES = (cloudwatch, ec2, eks, iam, iot, rds, secretsmanager)
_RESOURCES = {handler.type: handler for service in _SERVICES for handler in service.RESOURCES}
_FUNCTIONS = {handler.token: handler for service in (account, *_SERVICES) for handler in service.FUNCTIONS}

RESOURCE_TYPES: frozenset[str] = frozenset(_RESOURCES)
FUNCTION_TOKENS: frozenset[str] = frozenset(_FUNCTIONS)
TAGGABLE_TYPES: frozenset[str] = frozenset[str]().union(*(service.TAGGABLE for service in _SERVICES))


def resource_handler(type_token: str) -> ResourceHandler:
    """The handler for a resource type such as "aws:iot/policy:Policy"; raises NoHandlerError."""
    if type_token not in _RESOURCES:
        raise NoHandlerError(
            f"no handler for resource type {type_token}: add one in {handler_file(type_token)}"
        )
    return _RESOURCES[type_token]


def function_handler(token: str) -> FunctionHandler:
    """The handler for a look-up such as "aws:eks/getCluster:getCluster"; raises NoHandlerError."""
    if token not in _FUNCTIONS:
        raise NoHandlerError(f"no handler for function {token}: add one in {handler_file(token)}")
    return _FUNCTIONS[token]
