"""What Pulumi's state says about the stack, read with `pulumi`; encrypted values stay encrypted."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from common.json_values import Json, record, records, text
from doctor.errors import UnaskedError
from engine.run import STACK_TYPE

_VARIABLES = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
_INSTALL = "https://www.pulumi.com/docs/iac/download-install"
_UNKNOWN_STACK = "no stack named"


@dataclass(frozen=True, kw_only=True)
class Known:
    """One resource in the state."""

    type: str
    name: str
    """Logical name."""
    id: str
    outputs: Mapping[str, Json]
    """Secrets are the engine's encrypted envelopes, not values."""


@dataclass(frozen=True, kw_only=True)
class Pending:
    """An operation that the engine began, and whose end it never recorded."""

    type: str
    name: str
    operation: str


@dataclass(frozen=True, kw_only=True)
class State:
    """A stack's state; without resources if the stack doesn't exist."""

    backend: str
    """URL."""
    secrets_provider: str
    """As the state names it: passphrase, cloud, service; empty if there is no state yet."""
    resources: tuple[Known, ...] = ()
    pending: tuple[Pending, ...] = ()

    @property
    def outputs(self) -> Mapping[str, Json]:
        """The stack's outputs."""
        nothing: Mapping[str, Json] = {}
        return next((known.outputs for known in self.of_type(STACK_TYPE)), nothing)

    @property
    def is_built(self) -> bool:
        """Whether any part of the stack was built."""
        return any(not known.type.startswith("pulumi:") for known in self.resources)

    def of_type(self, type_: str) -> tuple[Known, ...]:
        """Its resources of a type such as "aws:iot/policy:Policy"."""
        return tuple(known for known in self.resources if known.type == type_)


class Pulumi:
    """The CLI, in the project's folder."""

    def __init__(self, root: Path, stack: str) -> None:
        self._root, self._stack = root, stack

    def state(self) -> State:
        """The stack's state. Raises UnaskedError if it can't be read."""
        with ThreadPoolExecutor(2) as together:
            asked = together.submit(self._ask, "whoami", "--json")
            export = together.submit(self._ask, "stack", "export", "--stack", self._stack)
        backend = text(_object(asked.result()), "url")
        try:
            deployment = record(_object(export.result()), "deployment")
        except UnaskedError as refused:
            if _UNKNOWN_STACK in str(refused):
                return State(backend=backend, secrets_provider="")
            raise
        return State(
            backend=backend,
            secrets_provider=text(record(deployment, "secrets_providers"), "type"),
            resources=tuple(_known(each) for each in records(deployment, "resources")),
            pending=tuple(_pending(each) for each in records(deployment, "pending_operations")),
        )

    def kubeconfig(self) -> str:
        """The decrypted kubeconfig of mode `kubeconfig`. Raises UnaskedError."""
        return self._ask("config", "get", "--path", "kubernetes.kubeconfig", "--stack", self._stack)

    def _ask(self, *arguments: str) -> str:
        program = shutil.which("pulumi")
        if program is None:
            raise UnaskedError("pulumi isn't on the PATH", _INSTALL)
        done = subprocess.run(  # noqa: S603
            [program, *arguments, "--non-interactive"],
            cwd=self._root,
            env={**os.environ, **_VARIABLES},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.split()).removeprefix("error: ")[:300]
            raise UnaskedError(f"pulumi {' '.join(arguments[:2])}: {said}", "pulumi login; pulumi stack ls")
        return done.stdout


def _object(answer: str) -> dict[str, Json]:
    return cast("dict[str, Json]", json.loads(answer))


def _known(resource: Mapping[str, Json]) -> Known:
    return Known(
        type=text(resource, "type"),
        name=text(resource, "urn").rpartition("::")[2],
        id=text(resource, "id"),
        outputs=record(resource, "outputs"),
    )


def _pending(operation: Mapping[str, Json]) -> Pending:
    resource = record(operation, "resource")
    return Pending(
        type=text(resource, "type"),
        name=text(resource, "urn").rpartition("::")[2],
        operation=text(operation, "type"),
    )
