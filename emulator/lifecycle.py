"""What every provider's resources have in common: state, and what a changed input does to it.

A handler's table names each input that it knows and what changing it does. `difference` uses it to compare a
program's inputs with the state, as Pulumi's bridge to the Terraform providers does: with what was read back,
so that drift found by a refresh is a difference, too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

from common.json_values import Json


class Change(Enum):
    """What changing one input does to the resource."""

    UPDATE = "updated in place"
    REPLACE = "replaced"
    STATE = "kept in state for later calls"
    """No call is made: the input only affects later updates or the deletion."""


@dataclass(frozen=True)
class State:
    """A resource as its provider reports it; the outputs, in camelCase, include the inputs."""

    id: str
    outputs: dict[str, Json]


Kind = Literal["add", "delete", "update"]
"""What happens to a value."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The inputs in which a program's resource differs from its state, as paths."""

    updates: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict[str, Kind])
    """By path; for other paths, it follows from state and inputs."""
    listed: tuple[str, ...] | None = None
    """The inputs that the provider lists in place of the paths; None: it lists the paths."""

    def __bool__(self) -> bool:
        return bool(self.updates or self.replaces)


@dataclass(frozen=True, kw_only=True)
class Table:
    """How a provider treats the inputs of one resource type."""

    source: str
    """The provider's source file that says so."""
    changes: Mapping[str, Change]
    """Every known input, in camelCase, and what changing it does."""
    defaults: Mapping[str, Json]
    """The values of inputs that aren't set; those without a default count as empty."""
    computed: frozenset[str]
    """Inputs that the service fills in if the program doesn't set them: not setting them is no change."""


Same = Callable[[str, Json, Json], bool]
"""Whether a value in the state and a wanted one mean the same, by key."""

# The defaults of a table whose inputs have none.
_NOTHING: Mapping[str, Json] = {}


def table(  # noqa: PLR0913 a table has these columns
    source: str,
    *,
    updates: tuple[str, ...] = (),
    replaces: tuple[str, ...] = (),
    steers: tuple[str, ...] = (),
    defaults: Mapping[str, Json] = _NOTHING,
    computed: tuple[str, ...] = (),
) -> Table:
    """A table of the inputs that are updated in place, that replace, and that only affect later calls."""
    changes = {
        **dict.fromkeys(updates, Change.UPDATE),
        **dict.fromkeys(replaces, Change.REPLACE),
        **dict.fromkeys(steers, Change.STATE),
    }
    return Table(source=source, changes=changes, defaults=defaults, computed=frozenset(computed))


def difference(
    rules: Table, state: Mapping[str, Json], inputs: Mapping[str, Json], same: Same | None = None
) -> Difference:
    """What an update of the resource would change. `state` has its outputs; both are plain values."""
    changed = [key for key in rules.changes if _differs(rules, key, state, inputs, same)]
    return Difference(
        updates=tuple(key for key in changed if rules.changes[key] is not Change.REPLACE),
        replaces=tuple(key for key in changed if rules.changes[key] is Change.REPLACE),
    )


def _differs(
    rules: Table, key: str, state: Mapping[str, Json], inputs: Mapping[str, Json], same: Same | None
) -> bool:
    wanted = inputs.get(key)
    if wanted is None:
        if key in rules.computed:
            return False
        wanted = rules.defaults.get(key)
    found = state.get(key)
    if _is_empty(wanted) and _is_empty(found):
        return False
    return found != wanted and not (same is not None and same(key, found, wanted))


def _is_empty(value: Json) -> bool:
    """Whether a value is unset to Terraform: null, an empty text, list or map, zero or false."""
    return value in (None, "", [], {}, 0, False)


def live_inputs(
    state: State, inputs: Mapping[str, Json], drift: Difference, known: frozenset[str]
) -> dict[str, Json]:
    """The inputs that a refresh keeps: the program's, except for what was found to differ.

    On an import, all outputs that are inputs, without zero values. Source: pulumi-terraform-bridge,
    pkg/tfbridge/schema.go (isDefaultOrZeroValue).
    """
    if not inputs:
        return {k: value for k, value in state.outputs.items() if k in known and not _is_empty(value)}
    differing = (*drift.updates, *drift.replaces)
    return {**inputs, **{key: state.outputs[key] for key in differing if key in state.outputs}}


class TakenAsGiven:
    """A base for providers that take inputs as given, and plan nothing."""

    def checked(self, type_: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The inputs, unchanged."""
        del type_
        return dict(inputs)

    def planned(self, type_: str, state: State | None, inputs: Mapping[str, Json]) -> dict[str, Json] | None:
        """None: just what is known."""
        del type_, state, inputs
        return None


class KeptInState(TakenAsGiven):
    """A base for providers whose resources exist only in the stack's state."""

    def read(self, type_: str, state: State) -> State | None:
        """The state itself."""
        del type_
        return state

    def delete(self, type_: str, state: State) -> None:
        """Nothing to do: it exists nowhere else."""

    def deletes_first(self, type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
        """Never: no names can clash."""
        del type_, state, inputs
        return False


class Provider(Protocol):
    """Manages one package's resources from creation to deletion. Values are plain, secrets in cleartext.

    Each method raises the service's refusals (`emulator.packages.REFUSALS`), and NoHandlerError for a type
    that isn't emulated.
    """

    def checked(self, type_: str, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The inputs that the engine should keep. Here, secrets are wrapped and texts may be unknown."""
        ...

    def planned(self, type_: str, state: State | None, inputs: Mapping[str, Json]) -> dict[str, Json] | None:
        """The outputs in a preview of a creation (without `state`) or an update; None: only what is known."""
        ...

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """Create a resource."""
        ...

    def read(self, type_: str, state: State) -> State | None:
        """The resource as it is now; None if it is gone."""
        ...

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """Change it in place."""
        ...

    def delete(self, type_: str, state: State) -> None:
        """Delete it; it isn't an error if it is already gone."""
        ...

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """What an update would change; keys may be dotted paths."""
        ...

    def deletes_first(self, type_: str, state: State, inputs: Mapping[str, Json]) -> bool:
        """Whether a replacement deletes the old resource before it creates the new one."""
        ...

    def live_inputs(self, type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The inputs that a refresh keeps for the state it read; `inputs` are empty on an import."""
        ...

    def known_inputs(self, type_: str) -> frozenset[str]:
        """The supported inputs; any other is refused instead of dropped."""
        ...

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """Outputs that the provider itself marks secret."""
        ...
