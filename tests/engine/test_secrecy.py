"""No secret in the clear: not in the state, not in what the engine logs, not in what it prints."""

import json

from common.json_values import Json
from tests.engine.conftest import NewRegion, config, succeeded


def test_nothing_that_was_written_or_printed_holds_a_secret(region: NewRegion) -> None:
    stack = region(config())
    events: list[str] = []
    printed: list[str] = []

    def note(event: dict[str, Json]) -> None:
        events.append(json.dumps(event))

    for operate in (stack.engine.preview, stack.engine.up, stack.engine.refresh, stack.engine.preview):
        printed.append(succeeded(operate(observer=note)).text)  # noqa: PERF401 one runs after the other
    printed.append(json.dumps(stack.engine.outputs()))
    secrets = stack.secrets()
    assert len(secrets) > 10
    written = {
        str(file.relative_to(stack.folder)): file.read_bytes().decode(errors="replace")
        for file in stack.folder.rglob("*")
        if file.is_file()
    }
    assert any(name.endswith("provider.log") for name in written)
    assert any(".pulumi/stacks" in name for name in written)
    places = {**written, "events": "\n".join(events), "output": "\n".join(printed)}
    assert [
        (name, value[:4]) for name, content in places.items() for value in secrets if value in content
    ] == []
