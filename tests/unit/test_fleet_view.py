"""What a person sees of a fleet while it runs, and at the end."""

import io
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from common.json_values import Json
from common.terminal import Colours
from fleet.report import INTERRUPTED, Report, as_json, as_text
from fleet.run import SOAKING, Outcome, Run, Stop
from fleet.view import showing, table


def _event(kind: str, urn: str, operation: str) -> dict[str, Json]:
    type_ = urn.split("::")[2]
    return {kind: {"metadata": {"op": operation, "urn": urn, "type": type_}}}


def _seen(runs: list[Run], stop: Stop | None = None, height: int = 24) -> str:
    console = Console(file=io.StringIO(), width=120, height=height, force_terminal=True, no_color=True)
    with console.capture() as captured:
        console.print(table(runs, stop or Stop(), height))
    return captured.get()


def _run(stack: str, outcome: Outcome | None = None, *messages: str) -> Run:
    run = Run(stack=stack, wave="rest")
    if outcome:
        run.begin("updating")
        run.end(outcome, *messages)
    return run


def test_a_region_s_line_names_the_resources_that_are_worked_on() -> None:
    run = _run("us-east-1")
    run.begin("updating")
    database = "urn:pulumi:s::p::aws:rds/instance:Instance::instance"
    run.see(_event("resourcePreEvent", database, "create"))
    assert "creating Instance" in _seen([run])
    run.see(_event("resOutputsEvent", database, "create"))
    assert "creating" not in _seen([run])


def test_a_fleet_that_is_longer_than_the_terminal_shows_what_is_under_way_and_what_failed() -> None:
    runs = [_run(f"done-{number}", Outcome.DONE) for number in range(40)]
    failed, busy = _run("broken", Outcome.FAILED, "no such cluster"), _run("busy")
    busy.begin("updating")
    seen = _seen([*runs, failed, busy], height=12)
    assert "done-" not in seen
    assert "no such cluster" in seen
    assert "busy" in seen
    assert "40 done, 1 failed, 1 updating" in seen


def test_an_interrupt_is_announced_with_what_another_one_does() -> None:
    stop = Stop()
    stop.ask()
    assert "no further region begins" in _seen([_run("a")], stop)
    stop.ask()
    assert "cancelling" in _seen([_run("a")], stop)


def test_the_summary_lists_the_untouched_regions_and_how_to_go_on() -> None:
    runs = [_run("a", Outcome.DONE), _run("b", Outcome.FAILED, "refused"), _run("c", Outcome.NOT_REACHED)]
    report = Report(command="up", again="python -m fleet up", runs=runs)
    said = as_text(report, Colours(io.StringIO()))
    assert "1 done, 1 failed, 1 not reached" in said
    assert "next: not touched: c" in said
    assert "continues where it stopped: python -m fleet up" in said
    assert as_json(report)["result"] == "failed"


def test_a_known_error_is_followed_by_what_to_do() -> None:
    locked = "error: the stack is currently locked by 1 lock(s)"
    runs = [_run("a", Outcome.FAILED, locked), _run("b", Outcome.FAILED, "this is new")]
    report = Report(command="up", again="python -m fleet up", runs=runs)
    said = as_text(report, Colours(io.StringIO()))
    assert f"    {locked}\n    why: another run works on this stack" in said
    assert "\n    more: docs/recovery.md#a-lock-left-behind\n" in said
    known, unknown = cast(list[dict[str, Json]], as_json(report)["regions"])
    [remedy] = cast(list[dict[str, str]], known["remedies"])
    assert "`pulumi cancel --yes`" in remedy["do"]
    assert unknown["remedies"] == []


def test_an_interrupted_command_is_done_all_the_same_if_all_its_regions_are() -> None:
    done, left = [_run("a", Outcome.DONE)], [_run("a", Outcome.DONE), _run("b", Outcome.NOT_REACHED)]
    assert Report(command="up", again="", runs=done, interrupted=True).status == 0
    assert Report(command="up", again="", runs=left, interrupted=True).status == INTERRUPTED


class _InterruptedWhileWriting(io.FileIO):
    """A signal handler may run while the interrupted code is in the middle of a write."""

    stop: Stop

    def write(self, data: object) -> int:
        written = super().write(cast(bytes, data))
        if b"soaking" in bytes(cast(bytes, data)):
            self.stop.ask()
        return written


def test_an_interrupt_in_the_middle_of_a_line_is_announced_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, run = Stop(), _run("us-east-1")
    raw = _InterruptedWhileWriting(tmp_path / "stderr", "w")
    raw.stop = stop
    with io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True) as stderr:
        monkeypatch.setattr("sys.stderr", stderr)
        with showing([run], stop):
            run.wait(SOAKING)
        monkeypatch.undo()
    first, second = (tmp_path / "stderr").read_text().splitlines()
    assert first.endswith("us-east-1: soaking")
    assert "no further region begins" in second
