"""What a run of the program registered: resources, outputs, messages and failures, as plain values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from common.json_values import Json
from policies.rule import SECRET

MASK = SECRET
STACK_TYPE = "pulumi:pulumi:Stack"


def qualified(type_: str, parent: str) -> str:
    """A resource's type as in its URN, after those of its ancestors; `parent` is a URN, or empty.

    Source: pulumi sdk/go/common/resource/urn/urn.go (New).
    """
    above = parent.split("::")[2] if parent else ""
    return f"{above}${type_}" if above not in ("", STACK_TYPE) else type_


class UnverifiedError(LookupError):
    """What was asked for was registered, but its outcome can't be known here; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registered resource, as the engine would have it in state."""

    urn: str
    type: str
    name: str
    parent: str | None
    """URN; None for the stack itself."""
    id: str
    """Physical id; empty for components, and in previews."""
    inputs: Mapping[str, Json] = field(repr=False)
    """As sent to the provider, secrets in the clear."""
    shown_inputs: Mapping[str, Json]
    """The same with each secret masked: what the state, a diff and a person see."""
    outputs: Mapping[str, Json] = field(repr=False)
    dependencies: frozenset[str]
    """URNs that must exist before it, its parents included."""
    protect: bool
    delete_before_replace: bool
    options: Mapping[str, Json]
    """The other resource options that are set, except the parent, as the protocol names them."""
    replacement_trigger: Json
    """A new value replaces it; None if only its inputs do."""
    is_component: bool
    unverified: str
    """Why its outcome can't be known here; empty if a provider knows it."""

    @property
    def title(self) -> str:
        """Its type and logical name, for a person."""
        return f"{self.type} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A resource that a provider refused."""

    urn: str
    message: str
    is_surroundings: bool
    """Refused because of what was there before, not because of the plan."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the program."""

    resources: tuple[Resource, ...]
    """In the order of registration; a parent precedes its children."""
    outputs: Mapping[str, Json]
    secret_outputs: frozenset[str]
    messages: tuple[str, ...]
    """Everything logged."""
    warnings: tuple[str, ...]
    """The warnings among them."""
    failures: tuple[Failure, ...]
    secrets: frozenset[str] = field(repr=False)
    """Values that must not show anywhere: the configuration's secrets and what providers mark as such."""

    def of_type(self, type_: str) -> tuple[Resource, ...]:
        """The resources of a type."""
        return tuple(resource for resource in self.resources if resource.type == type_)

    def one(self, type_: str, name: str | None = None) -> Resource:
        """The one resource of a type (and logical name). Raises LookupError."""
        found = [r for r in self.of_type(type_) if name is None or r.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources of type {type_}{f' named {name}' if name else ''}")
        return found[0]

    def require_known(self, *types: str) -> None:
        """Raises UnverifiedError if the outcome of a resource of one of these types can't be known here."""
        for resource in self.resources:
            if resource.type in types and resource.unverified:
                raise UnverifiedError(f"{resource.title}: {resource.unverified}")

    def by_urn(self, urn: str) -> Resource:
        """The resource with this URN."""
        return next(resource for resource in self.resources if resource.urn == urn)

    def needs(self, resource: Resource) -> frozenset[str]:
        """URNs that must exist before `resource`, transitively."""
        known = {r.urn: r for r in self.resources}
        seen: set[str] = set()
        waiting = list(resource.dependencies)
        while waiting:
            urn = waiting.pop()
            if urn in seen or urn not in known:
                continue
            seen.add(urn)
            waiting += known[urn].dependencies
        return frozenset(seen)

    def children(self, urn: str | None) -> Iterator[Resource]:
        """Resources directly under a parent."""
        return (resource for resource in self.resources if resource.parent == urn)
