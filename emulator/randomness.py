"""The random provider's resources, from Python's own source of randomness."""

import base64
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from common.json_values import Json
from emulator.aws import NoHandlerError, UnmappedInputError
from emulator.lifecycle import Difference, KeptInState, State, Table, difference, live_inputs, table


@dataclass(frozen=True, kw_only=True)
class _Kind:
    make: Callable[[Mapping[str, Json]], State]
    table: Table
    secret_outputs: frozenset[str] = frozenset()


class Randomness(KeptInState):
    """Values are created once and kept in the stack's state: there is nothing to read, update or delete."""

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """A new random value.

        Raises:
            NoHandlerError: for a type or an input that isn't known here.
        """
        kind = _kind(type_)
        unknown = sorted(inputs.keys() - kind.table.changes.keys())
        if unknown:
            raise UnmappedInputError(f"{type_}: {', '.join(unknown)} is not rehearsed: {__name__}")
        return kind.make({**kind.table.defaults, **inputs})

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """Never possible: every input replaces the value."""
        raise UnmappedInputError(f"{type_}: {state.id} can't be updated to {', '.join(inputs)}")

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """Every input replaces, according to the provider's schema."""
        return difference(_kind(type_).table, state.outputs, inputs)

    def live_inputs(self, type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """Nothing drifts."""
        return live_inputs(state, inputs, Difference(), self.known_inputs(type_))

    def known_inputs(self, type_: str) -> frozenset[str]:
        """The supported inputs."""
        return frozenset(_kind(type_).table.changes)

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """Outputs that the provider marks secret."""
        return _kind(type_).secret_outputs


def table_of(type_: str) -> Table:
    """What changing an input of a type does; raises NoHandlerError for a type that isn't known here."""
    return _kind(type_).table


def _kind(type_: str) -> _Kind:
    if type_ not in _KINDS:
        raise NoHandlerError(f"no handler for resource type {type_}: add one in emulator/randomness.py")
    return _KINDS[type_]


_CHARACTERS: Mapping[str, str] = {
    "lower": string.ascii_lowercase,
    "numeric": string.digits,
    "special": "!@#$%&*()-_=+[]{}<>:?",
    "upper": string.ascii_uppercase,
}
"""By input, the characters of a password that it leaves out where it is false."""


def _password(inputs: Mapping[str, Json]) -> State:
    alphabet = "".join(characters for key, characters in _CHARACTERS.items() if inputs[key])
    result = "".join(secrets.choice(alphabet) for _ in range(_whole(inputs["length"])))
    return State(
        id="none", outputs={**inputs, "result": result, "bcryptHash": f"$2a$10${secrets.token_hex(26)}"}
    )


def _id(inputs: Mapping[str, Json]) -> State:
    value = secrets.token_bytes(_whole(inputs["byteLength"]))
    b64_url = base64.urlsafe_b64encode(value).decode().rstrip("=")
    outputs: dict[str, Json] = {
        **inputs,
        "hex": value.hex(),
        "dec": str(int.from_bytes(value)),
        "b64Std": base64.b64encode(value).decode(),
        "b64Url": b64_url,
    }
    return State(id=b64_url, outputs=outputs)


def _whole(value: Json) -> int:
    assert isinstance(value, int | float)  # noqa: S101 the SDK types it
    return int(value)


# Sources: terraform-provider-random, internal/provider.
_KINDS: Mapping[str, _Kind] = {
    "random:index/randomPassword:RandomPassword": _Kind(
        make=_password,
        table=table(
            "resource_password.go",
            replaces=("length", "keepers", *_CHARACTERS),
            defaults=dict.fromkeys(_CHARACTERS, True),
        ),
        secret_outputs=frozenset({"result", "bcryptHash"}),
    ),
    "random:index/randomId:RandomId": _Kind(
        make=_id, table=table("resource_id.go", replaces=("byteLength", "keepers"))
    ),
}

TYPES = frozenset(_KINDS)
"""The types that are known here."""
