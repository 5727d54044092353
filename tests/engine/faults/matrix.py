"""Every call of an `up`, met by every fault; run by `make test-faults` and by nothing else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rehearsal.emulation import Emulation
from tests.engine.faults.disturbed import Call, Disturbed, Outcome
from tests.engine.faults.document import COLUMNS, DOCUMENT, Cell, calls_in
from tests.engine.faults.plugin import CALLS
from tests.engine.faults.survival import survive

Record = Callable[[str, object], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "column" in metafunc.fixturenames:
        calls = metafunc.config.stash[CALLS]
        cases = [(call, column) for column in COLUMNS for call in calls if column in Cell.columns(call)]
        metafunc.parametrize(("call", "column"), cases, ids=[f"{column}-{call}" for call, column in cases])


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Disturbed]:
    with Emulation.start(tmp_path / "aws.state") as emulation:
        yield Disturbed(emulation, tmp_path / "stack")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("undisturbed")
    with Emulation.start(folder / "aws.state") as emulation:
        stack = Disturbed(emulation, folder / "stack")
        stack.region.up()
        return stack.outcome()


def test_a_call_that_meets_a_fault_costs_nothing_that_the_documents_dont_say(
    stack: Disturbed, undisturbed: Outcome, call: Call, column: str, record_property: Record
) -> None:
    record_property("cell", json.dumps([*call, column, Cell.LOST.value]))
    cell = survive(stack, call, column)
    stack.assert_settled(undisturbed)
    record_property("cell", json.dumps([*call, column, cell.value]))
    if call.service != "kubernetes" and column == "throttled, then 5xx":
        assert cell is Cell.HEALED


def test_the_matrix_in_the_documents_lists_the_calls_of_an_up(pytestconfig: pytest.Config) -> None:
    if not pytestconfig.getoption("write"):
        assert calls_in(DOCUMENT) == pytestconfig.stash[CALLS]
