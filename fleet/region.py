"""One stack: what its backend knows about it, and the operations that a fleet runs on it.

Each is an ordinary `pulumi` command, which the stack's log shows.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from common.json_values import Json, flag, record, records, text
from engine.events import NOTHING, Observer
from engine.run import STACK_TYPE
from fleet.cli import Cli, CliError, Ended
from maestro_stack.outputs import INSTALL_OUTPUT

RELEASE = "kubernetes:helm.sh/v3:Release"
HEALTHY = "deployed"
"""Helm's status of a release that was installed or upgraded successfully."""
ELSEWHERE = "installed by somebody else"
"""In place of a status, if the stack has no release (`server.install: external`)."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A stack as its backend stores it; empty if it was never deployed, or is destroyed."""

    resources: int
    """How many, without the stack itself and its providers."""
    pending: tuple[str, ...]
    """`creating aws:iot/policy:Policy policy`: operations whose outcome is unknown."""
    protected: tuple[str, ...]
    """Resources at which a `destroy` would fail."""
    release_urn: str
    release_status: str
    """Helm's own word, or `ELSEWHERE`; empty if there is no release yet."""

    @property
    def is_healthy(self) -> bool:
        """Whether the release was `deployed` when last read, or isn't the stack's."""
        return self.release_status in (HEALTHY, ELSEWHERE)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A stack's entry in the backend's list."""

    updated: datetime | None
    locked_by: str
    """Who is working on it now, as far as the backend says; empty if nobody is."""


def listed(cli: Cli, project: str) -> Mapping[str, Listed]:
    """The project's stacks, by name.

    Raises:
        CliError: the backend can't be reached.
    """
    url = text(_object(cli.ask("whoami", "--json")), "url")
    stacks = cast("list[dict[str, Json]]", json.loads(cli.ask("stack", "ls", "--json") or "[]"))
    return {
        text(each, "name"): Listed(
            updated=_time(text(each, "lastUpdate")),
            locked_by="an update that runs"
            if flag(each, "updateInProgress")
            else _lock_in_folder(url, project, text(each, "name")),
        )
        for each in stacks
    }


def state(cli: Cli, stack: str) -> State:
    """The stack's state.

    Raises:
        CliError: it can't be read.
    """
    deployment = record(_object(cli.ask("stack", "export", "--stack", stack)), "deployment")
    resources = records(deployment, "resources")
    none: dict[str, Json] = {}
    release = next((each for each in resources if text(each, "type") == RELEASE), none)
    pending = [
        (text(each, "type"), record(each, "resource")) for each in records(deployment, "pending_operations")
    ]
    return State(
        resources=sum(not text(each, "type").startswith("pulumi:") for each in resources),
        pending=tuple(f"{doing} {_name(resource)}" for doing, resource in pending),
        protected=tuple(_name(each) for each in resources if _is_protected(each)),
        release_urn=text(release, "urn"),
        release_status=_status(resources, release),
    )


def _status(resources: Sequence[Mapping[str, Json]], release: Mapping[str, Json]) -> str:
    outputs = (record(each, "outputs") for each in resources if text(each, "type") == STACK_TYPE)
    if any(text(each, INSTALL_OUTPUT) == "external" for each in outputs):
        return ELSEWHERE
    return text(record(record(release, "outputs"), "status"), "status")


def preview(cli: Cli, stack: str, observer: Observer | None = None) -> Ended:
    """Show what `up` would do."""
    return cli.operate(stack, "preview", observer=observer)


def up(cli: Cli, stack: str, observer: Observer | None = None) -> Ended:
    """Build or change it; Pulumi waits until the release's pods are ready."""
    return cli.operate(stack, "up", "--yes", "--skip-preview", observer=observer)


def drift(cli: Cli, stack: str, observer: Observer | None = None, *, only: str | None = None) -> Ended:
    """Show how reality differs from the state; `only` limits it to one URN."""
    targets = ("--target", only) if only else ()
    return cli.operate(stack, "refresh", "--preview-only", *targets, observer=observer)


def destroy(cli: Cli, stack: str, observer: Observer | None = None) -> Ended:
    """Delete its resources; the stack itself stays, with its history."""
    return cli.operate(stack, "destroy", "--yes", "--skip-preview", observer=observer)


def changes(ended: Ended) -> Counter[str]:
    """How many resources were changed, or would be, by the engine's name for the operation.

    A replacement counts once: its two halves are left out.
    """
    return Counter(
        step.operation
        for step in ended.steps
        if step.operation not in NOTHING
        and not step.operation.startswith(("create-repl", "delete-repl"))
        and not step.type.startswith("pulumi:")
    )


def _is_protected(resource: Mapping[str, Json]) -> bool:
    """Whether Pulumi protects it or, for a database, RDS does."""
    outputs = record(resource, "outputs")
    return flag(resource, "protect") or (
        text(resource, "type") == "aws:rds/instance:Instance" and flag(outputs, "deletionProtection")
    )


def _name(resource: Mapping[str, Json]) -> str:
    return f"{text(resource, 'type')} {text(resource, 'urn').rpartition('::')[2]}"


def _object(printed: str) -> dict[str, Json]:
    parsed: Json = json.loads(printed)
    if not isinstance(parsed, dict):
        raise CliError("pulumi printed something other than a JSON object")
    return parsed


def _time(value: str) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def _lock_in_folder(url: str, project: str, stack: str) -> str:
    """Who holds the lock in a local backend; buckets only say so when an update begins.

    Source of the path and format: pulumi pkg/backend/diy/lock.go.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        return ""
    folder = (
        Path(url2pathname(parts.netloc + parts.path)).expanduser()
        / ".pulumi/locks/organization"
        / project
        / stack
    )
    for file in sorted(folder.glob("*.json")):
        try:
            held = _object(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # released, or not written yet: the update itself will find out
        return (
            f"{text(held, 'username')}@{text(held, 'hostname')} (pid {held.get('pid')}) "
            f"since {text(held, 'timestamp')}"
        )
    return ""
