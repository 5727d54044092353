"""The command itself: real processes, one for each exit status, and what a terminal and a script see."""

import importlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.finding import Status
from common.json_values import record
from common.terminal import Colours
from emulator.aws import TAGGABLE_TYPES
from engine.project import load_stack, write_config
from rehearsal.__main__ import main
from rehearsal.commands import COMMANDS
from rehearsal.rehearse import rehearse
from tests.checkouts import ROOT, STACK_FILE
from tests.rehearsal.conftest import Break, sound


def command(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`python -m rehearsal` in an environment without any credential."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(
        [sys.executable, "-m", "rehearsal", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_exit_0_and_a_report_at_80_columns_when_everything_holds(tmp_path: Path) -> None:
    done = command("--verbose", "--config", str(STACK_FILE), "--manifests", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    report, outputs = done.stdout.split("\nOutputs\n")
    # Commands and ARNs are never broken across lines: people copy them.
    prose = [line for line in report.splitlines() if "arn:" not in line]
    assert [line for line in prose if len(line) > 80] == []
    assert "maestro_iot_mqtt_endpoint = " in outputs
    for check in ("mount", "identity", "mqtt", "database", "order", "placement", "rules", "secrecy"):
        assert re.search(rf"^[✓?] {check} ", report, re.MULTILINE)
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"deployment.yaml", "secretproviderclass.yaml", "NOTES.txt"} <= written


def test_a_sound_stack_takes_forty_lines_with_the_verdict_first_and_last() -> None:
    done = command("--config", str(STACK_FILE))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert lines[0] == lines[-1]
    assert re.fullmatch(
        r"would work: 31 resources, no check fails, 3 things are unverified, in \d+\.\d s", lines[0]
    )
    assert [line[:24] for line in lines if line.startswith("✓ mount")] == ["✓ mount     11 of 11  Wo"]
    # What is unverified comes before what holds, with its remedy.
    assert max(i for i, line in enumerate(lines) if "unverified: " in line) < lines.index(
        next(line for line in lines if line.startswith("✓"))
    )
    assert "        openssl s_client -tls1_3 -connect \\" in lines


def test_the_same_rehearsed_twice_reads_the_same_except_for_the_time() -> None:
    said = {command("--verbose", "--config", str(STACK_FILE)).stdout for _ in range(2)}
    assert len({re.sub(r"in \d+\.\d s", "", each) for each in said}) == 1


def test_exit_1_when_the_plan_has_a_problem(broken: Break) -> None:
    root = broken("maestro_stack/database.py", "publicly_accessible=False", "publicly_accessible=True")
    done = command(cwd=root)
    assert done.returncode == 1, done.stderr
    assert "✗ it is public, or not encrypted at rest" in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == lines[-1]
    assert lines[0].startswith("would not work: database")
    # Nothing that fails has a green tick, and what fails comes first.
    marks = {line.split()[1]: line[0] for line in lines if line[:1] in set("✓?✗")}
    assert (marks["database"], marks["rules"]) == ("✗", "✗")
    assert next(line for line in lines if line[:1] in set("✓?✗"))[0] == "✗"


def test_exit_2_when_the_configuration_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.bad.yaml"
    write_config(file, sound(profile="prod", server={"replicas": "two"}))
    done = command("--config", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "2 problems" in done.stderr
    assert "pulumi config set --path server.replicas 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_exit_2_on_an_unknown_option() -> None:
    done = command("--nope")
    assert done.returncode == 2
    assert "unrecognized arguments: --nope" in done.stderr


def test_help_comes_at_once_and_lists_the_exit_statuses() -> None:
    done = command("--help")
    assert done.returncode == 0
    assert "exit status: 0 all checks hold" in done.stdout


@pytest.mark.parametrize("tool", ["rehearsal", "review", "fleet", "doctor"])
def test_help_fits_a_terminal(tool: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    words = {"rehearsal": ["", *COMMANDS], "fleet": ["", "up", "set"]}.get(tool, [""])
    for word in words:
        with pytest.raises(SystemExit):
            importlib.import_module(f"{tool}.__main__").main([*word.split(), "--help"])
        said = capsys.readouterr().out
        assert [line for line in said.splitlines() if len(line) > 80] == []


def test_every_command_takes_the_same_options(capsys: pytest.CaptureFixture[str]) -> None:
    taken = list[set[str]]()
    for name in COMMANDS:
        with pytest.raises(SystemExit):
            main([name, "--help"])
        taken.append(set(re.findall(r"--[a-z]+", capsys.readouterr().out)))
    assert all(each == taken[0] for each in taken)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colour_and_sees_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(ROOT)
    assert main(["--config", str(STACK_FILE)]) == 0
    assert "\x1b[32m✓" in out.getvalue()
    assert "\r\x1b[Kupdate: 28 resources" in err.getvalue()
    assert err.getvalue().endswith("\r\x1b[K")  # nothing is left on the line


def test_an_interrupted_rehearsal_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rehearsal.rehearse.rehearse", interrupted)
    monkeypatch.chdir(ROOT)
    assert main(["--config", str(STACK_FILE)]) == 130
    assert "nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("is_terminal", "environment", "painted"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colour_only_on_a_terminal_that_wants_it(
    is_terminal: bool,  # noqa: FBT001 a table's column
    environment: dict[str, str],
    painted: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (Colours(stream)("x", "31") != "x") is painted


def test_json_is_one_document_and_names_its_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--json", "--config", str(STACK_FILE)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["version"], report["result"], report["stack"]) == (1, "holds", "dev")
    # Every key is documented.
    documented = (ROOT / "docs" / "rehearsal.md").read_text()
    assert [key for key in report if f"`{key}`" not in documented] == []


def test_manifests_that_cannot_be_written_are_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(ROOT)
    assert main(["--config", str(STACK_FILE), "--manifests", str(tmp_path / "file")]) == 2
    assert "File exists" in capsys.readouterr().err


def test_default_tags_reach_aws_and_what_ignore_tags_changes_is_unverified() -> None:
    stack = load_stack(ROOT, file=STACK_FILE)
    config = {
        **stack.config,
        "aws:defaultTags": '{"tags": {"owner": "us", "team": "default"}}',
        "aws:ignoreTags": '{"keys": ["cost"]}',
        "maestro-stack:tags": '{"team": "ours"}',
    }
    rehearsal = rehearse(replace(stack, config=config), world=None, progress=lambda _: None)
    tagged = [r for r in rehearsal.update.resources if r.type in TAGGABLE_TYPES]
    assert tagged
    for resource in tagged:
        own = record(resource.inputs, "tags")
        assert own["team"] == "ours"
        assert resource.outputs["tagsAll"] == {"owner": "us", **own}, resource.urn
        assert resource.outputs["tags"] == own, resource.urn
    coverage = next(check for check in rehearsal.checks if check.name == "coverage")
    unverified = [f.text for f in coverage.findings if f.status is Status.UNVERIFIED]
    assert unverified == ["what aws:ignoreTags changes: nothing here follows it"]
