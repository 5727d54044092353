"""The longest chain of dependencies in a stack: no tool can finish sooner than that."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from common.json_values import Json, record, records, text, texts


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource in a state, and what must exist before it."""

    urn: str
    type: str
    needs: frozenset[str]
    """URNs: dependencies, parent and provider."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Resources that wait for each other."""

    seconds: float
    urns: tuple[str, ...]
    """First to last."""


def resources(state: Mapping[str, Json]) -> tuple[Resource, ...]:
    """The resources in an exported state (`pulumi stack export`), except those to be deleted."""
    found = records(record(state, "deployment"), "resources")
    return tuple(_resource(each) for each in found if each.get("delete") is not True)


def critical_path(
    graph: Collection[Resource], takes: Callable[[Resource], float], *, to: str | None = None
) -> Chain:
    """The chain that takes longest, or the longest that ends with the resource `to`.

    Raises ValueError if the resources wait for each other in a circle.
    """
    by_urn = {resource.urn: resource for resource in graph}
    entered: set[str] = set()

    @cache
    def until(urn: str) -> Chain:
        if urn in entered:
            raise ValueError(f"{urn} waits for itself")
        entered.add(urn)
        # Nothing waits for what isn't in the graph, such as a deleted resource.
        before = _longest(until(need) for need in sorted(by_urn[urn].needs & by_urn.keys()))
        return Chain(seconds=before.seconds + takes(by_urn[urn]), urns=(*before.urns, urn))

    return _longest(until(urn) for urn in ([to] if to else by_urn))


def _longest(chains: Iterable[Chain]) -> Chain:
    return max(chains, key=lambda chain: chain.seconds, default=Chain(seconds=0, urns=()))


def _resource(found: Mapping[str, Json]) -> Resource:
    by_property = record(found, "propertyDependencies")
    provider = text(found, "provider").rpartition("::")[0]
    needs = {
        *texts(found, "dependencies"),
        *(urn for key in by_property for urn in texts(by_property, key)),
        text(found, "parent"),
        provider,
    }
    return Resource(urn=text(found, "urn"), type=text(found, "type"), needs=frozenset(needs - {""}))
