"""Reads a plan of the real engine, as `pulumi preview --json` prints it, and reviews what it does to a stack.

Source of the format: sdk/go/common/apitype and pkg/backend/display/json.go (PreviewDigest) of pulumi/pulumi.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from common.json_values import Json, flag, record, records, text, texts
from emulator.kubernetes import RELEASE
from engine import properties
from engine.run import MASK
from review import move
from review.differences import differences
from review.errors import UsageError
from review.model import Change, Difference, Grade, Part, StackReview, Way, worst_first
from review.resources import BY_TRIGGER, LOST, ResourceChange
from review.snapshot import KNOWN_LATER, UNTOLD, Resource, is_component, subject_at
from review.wording import told

DRIFT_STAYS = "changed outside; the plan leaves it so"
DRIFT_TAKEN_BACK = "changed outside; the plan takes it back"
_WAYS = {
    "create": Way.CREATED,
    "import": Way.CREATED,
    "update": Way.UPDATED,
    "replace": Way.REPLACED,
    "delete": Way.DELETED,
}
_NOTHING = frozenset({"same", "read", "refresh", "discard", "read-discard", "read-replacement"})
_PARTS_OF_A_REPLACEMENT = frozenset({"create-replacement", "delete-replaced", "discard-replaced"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the engine would do to one stack."""

    stack: str
    region: str
    profile: str
    changes: Mapping[str, ResourceChange]
    """By subject."""
    errors: tuple[str, ...]
    """What went wrong in the preview."""
    unread: tuple[str, ...]
    """A newer engine's operations, which aren't known here."""


def read_plan(file: Path, project: str) -> Plan:
    """The plan in a file.

    Raises:
        UsageError: the file can't be read, isn't a plan or is truncated, or is another project's.
    """
    try:
        parsed = cast(object, json.loads(file.read_bytes()))
    except OSError as refused:
        raise UsageError(f"--plan {file}: {refused.strerror}") from None
    except ValueError as broken:
        raise UsageError(f"--plan {file} is not JSON, or is cut off: {broken}; {_HOW}") from None
    content = cast("dict[str, Json]", parsed) if isinstance(parsed, dict) else {}
    errors = tuple(
        text(diagnostic, "message").strip()
        for diagnostic in records(content, "diagnostics")
        if text(diagnostic, "severity") == "error"
    )
    # A preview that fails before its first step has no steps, but diagnostics that say why.
    if not isinstance(content.get("steps"), list) and not errors:
        raise UsageError(f"--plan {file} is not a plan: it has no steps; {_HOW}")
    steps = records(content, "steps")
    stacks = {tuple(text(step, "urn").split("::")[:2]) for step in steps}
    names = {name for name in stacks if len(name) == 2}
    others = sorted({owner for _, owner in names} - {project})
    if others:
        raise UsageError(f'--plan {file} is of project "{others[0]}", not of "{project}"')
    config = record(content, "config")
    known = {*_WAYS, *_NOTHING, *_PARTS_OF_A_REPLACEMENT}
    found = [change for own in _by_urn(steps) if (change := _change_of(own)) is not None]
    return Plan(
        stack=", ".join(sorted(urn.removeprefix("urn:pulumi:") for urn, _ in names)) or file.stem,
        region=text(config, "aws:region"),
        profile=text(config, f"{project}:profile", "dev"),
        changes={change.resource.subject: change for change in found},
        errors=errors,
        unread=tuple(sorted({text(step, "op") for step in steps} - known)),
    )


def reviewed(plan: Plan) -> StackReview:
    """What the plan does to its stack, graded."""
    problems = [
        Change(
            part=Part.STACK,
            subject=plan.stack,
            way=Way.UPDATED,
            sentence=sentence,
            effect="",
            grade=grade,
            reason=reason,
            quoted=quoted,
        )
        for sentence, grade, reason, quoted in (
            *(("the preview failed", Grade.DANGEROUS, "`up` would fail", error) for error in plan.errors),
            *(
                ("the engine plans an operation that isn't known here", Grade.LOOK, "read the plan", name)
                for name in plan.unread
            ),
        )
    ]
    moved = move.move_of(plan.changes, plan.region)
    changes = move.paired(plan.changes, moved)
    return StackReview(
        stack=f"{plan.stack} (plan)",
        region=plan.region,
        profile=plan.profile,
        changes=worst_first(
            [
                *problems,
                *move.told(changes, moved, plan.stack),
                *told(changes, is_production=plan.profile == "production"),
            ]
        ),
        rolls=None,
        rolls_because="",
        resources=tuple((subject, _dependents(plan, subject)) for subject in changes),
    )


def _dependents(plan: Plan, subject: str) -> tuple[str, ...]:
    return tuple(sorted(s for s, change in plan.changes.items() if subject in change.resource.needs))


_HOW = "make one: pulumi preview --json > plan.json"


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """What a plan says about one URN."""

    refreshed: Mapping[str, Json] | None
    """The refresh step, or in its place a step with what it found: `update` is drift, `delete` is loss."""
    planned: Mapping[str, Json] | None


