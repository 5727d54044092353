"""One stack of the unmodified program on the real Pulumi engine.

The program runs in this process as an inline program of Pulumi's Automation API, so that no Python language
host is needed. Its `Stack.up` and the like aren't used: they run the CLI several more times for each
operation. What the engine writes (its state, a copy of the project that names the plugins) stays in one
folder; the checkout is only read.
"""

import contextlib
import copy
import json
import os
import runpy
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

import grpc
from pulumi import automation
from pulumi.runtime import _grpc_settings
from pulumi.runtime.proto import language_pb2_grpc

from common.json_values import Json
from engine import go_yaml
from engine.events import NOTHING, EventLog, Observer, Step
from engine.program_server import ProgramServer
from engine.programs import WritePlugins
from engine.project import PLACEHOLDER, Stack, read_mapping, read_yaml
from engine.remedies import remedies_of

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 the variable's name
DEFAULT_PASSPHRASE = "rehearsal"  # noqa: S105 encrypts only made-up values
_OWN_CONNECTIONS = ("grpc.use_local_subchannel_pool", 1)
Listener = Callable[[str], None]
"""Called with each line that the engine prints."""


class EngineError(Exception):
    """The engine couldn't run at all; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one operation of the engine did."""

    succeeded: bool
    steps: tuple[Step, ...]
    """In the order in which they began."""
    diagnostics: tuple[str, ...]
    """Errors and warnings."""
    text: str = field(repr=False)
    """Everything that was printed."""

    @property
    def changes(self) -> dict[str, str]:
        """By `type name`: the operations that change something."""
        return {
            f"{s.type} {s.name}": s.operation
            for s in self.steps
            if s.operation not in NOTHING and not s.operation.startswith(("create-repl", "delete-repl"))
        }

    @property
    def counts(self) -> Counter[str]:
        """Number of steps for each operation."""
        return Counter(step.operation for step in self.steps)

    def of(self, operation: str) -> list[str]:
        """Types of the resources on which an operation was performed."""
        return sorted(step.type for step in self.steps if step.operation == operation)


