"""What changes in the release's Kubernetes objects, and whether the server's pods roll because of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from common.json_values import Json, dig, record, records
from review.differences import differences
from review.model import Difference, Way
from review.snapshot import Objects, Snapshot, symbol

DEPLOYMENT = "Deployment maestro"
TEMPLATE = "spec.template"
EXPLAINED: Mapping[str, str] = {
    "checksum/mqtt-config": "the MQTT configuration changes",
    "checksum/rds-ca": "the certificate authorities of the database change",
    "secret-version/db-credentials": "the database secret changes",
    "secret-version/server-mqtt-cert": "the certificate's secret changes",
}
"""By pod annotation, why the pods roll when it changes."""
_NOISE = frozenset({'metadata.annotations."checksum/chart"'})
"""Changes with every edit of the chart, to make Helm upgrade the release; its effects show elsewhere."""
_DEFAULTS: Mapping[str, Json] = {
    "protocol": "TCP", "type": "ClusterIP", "sessionAffinity": "None", "replicas": 1, "hostNetwork": False,
    "hostPID": False, "hostIPC": False, "privileged": False, "restartPolicy": "Always", "readOnly": False,
    "dnsPolicy": "ClusterFirst", "minReadySeconds": 0,
}  # fmt: skip
"""What the API server fills in for a missing field. Source: Kubernetes API reference."""
_KIND = re.compile(r"""\bkind["']?\s*:(?!\s*["']?\w*List\b)""")
_QUANTITY = re.compile(r"([0-9.]+)(m|k|[KMGTPE]i?)?")
_UNITS: Mapping[str, Decimal] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("KMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


@dataclass(frozen=True, kw_only=True)
class ObjectChange:
    """What happens to one object."""

    subject: str
    way: Way
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    differences: tuple[Difference, ...]
    only: tuple[str, ...] = ()
    """The cluster situations in which it happens; empty if it happens here."""

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str((self.after or self.before or {}).get("kind"))


def changes(before: Snapshot, after: Snapshot) -> Iterator[ObjectChange]:
    """Every object that differs: as installed here, and as it would be in other clusters."""
    everywhere = {each.subject: each for each in _changes(before.objects, after.objects)}
    yield from everywhere.values()
    elsewhere: dict[str, ObjectChange] = {}
    for situation in before.situations.keys() & after.situations.keys():
        for each in _changes(before.situations[situation], after.situations[situation]):
            if each == everywhere.get(each.subject):
                continue
            key = repr(each)
            known = elsewhere.get(key, each)
            elsewhere[key] = replace(known, only=tuple(sorted({*known.only, situation})))
    yield from elsewhere.values()


def _changes(before: Objects, after: Objects) -> Iterator[ObjectChange]:
    for subject in sorted({*before, *after}):
        old, new = before.get(subject), after.get(subject)
        if old is None or new is None:
            way = Way.CREATED if old is None else Way.DELETED
            whole = Difference(path="", before=dict(old) if old else None, after=dict(new) if new else None)
            yield ObjectChange(subject=subject, way=way, before=old, after=new, differences=(whole,))
        elif found := tuple(_explained(_differences(dict(old), dict(new), before, after))):
            yield ObjectChange(subject=subject, way=Way.UPDATED, before=old, after=new, differences=found)


def why_pods_roll(before: Snapshot, after: Snapshot) -> list[str]:
    """Why the Deployment replaces its pods; empty if it doesn't. Source: Kubernetes, "Deployments"."""
    old, new = before.objects.get(DEPLOYMENT), after.objects.get(DEPLOYMENT)
    if old is None or new is None:
        return []
    reasons: list[str] = []
    for difference in _differences(_template(old), _template(new), before.objects, after.objects):
        reason = next((why for key, why in EXPLAINED.items() if f'"{key}"' in difference.path), None)
        reasons.append(reason or f"the pod template's {difference.path} changes")
    return list(dict.fromkeys(reasons))


def annotated_with(after: Snapshot, subject: str) -> str | None:
    """The pod annotation that holds a resource's id, so that a new id rolls the pods; None if none does."""
    deployment = after.objects.get(DEPLOYMENT, {})
    annotations = dig(deployment, f"{TEMPLATE}.metadata.annotations")
    held = annotations if isinstance(annotations, dict) else {}
    return next((key for key, value in held.items() if value == symbol(subject)), None)


def kinds_in(value: Json) -> int:
    """How many objects' kinds it names, in texts too."""
    match value:
        case str():
            return len(_KIND.findall(value))
        case list():
            return sum(map(kinds_in, value))
        case dict():
            return sum((key == "kind") + kinds_in(inner) for key, inner in value.items())
        case _:
            return 0


def _template(deployment: Mapping[str, Json]) -> Json:
    return record(record(deployment, "spec"), "template")


def ports(objects: Objects) -> dict[str, Json]:
    """The ports of the server's containers, by name."""
    containers = records(
        record(record(record(objects.get(DEPLOYMENT, {}), "spec"), "template"), "spec"), "containers"
    )
    named = [port for container in containers for port in records(container, "ports")]
    return {str(port.get("name")): port.get("containerPort") for port in named}


def _differences(old: Json, new: Json, before: Objects, after: Objects) -> Iterator[Difference]:
    """The meaningful ones: equal quantities, ports by name or number, and explicit defaults mean the same."""
    for each in differences(old, new):
        field = each.path.rpartition(".")[2]
        sides = [_DEFAULTS.get(field) if side is None else side for side in (each.before, each.after)]
        if sides[0] == sides[1]:
            continue
        if field in ("port", "targetPort"):
            named = [
                ports(objects).get(str(side), side)
                for objects, side in zip((before, after), sides, strict=True)
            ]
            if named[0] == named[1]:
                continue
        if ".resources." in f".{each.path}." and _amount(sides[0]) == _amount(sides[1]) is not None:
            continue
        yield each


def _amount(quantity: Json) -> Decimal | None:
    """Source: Kubernetes, "Quantity"."""
    found = _QUANTITY.fullmatch(str(quantity))
    return Decimal(found[1]) * _UNITS[found[2] or ""] if found and found[1].count(".") < 2 else None


def _explained(found: Iterator[Difference]) -> Iterator[Difference]:
    for each in found:
        if each.path in _NOISE:
            continue
        why = next((why for key, why in EXPLAINED.items() if f'"{key}"' in each.path), "")
        yield Difference(path=each.path, before=each.before, after=each.after, note=each.note or why)
