"""What a rule is, and what it looks at."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from maestro_stack.schema import Json

SECRET = "[secret]"  # noqa: S105 stands for a value that is a Pulumi secret
"""Stands for a Pulumi secret: no rule ever sees its value."""
UNKNOWN = "[unknown]"
"""Stands for a value that isn't known."""
EVERY = "*"
"""All types, or all inputs."""


class Severity(StrEnum):
    """What a violation puts at risk, in Pulumi's severities. Each of them stops a deployment."""

    LOW = "low"
    """The work of the region's operators."""
    MEDIUM = "medium"
    """A later change, or one of several safeguards."""
    HIGH = "high"
    """Data or availability."""
    CRITICAL = "critical"
    """Access: someone can read or do what they must not."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What a rule knows besides the resource."""

    cluster_name: str
    is_production: bool


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource that the program declares."""

    type: str
    """Pulumi's type token."""
    name: str
    """Logical name."""
    inputs: Mapping[str, Json]
    """As sent to the provider, each secret as SECRET."""
    protect: bool


Check = Callable[[Resource, Circumstances], Iterable[str]]
"""What is wrong with a resource, one sentence per problem; nothing if the rule holds."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Something that must hold for every resource of certain types."""

    name: str
    """In kebab case; `policies.exceptions` in the stack file refer to it."""
    requires: str
    """What must hold, as a sentence."""
    severity: Severity
    reads: Mapping[str, tuple[str, ...]]
    """For each type, the inputs that it looks at, as dotted paths; it doesn't apply to other types."""
    check: Check
    remedy: str
    """What to do about a violation."""
    source: str
    """Where the rule comes from."""
    in_production_only: bool = False
    setting: str | None = None
    """The setting that breaks it on purpose: acknowledging the setting makes an exception to the rule."""

    def inputs_read(self, type_: str) -> tuple[str, ...] | None:
        """The inputs of a type that it looks at; None if it doesn't look at the type."""
        return self.reads.get(type_, self.reads.get(EVERY))

    def reads_unknown(self, resource: Resource) -> bool:
        """Whether the rule looks at an input of the resource that isn't known."""
        paths = self.inputs_read(resource.type) or ()
        return any(UNKNOWN in _texts(_at(resource.inputs, path)) for path in paths if path != EVERY)

    def applies(self, type_: str, circumstances: Circumstances) -> bool:
        """Whether it applies to resources of a type."""
        if self.in_production_only and not circumstances.is_production:
            return False
        return self.inputs_read(type_) is not None


def _at(inputs: Mapping[str, Json], path: str) -> Json:
    """The value at a dotted path; the parts of an unknown object are unknown too."""
    value: Json = dict(inputs)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else value if value == UNKNOWN else None
    return value


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)
