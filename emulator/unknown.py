"""Resources of types that nothing emulates: what the program says of them is all that is known."""

from collections.abc import Mapping

from common.json_values import Json
from emulator.lifecycle import Difference, KeptInState, State


class UnknownType(KeptInState):
    """The provider of one such resource. Whether the real one would take it, nobody knows here."""

    def __init__(self, name: str) -> None:
        """`name` is the resource's logical one."""
        self._name = name

    def create(self, type_: str, inputs: Mapping[str, Json]) -> State:
        """Its inputs, and an id that derives from its name."""
        del type_
        return State(id=f"unverified-{self._name}", outputs=dict(inputs))

    def update(self, type_: str, state: State, inputs: Mapping[str, Json]) -> State:
        """Its new inputs."""
        del type_
        return State(id=state.id, outputs=dict(inputs))

    def difference(self, type_: str, state: State, inputs: Mapping[str, Json]) -> Difference:
        """Every input that differs; the real provider may replace it for one, which isn't known either."""
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
        """None; which ones there are, only the real provider knows."""
        del type_
        return frozenset()

    def secret_outputs(self, type_: str) -> frozenset[str]:
        """None."""
        del type_
        return frozenset()
