"""Plugin of `make test-faults`: finds the calls of an `up`, prints the matrix, and with --write saves it.

python -m pytest -p tests.faults.plugin [-n 2] [--write] tests/faults/matrix.py
"""

import json
import tempfile
from pathlib import Path
from typing import Protocol, cast

import pytest

from emulator.client import Emulation
from tests.faults.api_server import ApiServer
from tests.faults.disturbed import KUBERNETES, Call, Disturbed
from tests.faults.document import DOCUMENT, Cell, calls_in, document, matrix

CALLS = pytest.StashKey[list[Call]]()


class _Node(Protocol):
    """An xdist worker, as seen by its controller."""

    config: pytest.Config
    workerinput: dict[str, str]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", action="store_true", help=f"write {DOCUMENT.name} anew")


def pytest_configure(config: pytest.Config) -> None:
    given = cast(dict[str, str] | None, getattr(config, "workerinput", None))
    config.stash[CALLS] = [Call(*call) for call in json.loads(given["calls"])] if given else _calls()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: _Node) -> None:
    node.workerinput["calls"] = json.dumps(node.config.stash[CALLS])


def _calls() -> list[Call]:
    """The calls of an undisturbed `up`: to AWS, and to the API server."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        with Emulation.start(here / "aws.state") as emulation:
            to_aws = [c for c in Disturbed(emulation, here / "stack").calls() if c.service != KUBERNETES]
        with ApiServer.start(here / "control-plane") as server, server.stack(here / "cluster") as stack:
            return [*to_aws, *stack.calls()]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Runs in the controller, too, which alone sees all reports."""
    for name, value in report.user_properties:
        if name == "cell":
            service, operation, nth, column, word = json.loads(str(value))
            _seen[Call(service, operation, nth), column] = Cell(word)


_seen: dict[tuple[Call, str], Cell] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    calls = config.stash[CALLS]
    terminalreporter.write_line(matrix(calls, _seen))
    cells = [_seen.get((call, column), Cell.LOST) for call in calls for column in Cell.columns(call)]
    complete = Cell.LOST not in cells
    if config.getoption("write"):
        if complete:
            DOCUMENT.write_text(document(calls, _seen), encoding="utf-8")
        terminalreporter.write_line(
            f"{DOCUMENT.name} {'is written' if complete else 'is not written: not all was run and survived'}"
        )
    elif complete and calls_in(DOCUMENT) != calls:
        # The test that says so has failed; here is what to do.
        terminalreporter.write_line(f"{DOCUMENT.name} lists other calls: make test-faults ARGS=--write")
