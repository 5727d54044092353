"""One resource from creation to deletion, for the tests of the AWS handlers' life cycles."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from common.json_values import Json
from emulator.aws import resource_handler
from emulator.aws.cloud import Cloud
from emulator.aws.handler import ResourceHandler
from emulator.lifecycle import Difference, State, difference


@dataclass(frozen=True)
class Life:
    """A created resource: its state, and the program's inputs that led to it."""

    cloud: Cloud
    handler: ResourceHandler
    state: State
    inputs: Mapping[str, Json]

    @property
    def id(self) -> str:
        return self.state.id

    def __getitem__(self, output: str) -> Json:
        return self.state.outputs[output]

    def changed(self, changes: Mapping[str, Json]) -> Difference:
        """What an update would do for the program's changed inputs; None removes an input."""
        inputs = {**self.inputs, **changes}
        return difference(self.handler.table, self.state.outputs, inputs, self.handler.is_same)

    def updated(self, changes: Mapping[str, Json]) -> "Life":
        """The resource after an update."""
        inputs = {**self.inputs, **changes}
        return replace(self, state=self.handler.update(self.cloud, self.state, inputs), inputs=inputs)

    def read(self) -> State | None:
        """What a refresh finds."""
        return self.handler.read(self.cloud, self.state)

    def refreshed(self) -> "Life":
        """The resource after a refresh, which must find it."""
        found = self.read()
        assert found is not None
        return replace(self, state=found)

    def seen_in_aws(self, output: str) -> Json:
        """An output as an import finds it: from AWS alone."""
        cluster = self.state.outputs.get("clusterName")
        identity = f"{cluster},{self.id}" if cluster else self.id
        found = self.handler.read(self.cloud, State(identity, {}))
        assert found is not None
        return found.outputs[output]

    def deleted(self) -> "Life":
        """The resource after its deletion; the state stays as it was."""
        self.handler.delete(self.cloud, self.state)
        return self

    @property
    def has_drifted(self) -> bool:
        """Whether a refresh would show the program a difference."""
        return bool(self.refreshed().changed({}))


def create(cloud: Cloud, type_token: str, inputs: Mapping[str, Json]) -> Life:
    """Create a resource as the engine would; a refresh must find it unchanged."""
    handler = resource_handler(type_token)
    life = Life(cloud, handler, handler.create(cloud, inputs), inputs)
    assert life.read() == life.state
    assert not life.changed({})
    return life


def refuse(monkeypatch: pytest.MonkeyPatch, cloud: Cloud, operation: str, *codes: str) -> None:
    """Refuse the next calls of an operation with these codes; after them AWS answers as usual."""
    call, left = cloud.call, list(codes)

    def answer(service: str, called: str, parameters: Mapping[str, Json]) -> dict[str, Json]:
        if called == operation and left:
            raise cloud.refuse(service, called, left.pop(0), "injected")
        return call(service, called, parameters)

    monkeypatch.setattr(cloud, "call", answer)


def check_update(life: Life, changes: Mapping[str, Json]) -> Life:
    """Change one input: it is updated in place, AWS has it, and a refresh finds no difference any more."""
    assert life.changed(changes) == Difference(updates=tuple(changes))
    after = life.updated(changes)
    assert after.id == life.id
    assert after.read() == after.state
    assert not after.changed({})
    return after
