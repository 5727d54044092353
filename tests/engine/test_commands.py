"""`python -m rehearsal` with the real engine, as a process: results, exit status, interruption."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

import tools
from emulator.executables import PACKAGES
from tests.checkouts import ROOT, STACK_FILE, checkout


def _rehearsal(state: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rehearsal", *arguments, "--config", str(STACK_FILE), "--state", str(state)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )


def _run(state: Path, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    process = _rehearsal(state, *arguments, env=env)
    stdout, stderr = process.communicate(timeout=120)
    return process.returncode, stdout, stderr


def _processes_below(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    lines = subprocess.run(
        ["ps", "-ewwo", "args"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [line for line in lines.splitlines() if str(folder) in line and "ps -ewwo" not in line]


def test_the_rehearsal_counts_resources_as_the_engine_does(tmp_path: Path) -> None:
    _, planned, _ = _run(tmp_path, "preview")
    (count,) = re.findall(r"\+ (\d+) to create", planned)
    rehearsed = subprocess.run(
        [sys.executable, "-m", "rehearsal", "--config", str(STACK_FILE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert rehearsed.stdout.startswith(f"would work: {count} resources, ")


def test_a_stack_is_built_today_and_changed_tomorrow(tmp_path: Path) -> None:
    status, stdout, _ = _run(tmp_path, "up", "--json")
    built = json.loads(stdout)
    assert (status, built["result"]) == (0, "succeeded")
    assert {step["operation"] for step in built["steps"]} == {"create"}
    status, stdout, _ = _run(tmp_path, "preview", "--json")
    assert {step["operation"] for step in json.loads(stdout)["steps"]} == {"same"}
    assert (status, _processes_below(tmp_path)) == (0, [])
    # A person's own credentials and profile don't matter.
    status, stdout, stderr = _run(tmp_path, "refresh", env={"AWS_PROFILE": "mine", "AWS_REGION": "eu-west-1"})
    assert status == 0, stderr
    assert "unchanged" in stdout
    status, stdout, _ = _run(tmp_path, "destroy")
    assert status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("up", "--stack", "nowhere"), "nowhere"),
        (("serve", "--world", "missing.yaml"), "missing.yaml"),
    ],
)
def test_what_cannot_be_run_is_explained(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "rehearsal", *arguments, "--state", str(tmp_path / "state")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 2
    assert said in process.stderr
    assert "Traceback" not in process.stderr


def test_a_known_error_is_followed_by_what_to_do(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text(
        "clusters: [{name: regional-xyz, region: us-east-1}]\niotPolicies: [maestro-server]\n", "utf-8"
    )
    status, _, stderr = _run(tmp_path / "state", "up", "--world", str(world))
    assert status == 1
    assert stderr.startswith("why: another Maestro server uses this `mqtt.sourceId`")
    command = "pulumi config set --path mqtt.sourceId maestro-2"
    assert f"\ndo: choose another source id, such as `{command}`\n" in stderr
    assert stderr.count("why:") == 1
    status, stdout, stderr = _run(tmp_path / "state", "up", "--json", "--world", str(world))
    failed = json.loads(stdout)
    assert (status, failed["result"], stderr) == (1, "failed", "")
    assert [remedy["page"] for remedy in failed["remedies"]] == ["docs/recovery.md#made-but-never-noted"]


def test_an_interrupted_up_comes_to_rest_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    process = _rehearsal(tmp_path, "up")
    assert process.stdout
    for line in process.stdout:
        if "creating" in line and "aws:" in line:
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert _processes_below(tmp_path) == []
    assert _run(tmp_path, "up")[0] == 0
    _, stdout, _ = _run(tmp_path, "preview", "--json")
    assert {step["operation"] for step in json.loads(stdout)["steps"]} == {"same"}


@contextmanager
def _serving(state: Path) -> Generator[dict[str, str]]:
    """The variables that `serve` prints."""
    process = _rehearsal(state, "serve", "--json")
    assert process.stdout
    try:
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("}"):
                break
        yield json.loads(printed)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert _processes_below(state) == []


@contextmanager
def _language_host(program: Path) -> Generator[str]:
    """The one part of an ordinary installation that is missing here."""

    def run() -> None:
        import runpy

        runpy.run_path(str(program), run_name="__main__")

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(run), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(grace=None)


def test_an_ordinary_pulumi_works_with_the_variables_that_serve_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the checkout as it is, with no project of ours; only the language host is a stand-in."""
    copy = checkout(tmp_path / "checkout")
    pulumi = str(tools.find("pulumi"))
    monkeypatch.chdir(copy)
    with _serving(tmp_path / "state") as variables, _language_host(copy / "__main__.py") as client:
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            **variables,
            "PULUMI_HOME": str(tmp_path / "home"),
            "PULUMI_DEBUG_COMMANDS": "true",
        }
        assert all(shutil.which(f"pulumi-resource-{name}", path=variables["PATH"]) for name in PACKAGES)

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [pulumi, "--non-interactive", *arguments],
                cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        run("stack", "init", "dev")
        host = ("--client", client, "--exec-kind", "auto.inline")
        assert "to create" in run("preview", *host)
        assert "created" in run("up", "--yes", "--skip-preview", *host)
        unchanged = run("preview", *host)
        assert "unchanged" in unchanged
        assert "to create" not in unchanged
        assert "plugins" not in (copy / "Pulumi.yaml").read_text()


def test_what_serve_prints_makes_a_shells_aws_talk_to_the_emulation_alone(tmp_path: Path) -> None:
    with _rehearsal(tmp_path, "serve") as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("aws()"):
                break
        # The CLI has an address of its own for RDS in us-east-1.
        script = "".join(lines) + "aws rds describe-db-instances --output text && aws iot list-policies"
        beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": beside},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        os.killpg(process.pid, signal.SIGINT)
    assert done.returncode == 0, done.stderr
    assert '"policies"' in done.stdout


def test_other_commands_join_what_serve_keeps_up(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with _serving(state):
        assert _run(state, "up")[0] == 0
        _, stdout, _ = _run(state, "preview", "--json")
        assert {step["operation"] for step in json.loads(stdout)["steps"]} == {"same"}


def test_a_crashed_run_leaves_nothing_running(tmp_path: Path) -> None:
    with _rehearsal(tmp_path, "serve", "--json") as process:
        assert process.stdout
        process.stdout.readline()
        assert len(_processes_below(tmp_path)) > 1
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _processes_below(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_below(tmp_path) == []
