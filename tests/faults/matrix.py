"""Every call of an `up` with every fault; run by `make test-faults` and by nothing else."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

from emulator.client import Emulation
from tests.engine.attached import Attached
from tests.faults.api_server import ApiServer
from tests.faults.disturbed import KUBERNETES, Call, Disturbed, Outcome
from tests.faults.document import COLUMNS, DOCUMENT, Cell, calls_in
from tests.faults.plugin import CALLS
from tests.faults.survival import survive

Record = Callable[[str, object], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "column" in metafunc.fixturenames:
        calls = metafunc.config.stash[CALLS]
        cases = [(call, column) for column in COLUMNS for call in calls if column in Cell.columns(call)]
        metafunc.parametrize(("call", "column"), cases, ids=[f"{column}-{call}" for call, column in cases])


class Start(Protocol):
    """Starts a stack in a folder; an engine that will be killed has its providers as processes of its own."""

    def __call__(self, folder: Path, *, killed: bool) -> AbstractContextManager[Disturbed]: ...


class Stacks(NamedTuple):
    """How a stack is started in an account and a cluster of its own, and an undisturbed one's outcome."""

    start: Start
    undisturbed: Outcome


def _stacks(start: Start, folder: Path) -> Stacks:
    with start(folder, killed=False) as stack:
        stack.region.up()
        return Stacks(start, stack.outcome())


@contextmanager
def _in_memory(folder: Path, *, killed: bool) -> Generator[Disturbed]:
    providers = nullcontext() if killed else Attached()
    with Emulation.start(folder / "aws.state") as emulation, providers as attached:
        yield Disturbed(emulation, folder / "stack", attached=attached)


@pytest.fixture(scope="session")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Stacks:
    return _stacks(_in_memory, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="session")
def on_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    with ApiServer.start(tmp_path_factory.mktemp("control-plane")) as server:
        start: Start = lambda folder, killed: server.stack(folder)  # noqa: ARG005, E731 always its own processes
        yield _stacks(start, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def stacks(request: pytest.FixtureRequest, call: Call) -> Stacks:
    """Those with an API server if the call goes to one."""
    found: Stacks = request.getfixturevalue("on_api_server" if call.service == KUBERNETES else "in_memory")
    return found


@pytest.fixture
def stack(stacks: Stacks, column: str, tmp_path: Path) -> Iterator[Disturbed]:
    with stacks.start(tmp_path, killed=column.startswith("killed")) as stack:
        yield stack


def test_a_call_that_meets_a_fault_costs_nothing_that_the_documents_dont_say(
    stack: Disturbed, stacks: Stacks, call: Call, column: str, record_property: Record
) -> None:
    record_property("cell", json.dumps([*call, column, Cell.LOST.value]))
    cell = survive(stack, call, column)
    stack.assert_settled(stacks.undisturbed)
    record_property("cell", json.dumps([*call, column, cell.value]))
    if call.service != KUBERNETES and column == "throttled, then 5xx":
        assert cell is Cell.HEALED


def test_the_matrix_in_the_documents_lists_the_calls_of_an_up(pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("write"):
        assert calls_in(DOCUMENT) == pytestconfig.stash[CALLS]