class Engine:
    """The engine, for one stack."""

    def __init__(  # noqa: PLR0913
        self,
        stack: Stack,
        folder: Path,
        *,
        pulumi: Path,
        plugins: WritePlugins,
        environment: Mapping[str, str],
        secrets: Mapping[str, str] | None = None,
        program: str = "__main__.py",
    ) -> None:
        """Prepare `folder`; `environment` says where `plugins` work, `secrets` are set encrypted, by path.

        `program` is the file to run, as a path in the project; any program gets the same stack.

        Raises:
            EngineError: the folder can't be written, or the passphrase is wrong.
        """
        self.stack = stack
        self.folder = folder
        self._environment = dict(environment)
        self._write_plugins = plugins
        self._secrets = dict(secrets or {})
        self._program = program
        self._backend = folder / "backend"
        self._project = folder / "project"
        with _disk(folder):
            self._write_project()
        # The SDK looks for it only where it installs it, and asks for its version each time.
        self._command = copy.copy(_checked(pulumi.resolve()))
        self._command.command = str(pulumi.absolute())
        self._open()

    def configure(self, stack: Stack) -> None:
        """Give the stack another configuration, or another checkout of the program. Raises EngineError."""
        self.stack = stack
        with _disk(self.folder):
            self._write_project()
        self._set_secrets()

    # --- operations -------------------------------------------------------------------------------

    def preview(self, *, listener: Listener | None = None, observer: Observer | None = None) -> Result:
        """What `up` would do."""
        return self._run(["preview", "--diff"], listener, observer)

    def plan(self, *options: str) -> str:
        """What `up` would do, as `pulumi preview --json` prints it. `options` are the command's own.

        Raises:
            EngineError: the preview failed.
        """
        printed = self._run(["preview", "--diff", "--json", *options], None, None)
        if not printed.succeeded:
            raise EngineError(printed.text)
        return printed.text

    def up(self, *, listener: Listener | None = None, observer: Observer | None = None) -> Result:
        """Build or change the stack."""
        return self._run(["up", "--yes", "--skip-preview"], listener, observer)

    def refresh(
        self,
        *options: str,
        listener: Listener | None = None,
        observer: Observer | None = None,
    ) -> Result:
        """Update the state to what really exists. `options` are the command's own."""
        return self._run(["refresh", "--yes", "--skip-preview", *options], listener, observer)

    def destroy(self, *, listener: Listener | None = None, observer: Observer | None = None) -> Result:
        """Delete everything, if nothing is protected."""
        return self._run(["destroy", "--yes", "--skip-preview"], listener, observer)

    def cancel(self) -> None:
        """Release the lock that a killed engine left on the stack."""
        self.pulumi("cancel", "--yes", "--stack", self.stack.name)

    def outputs(self) -> dict[str, Json]:
        """The stack's outputs, secrets masked by the engine."""
        answer = self.pulumi("stack", "output", "--json", "--stack", self.stack.name)
        return cast(dict[str, Json], json.loads(answer))

    def export(self) -> dict[str, Json]:
        """The stack's state, secrets encrypted."""
        return cast(dict[str, Json], json.loads(self.pulumi("stack", "export", "--stack", self.stack.name)))

    def pulumi(self, *arguments: str) -> str:
        """What another command of the CLI prints.

        Raises:
            EngineError: it fails.
        """
        try:
            done = self._command.run(list(arguments), str(self._project), self.variables)
        except automation.CommandError as failed:
            raise EngineError(_reason(str(failed))) from None
        return done.stdout

    @property
    def variables(self) -> dict[str, str]:
        """What the engine's processes need in their environment."""
        return {
            PASSPHRASE: os.environ.get(PASSPHRASE, DEFAULT_PASSPHRASE),
            "PULUMI_BACKEND_URL": f"file://{self._backend}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log and --client, as the Automation API does
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **self._environment,
        }

    # --- how ----------------------------------------------------------------------------------------

    def _run(self, arguments: list[str], listener: Listener | None, observer: Observer | None) -> Result:
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            if listener:
                listener(line)

        reason = None
        with (
            _inside(self.stack.root),
            _interruptible(),
            _language_host(self._program) as address,
            tempfile.TemporaryDirectory(prefix="rehearsal-") as kept,
            EventLog(Path(kept) / "events.jsonl", observer) as log,
        ):
            command = [
                *arguments,
                *("--stack", self.stack.name, "--color", "never", "--event-log", str(log.file)),
                *("--client", address, "--exec-kind", "auto.inline"),
            ]
            try:
                # The Kubernetes provider leaves copies of the kubeconfig in the temporary folder.
                variables = {**self.variables, "TMPDIR": kept}
                self._command.run(command, str(self._project), variables, hear, hear)
            except automation.CommandError as failed:
                reason = str(failed)
        if reason is not None and not (log.steps or log.diagnostics):
            raise EngineError(_reason(reason))
        return Result(
            succeeded=reason is None,
            steps=tuple(log.steps.values()),
            diagnostics=tuple(log.diagnostics),
            text="\n".join(lines),
        )

    def _open(self) -> None:
        """Create the stack if it doesn't exist yet, and set its secrets."""
        if not (self._backend / ".pulumi/stacks" / self.stack.project / f"{self.stack.name}.json").exists():
            self.pulumi("stack", "init", self.stack.name, "--secrets-provider", "passphrase")
        self._set_secrets()

    def _set_secrets(self) -> None:
        for path, value in {**dict(_placeholders(self.stack)), **self._secrets}.items():
            self.pulumi("config", "set", "--stack", self.stack.name, "--secret", "--path", path, "--", value)

    def _write_project(self) -> None:
        for folder in (self._project, self._backend, self.folder / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        plugins = self._write_plugins(self.folder / "plugins", self.stack.root)
        project = read_mapping(self.stack.root / "Pulumi.yaml", "name: maestro-stack")
        project["plugins"] = {
            "providers": [
                {"name": name, "path": os.path.relpath(folder, self._project)}
                for name, folder in plugins.items()
            ]
        }
        (self._project / "Pulumi.yaml").write_text(go_yaml.dump(project), encoding="utf-8")
        file = self._project / f"Pulumi.{self.stack.name}.yaml"
        # The salt belongs to the passphrase; without it, what the state holds encrypted is lost.
        kept = read_yaml(file) if file.exists() else None
        before = cast(dict[str, object], kept) if isinstance(kept, dict) else {}
        salt = {key: value for key, value in before.items() if key == "encryptionsalt"}
        config = _without_placeholders(self.stack.own_config)
        file.write_text(go_yaml.dump({**salt, "config": config}), encoding="utf-8")


@cache
def _checked(pulumi: Path) -> automation.PulumiCommand:
    """The CLI, if the SDK can work with its version."""
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as root:
        link = Path(root) / "bin" / "pulumi"
        link.parent.mkdir()
        link.symlink_to(pulumi)
        return automation.PulumiCommand(root=root)


def _placeholders(stack: Stack) -> Iterator[tuple[str, str]]:
    """By path, what stands for each encrypted value, since they can't be read here."""
    for key in stack.secret_keys:
        yield from _leaves(key, stack.own_config[key])


def _without_placeholders(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    inside = cast(Mapping[str, object], value).items()
    return {key: _without_placeholders(held) for key, held in inside if not _is_placeholder(held)}


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and value.startswith(PLACEHOLDER)


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in cast(Mapping[str, object], value).items():
            yield from _leaves(f"{path}.{key}", inner)
    elif isinstance(value, str) and _is_placeholder(value):
        yield path, value


@contextlib.contextmanager
def _language_host(file: str) -> Generator[str]:
    """Serves the program in `file` to the engine; yields the address."""
    # Otherwise a channel to an engine that was killed keeps a later one from using its port for a while:
    # channels of a process share what gRPC knows about an address.
    options = _grpc_settings._GRPC_CHANNEL_OPTIONS  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    if _OWN_CONNECTIONS not in options:
        options.append(_OWN_CONNECTIONS)

    def program() -> None:
        runpy.run_path(file, run_name="__main__")

    threads = futures.ThreadPoolExecutor(max_workers=4)
    server = grpc.server(threads)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(ProgramServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
        threads.shutdown()


@contextlib.contextmanager
def _inside(root: Path) -> Generator[None]:
    """Run the program where it is, and without the user's own AWS settings."""
    before = {key: value for key, value in os.environ.items() if key.startswith(("AWS_", "KUBECONFIG"))}
    for key in before:
        del os.environ[key]
    try:
        with contextlib.chdir(root):
            yield
    finally:
        os.environ.update(before)


@contextlib.contextmanager
def _interruptible() -> Generator[None]:
    """Leave a terminal's Ctrl-C to the engine, which gets it too and winds down; then raise it here."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = threading.Event()

    def note(number: int, frame: object) -> None:
        del number, frame
        interrupted.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted.is_set():
        raise KeyboardInterrupt


@contextlib.contextmanager
def _disk(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as refused:
        raise EngineError(
            f"{folder} can't be written: {refused.strerror}. Fix that, or use another with --state"
        ) from None


def _reason(text: str) -> str:
    """The CLI's own words, and the remedies that we know."""
    said = [line.removeprefix("stderr: ") for line in text.splitlines() if "error" in line.lower()] or [text]
    return "\n".join([*dict.fromkeys(said), *map(str, remedies_of([text]))])
