"""Resources of types that aren't emulated: what the program says about them is all that is known."""

from collections.abc import Mapping

from common.json_values import Json
from emulator.lifecycle import Difference, KeptInState, State


class UnknownType(KeptInState):
    """The provider of one such resource. Whether the real one would accept it isn't known here."""

    def __init__(self, name: str) -> None:
        """`name` is the resource's logical name."""
        self._name = name

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """Its inputs, and an id derived from its name."""
        del type_
        return State(id=f"unverified-{self._name}", outputs=dict(inputs))

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """Its new inputs."""
        del type_
        return State(id=state.id, outputs=dict(inputs))

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """Every input that differs; whether the real provider would replace it isn't known either."""
        del type_
        keys = state.outputs.keys() | inputs.keys()
        return Difference(
            updates=tuple(sorted(key for key in keys if state.outputs.get(key) != inputs.get(key)))
        )

    def live_inputs(self, type_: str, state: State, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """Nothing drifts."""
        del type_
        return dict(inputs or state.outputs)

    def known_inputs(self, type_: str) -> frozenset[str]:
        """None: only the real provider knows which there are."""
        del type_
        return frozenset()

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """None."""
        del type_
        return frozenset()