def _by_urn(steps: Iterable[Mapping[str, Json]]) -> Iterator[_Steps]:
    """Group the steps by URN: a plan made with --refresh first has a step for each resource in the state.

    Some versions print what the refresh found instead, as an update or deletion. Resources that stay the same
    have no other step. Source: pulumi/pulumi pkg/backend/display/json.go (ShowPreviewDigest).
    """
    found: dict[str, list[Mapping[str, Json]]] = {}
    for step in steps:
        if text(step, "op") not in _PARTS_OF_A_REPLACEMENT:
            found.setdefault(text(step, "urn"), []).append(step)
    is_refreshed = any(text(step, "op") == "refresh" for own in found.values() for step in own)
    for first, *rest in found.values():
        if rest or (is_refreshed and record(first, "oldState")):
            yield _Steps(refreshed=first, planned=rest[-1] if rest else None)
        else:
            yield _Steps(refreshed=None, planned=first)


def _change_of(steps: _Steps) -> ResourceChange | None:
    planned = _change(steps.planned) if steps.planned else None
    if steps.refreshed is None or is_component(text(record(steps.refreshed, "oldState"), "type")):
        return planned
    built = _resource(record(steps.refreshed, "oldState"))
    is_lost = text(steps.refreshed, "op") == "delete" or (planned is not None and planned.way is Way.CREATED)
    if is_lost:
        return ResourceChange(
            resource=planned.resource if planned else built,
            before=built,
            way=Way.REPLACED if planned else Way.DELETED,
            differences=(),
            replaced_by=(LOST,),
        )
    if planned is None or planned.before is None:
        return _drift(steps.refreshed)
    drifted = {each.path: each for each in _differences({}, built, planned.before)}
    return replace(
        planned,
        differences=tuple(
            replace(each, note=DRIFT_TAKEN_BACK)
            if each.path in drifted and each.after == drifted[each.path].before
            else each
            for each in planned.differences
        ),
    )


def _drift(refreshed: Mapping[str, Json]) -> ResourceChange | None:
    """What a refresh found, if the plan does nothing about it."""
    found = _change(refreshed)
    stays = tuple(replace(each, note=each.note or DRIFT_STAYS) for each in found.differences) if found else ()
    return replace(found, differences=stays) if found else None


def _change(step: Mapping[str, Json]) -> ResourceChange | None:
    way = _WAYS.get(text(step, "op"))
    old, new = record(step, "oldState"), record(step, "newState")
    if way is None or is_component(text(new or old, "type")):
        return None
    if text(new, "type") == RELEASE and not text(record(new, "inputs"), "version"):
        # While a value is unknown, the provider hasn't read the chart's version.
        new = {**new, "inputs": {**record(new, "inputs"), "version": record(old, "inputs").get("version")}}
    before, after = (_resource(state) if state else None for state in (old, new))
    resource = after or before
    if resource is None:
        return None
    return ResourceChange(
        resource=resource,
        before=before,
        way=way,
        differences=_differences(step, before, after),
        replaced_by=_replaced_by(step) if way is Way.REPLACED else (),
    )


def _replaced_by(step: Mapping[str, Json]) -> tuple[str, ...]:
    """The inputs that the engine names as the reason; for a replacement trigger it names none."""
    has_trigger = any("replacementTrigger" in record(step, state) for state in ("oldState", "newState"))
    return tuple(texts(step, "replaceReasons")) or ((BY_TRIGGER,) if has_trigger else ())


def _resource(state: Mapping[str, Json]) -> Resource:
    type_, name = text(state, "type"), text(state, "urn").rpartition("::")[2]
    masked = _shown(properties.masked(record(state, "inputs"), MASK))
    return Resource(
        type=type_,
        name=name,
        inputs=masked if isinstance(masked, dict) else {},
        protect=flag(state, "protect"),
        urn=text(state, "urn"),
        options=UNTOLD,
        replacement_trigger=state.get("replacementTrigger"),
        secrets={},
        needs=frozenset(subject_at(urn) for urn in texts(state, "dependencies")),
    )


def _differences(
    step: Mapping[str, Json], before: Resource | None, after: Resource | None
) -> tuple[Difference, ...]:
    if before is None or after is None:
        return ()
    found = list(differences(dict(before.inputs), dict(after.inputs)))
    if before.protect != after.protect:
        found.append(Difference(path="protect", before=before.protect, after=after.protect))
    seen = {each.path.partition(".")[0].partition("[")[0] for each in found}
    # What differs according to the provider, but not in the program's inputs: drift and secrets.
    found += [
        Difference(path=path, before=None, after=None, note="differs, by the provider's word")
        for path in sorted(record(step, "detailedDiff"))
        if (after.type, path) != (RELEASE, "version")
        if path.partition(".")[0].partition("[")[0] not in seen
    ]
    return tuple(found)


def _shown(value: Json) -> Json:
    match value:
        case str():
            return KNOWN_LATER if value == properties.UNKNOWN else value
        case list():
            return [_shown(item) for item in value]
        case dict():
            return {key: _shown(item) for key, item in value.items() if key != "__defaults"}
        case _:
            return value
