"""The commands of `python -m rehearsal` that run the real engine."""

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common.terminal import Help, Progress, run

if TYPE_CHECKING:
    from emulator.world import World
    from engine.driver import Engine, Result
    from engine.project import Stack
    from rehearsal.environment import Surroundings

DONE, FAILED, UNUSABLE = 0, 1, 2
STATE_FOLDER = ".rehearsal"
EPILOG = """\
exit status: 0 done; 1 the engine reports a failure; 2 the command line, the
configuration, the state or the world can't be used; 130 interrupted.

The state is kept in the --state folder, so you can change the stack later.
Nothing leaves this machine.
"""


class _Command(NamedTuple):
    help: str
    run: Callable[[argparse.Namespace, Progress], int]


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    return run(
        "rehearsal",
        lambda progress: COMMANDS[options.command].run(options, progress),
        "what the state records is kept",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description="Run the unmodified program on the real Pulumi engine, against an emulated AWS and, "
        "optionally, a real Kubernetes control plane.",
        epilog=EPILOG,
        formatter_class=Help,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        sub.add_argument("--stack", metavar="NAME", help="stack (default: dev)")
        sub.add_argument(
            "--config", metavar="FILE", type=Path, help="stack file (default: Pulumi.<stack>.yaml)"
        )
        sub.add_argument("--world", metavar="FILE", type=Path, help="what already exists in the account")
        sub.add_argument(
            "--state",
            metavar="DIR",
            type=Path,
            default=Path(STATE_FOLDER),
            help=f"folder that holds all state (default: {STATE_FOLDER})",
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.add_argument(
            "--cluster",
            action="store_true",
            default=name == "playground",
            help="use a real Kubernetes control plane, as the playground always does",
        )
    return parser


def _operation(what: str) -> Callable[[argparse.Namespace, Progress], int]:
    def run(options: argparse.Namespace, progress: Progress) -> int:
        def work(engine: "Engine", around: "Surroundings") -> int:
            del around
            progress.clear()
            listener = None if options.json else _print
            result: Result = getattr(engine, what)(listener=listener)
            if options.json:
                _print(json.dumps(_as_json(result), indent=2))
            elif not result.succeeded:
                _tell_remedies(result)
            return DONE if result.succeeded else FAILED

        return _with_engine(options, progress, work)

    return run


def _cancel(options: argparse.Namespace, progress: Progress) -> int:
    def work(engine: "Engine", around: "Surroundings") -> int:
        del around
        engine.cancel()
        progress.clear()
        _print("the stack's lock is released")
        return DONE

    return _with_engine(options, progress, work)


def _serve(options: argparse.Namespace, progress: Progress) -> int:
    """Keep the surroundings running for an ordinary `pulumi`, until Ctrl-C."""

    def work(stack: "Stack", around: "Surroundings") -> int:
        from engine.shell import variables
        from rehearsal.environment import plugins

        programs = plugins(around)(options.state / "path", None)
        told = variables(options.state, around.environment, programs.values())
        progress.clear()
        tell_variables(told, as_json=options.json)
        print(f"serving stack {stack.name}; Ctrl-C ends it", file=sys.stderr)  # noqa: T201
        wait_for_interrupt()
        shutil.rmtree(told["TMPDIR"])
        return DONE

    return _with_surroundings(options, progress, work)


def _playground(options: argparse.Namespace, progress: Progress) -> int:
    """Start everything, build the stack while showing progress, and keep it all running until Ctrl-C."""

    def work(engine: "Engine", around: "Surroundings") -> int:
        del around
        from rich.console import Console

        from rehearsal.playground import build

        progress.clear()
        result = build(engine, Console(stderr=True))
        if not result.succeeded:
            print("\n".join(result.diagnostics), file=sys.stderr)  # noqa: T201
            _tell_remedies(result)
        # The engine's own variables let the doctor find the state, too.
        variables = {"PATH": _path_with_tools(), **engine.variables}
        file = options.state / "playground.env"
        file.write_text(_as_exports(variables), encoding="utf-8")
        if options.json:
            tell_variables(variables, as_json=True)
        else:
            _print(_invitation(file, variables, options))
        wait_for_interrupt()
        file.unlink()
        progress("stopping everything")
        return DONE if result.succeeded else FAILED

    return _with_engine(options, progress, work)


def _invitation(file: Path, variables: Mapping[str, str], options: argparse.Namespace) -> str:
    chosen = {"--stack": options.stack, "--config": options.config}
    doctor = ["python", "-m", "doctor", *(str(each) for pair in chosen.items() if pair[1] for each in pair)]
    have = [name for name in ("kubectl", "helm", "aws") if shutil.which(name, path=variables["PATH"])]
    tries = {
        "kubectl": "kubectl get pods -n maestro -o wide",
        "helm": "helm list -n maestro",
        "aws": "aws secretsmanager list-secrets --query 'SecretList[].Name'",
    }
    return "\n".join(
        [
            "The world is up. In another terminal:",
            f"  . {shlex.quote(str(file))}",
            *(f"  {tries[name]}" for name in have),
            f"  {shlex.join(doctor)}",
            "Change Pulumi.dev.yaml and try `python -m rehearsal preview` and `up`, as often as you like.",
            "Ctrl-C here ends everything; what was built is kept for the next time.",
        ]
    )


def _path_with_tools() -> str:
    """PATH with the pinned tools and the virtual environment's `aws` appended, so installed ones win."""
    import tools

    ours = [found.parent for name in ("kubectl", "helm", "pulumi") if (found := tools.find(name))]
    return os.pathsep.join([os.environ.get("PATH", ""), *map(str, ours), str(Path(sys.executable).parent)])


def tell_variables(variables: Mapping[str, str], *, as_json: bool) -> None:
    """Print them as lines that a shell can evaluate, or as JSON."""
    if as_json:
        _print(json.dumps(dict(variables), indent=2))
        return
    sys.stdout.write(_as_exports(variables))
    sys.stdout.flush()


# AWS CLI v1 has an RDS endpoint of its own for us-east-1, which overrides AWS_ENDPOINT_URL but not the
# option.
_AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'


def _as_exports(variables: Mapping[str, str]) -> str:
    """Text for a shell to evaluate."""
    return "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items()) + _AWS


def wait_for_interrupt() -> None:
    """Return at SIGINT or SIGTERM."""
    ended = threading.Event()

    def end(number: int, frame: object) -> None:
        del number, frame
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    ended.wait()


def _with_engine(
    options: argparse.Namespace, progress: Progress, work: Callable[["Engine", "Surroundings"], int]
) -> int:
    def prepare(stack: "Stack", around: "Surroundings") -> int:
        from rehearsal.environment import engine

        return work(engine(stack, options.state.resolve(), around), around)

    return _with_surroundings(options, progress, prepare)


def _with_surroundings(
    options: argparse.Namespace, progress: Progress, work: Callable[["Stack", "Surroundings"], int]
) -> int:
    """Run `work`, or say why it can't be run."""
    progress("starting")
    # Only now: --help shouldn't wait for Pulumi's modules.
    import pulumi

    from controlplane import ControlPlaneError
    from emulator.client import EmulationError
    from emulator.world import WorldError, load_world
    from engine.driver import EngineError
    from engine.project import UsageError, load_stack
    from rehearsal.environment import surroundings

    unusable = (UsageError, WorldError, EngineError, EmulationError, ControlPlaneError, pulumi.RunError)
    try:
        world: World | None = load_world(options.world) if options.world else None
        stack = load_stack(Path.cwd(), name=options.stack, file=options.config)
        with ExitStack() as running:
            around = running.enter_context(
                surroundings(
                    stack,
                    options.state.resolve(),
                    world=world,
                    with_cluster=options.cluster,
                    progress=progress,
                )
            )
            return work(stack, around)
    except unusable as problem:
        progress.clear()
        if options.json:
            _print(json.dumps({"result": "unusable", "message": str(problem)}, indent=2))
        else:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        return UNUSABLE


def _tell_remedies(result: "Result") -> None:
    from engine.remedies import remedies_of

    for remedy in remedies_of(result.diagnostics):
        print(remedy, file=sys.stderr)  # noqa: T201


def _as_json(result: "Result") -> dict[str, object]:
    from engine.remedies import remedies_of

    known = () if result.succeeded else remedies_of(result.diagnostics)
    return {
        "result": "succeeded" if result.succeeded else "failed",
        "steps": [
            {
                "urn": step.urn,
                "type": step.type,
                "operation": step.operation,
                "changed": list(step.changed),
                "failed": step.failed,
            }
            for step in result.steps
        ],
        "diagnostics": list(result.diagnostics),
        "remedies": [remedy.as_json() for remedy in known],
    }


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


COMMANDS: Mapping[str, _Command] = {
    "preview": _Command("show what `up` would do", _operation("preview")),
    "up": _Command("build or change the stack", _operation("up")),
    "refresh": _Command("update the state to match what really exists", _operation("refresh")),
    "destroy": _Command("delete everything, if nothing is protected", _operation("destroy")),
    "cancel": _Command("release the lock that a killed run left on the stack", _cancel),
    "playground": _Command("run everything, with a real control plane, until Ctrl-C", _playground),
    "serve": _Command("keep the emulation running for `pulumi`, and print its variables", _serve),
}
