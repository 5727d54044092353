"""One stack: what its backend says of it, and the operations that a fleet runs over it.

Each is an ordinary command of `pulumi`; the stack's log shows it.
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
"""Helm's status of a release that was installed or upgraded whole."""
ELSEWHERE = "installed by somebody else"
"""Instead of a status, where the stack has no release (`server.install: external`)."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A stack as its backend keeps it; empty where it was never deployed, or destroyed."""

    resources: int
    """Without the stack itself and its providers."""
    pending: tuple[str, ...]
    """`creating aws:iot/policy:Policy policy`: operations that nobody knows the end of."""
    protected: tuple[str, ...]
    """Resources that a `destroy` would fail at."""
    release_urn: str
    release_status: str
    """Helm's own word, or `ELSEWHERE`; empty where there is no release yet."""

    @property
    def is_healthy(self) -> bool:
        """Whether the release was `deployed` when it was last looked at, as far as it is the stack's."""
        return self.release_status in (HEALTHY, ELSEWHERE)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What the backend's list of stacks says of one."""

    updated: datetime | None
    locked_by: str
    """Who works on it now, as far as the backend tells; empty if nobody."""


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
    """What `up` would do."""
    return cli.operate(stack, "preview", observer=observer)


def up(cli: Cli, stack: str, observer: Observer | None = None) -> Ended:
    """Build or change it; Pulumi waits until the release's pods are ready."""
    return cli.operate(stack, "up", "--yes", "--skip-preview", observer=observer)


def drift(cli: Cli, stack: str, observer: Observer | None = None, *, only: str | None = None) -> Ended:
    """How what is there differs from the state; `only` is a URN to look at alone."""
    targets = ("--target", only) if only else ()
    return cli.operate(stack, "refresh", "--preview-only", *targets, observer=observer)


def destroy(cli: Cli, stack: str, observer: Observer | None = None) -> Ended:
    """Delete what it holds; the stack itself stays, with its history."""
    return cli.operate(stack, "destroy", "--yes", "--skip-preview", observer=observer)


def changes(ended: Ended) -> Counter[str]:
    """How many resources were, or would be, changed, by the engine's operation.

    The two halves of a replacement aren't counted besides the replacement itself.
    """
    return Counter(
        step.operation
        for step in ended.steps
        if step.operation not in NOTHING
        and not step.operation.startswith(("create-repl", "delete-repl"))
        and not step.type.startswith("pulumi:")
    )


def _is_protected(resource: Mapping[str, Json]) -> bool:
    """By Pulumi, or as a database by RDS itself."""
    outputs = record(resource, "outputs")
    return flag(resource, "protect") or (
        text(resource, "type") == "aws:rds/instance:Instance" and flag(outputs, "deletionProtection")
    )


def _name(resource: Mapping[str, Json]) -> str:
    return f"{text(resource, 'type')} {text(resource, 'urn').rpartition('::')[2]}"


def _object(printed: str) -> dict[str, Json]:
    parsed: Json = json.loads(printed)
    if not isinstance(parsed, dict):
        raise CliError("pulumi printed no object")
    return parsed


def _time(value: str) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if value else None


def _lock_in_folder(url: str, project: str, stack: str) -> str:
    """Who holds the lock in a backend that is a folder; other buckets say so only when an update begins.

    Source of the path and the form: pulumi pkg/backend/diy/lock.go.
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
            continue  # released, or not written yet: the update itself will say
        return (
            f"{text(held, 'username')}@{text(held, 'hostname')} (pid {held.get('pid')}) "
            f"since {text(held, 'timestamp')}"
        )
    return ""
