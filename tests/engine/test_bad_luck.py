"""What can go wrong around the engine: a clear message with the way out, and nothing lost."""

import json
import threading
from concurrent import futures
from contextvars import copy_context
from pathlib import Path

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from pulumi.runtime.settings import reset_options

import tools
from common.json_values import Json, record, text
from emulator.executables import write_plugins
from engine.driver import PASSPHRASE, Engine, EngineError
from tests.engine.conftest import NewRegion, Region


def _reopened(stack: Region) -> Region:
    """The same stack, as a new process opens it."""
    return Region(stack.emulation, stack.folder, stack.account, stack.settings, name=stack.name, build=False)


def test_a_second_up_on_a_stack_is_refused_while_the_first_one_runs_and_both_come_to_rest(
    region: NewRegion,
) -> None:
    stack = region()
    second = _reopened(stack)
    begun = threading.Event()
    refused: list[EngineError] = []

    def refusal() -> EngineError:
        with pytest.raises(EngineError) as caught:
            second.engine.pulumi("up", "--yes", "--skip-preview", "--stack", stack.name)
        # The first one may be writing what the second one reads; the message then says to run it again.
        return refusal() if "another run may be writing it" in str(caught.value) else caught.value

    def see(event: dict[str, Json]) -> None:
        kind = text(record(record(event, "resourcePreEvent"), "metadata"), "type")
        if kind.startswith("aws:") and not begun.is_set():
            begun.set()
            refused.append(refusal())

    # Slow enough for the second one to meet it.
    stack.emulation.delay({"rds:CreateDBInstance": 3.0})
    try:
        assert stack.engine.up(observer=see).succeeded
    finally:
        stack.emulation.delay({})
    (problem,) = refused
    assert "currently locked" in str(problem)
    assert "python -m rehearsal cancel" in str(problem)
    assert second.preview().changes == {}


def test_another_passphrase_is_refused_by_name_and_the_right_one_still_opens_the_state(
    region: NewRegion, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = region()
    stack.up()
    monkeypatch.setenv(PASSPHRASE, "another")
    with pytest.raises(EngineError, match=rf"incorrect passphrase(.|\n)*set `{PASSPHRASE}`"):
        stack.engine.preview()
    monkeypatch.delenv(PASSPHRASE)
    assert stack.preview().changes == {}


def _state_file(stack: Region) -> Path:
    (file,) = (stack.folder / "state" / "backend" / ".pulumi" / "stacks").rglob(f"{stack.name}.json")
    return file


@pytest.mark.parametrize("damage", ["cut", "empty", "no json"])
def test_a_damaged_state_file_is_named_and_its_newest_copy_brings_the_stack_back(
    region: NewRegion, damage: str
) -> None:
    stack = region()
    stack.up()
    file = _state_file(stack)
    whole = file.read_text()
    file.write_text({"cut": whole[: len(whole) // 2], "empty": "", "no json": "garbage"}[damage])
    with pytest.raises(EngineError, match=r"the state file is damaged(.|\n)*backups"):
        stack.engine.preview()
    backups = stack.folder / "state" / "backend" / ".pulumi" / "backups"
    newest = max((f for f in backups.rglob("*.json") if not f.name.endswith(".attrs")), key=lambda f: f.name)
    file.write_text(newest.read_text())
    assert json.loads(file.read_text())["checkpoint"]
    assert stack.up().succeeded
    assert stack.preview().changes == {}


def test_a_folder_that_cannot_be_written_is_named_with_another_way(region: NewRegion, tmp_path: Path) -> None:
    engine = region().engine
    in_the_way = tmp_path / "a-file"
    in_the_way.write_text("")
    pulumi = tools.find("pulumi")
    assert pulumi is not None
    with pytest.raises(EngineError, match=r"a-file(.|\n)*--state"):
        Engine(engine.stack, in_the_way, pulumi=pulumi, plugins=write_plugins, environment={})


def test_a_program_hears_an_engine_at_the_port_of_one_that_was_killed(region: NewRegion) -> None:
    region().preview()
    server, port = _engine()
    first = copy_context()
    first.run(_log_to, port)
    server.stop(None).wait()
    for _ in range(3):  # each makes gRPC wait longer before it tries again
        with pytest.raises(grpc.RpcError):
            first.run(pulumi.log.info, "to a dead one")
    server, _ = _engine(port)
    copy_context().run(_log_to, port)
    server.stop(None)


def _log_to(port: int) -> None:
    """Log something to an engine, as a program does."""
    reset_options(project="project", stack="stack", engine_address=f"127.0.0.1:{port}")
    pulumi.log.info("something")


class _Engine(engine_pb2_grpc.EngineServicer):
    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:  # noqa: N802, ARG002
        return empty_pb2.Empty()


def _engine(port: int = 0) -> tuple[grpc.Server, int]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    engine_pb2_grpc.add_EngineServicer_to_server(_Engine(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port
