"""What changes in the release's Kubernetes objects, and whether the server's pods roll because of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from common.json_values import Json, dig, record
from review.differences import differences
from review.model import Difference, Way
from review.snapshot import Snapshot, symbol

DEPLOYMENT = "Deployment maestro"
TEMPLATE = "spec.template"
EXPLAINED: Mapping[str, str] = {
    "checksum/mqtt-config": "the MQTT configuration changes",
    "checksum/rds-ca": "the certificate authorities of the database change",
    "secret-version/db-credentials": "the database secret changes",
    "secret-version/server-mqtt-cert": "the certificate's secret changes",
}
"""By pod annotation, why the pods roll with it."""
_NOISE = frozenset({'metadata.annotations."checksum/chart"'})
"""Follows every edit of the chart, so that Helm upgrades the release; what the edit does shows elsewhere."""


@dataclass(frozen=True, kw_only=True)
class ObjectChange:
    """What happens to one object."""

    subject: str
    """`Kind name`."""
    way: Way
    differences: tuple[Difference, ...]


def changes(before: Snapshot, after: Snapshot) -> Iterator[ObjectChange]:
    """Every object that differs."""
    for subject in sorted({*before.objects, *after.objects}):
        old, new = before.objects.get(subject), after.objects.get(subject)
        if old is None:
            yield ObjectChange(subject=subject, way=Way.CREATED, differences=())
        elif new is None:
            yield ObjectChange(subject=subject, way=Way.DELETED, differences=())
        elif found := tuple(_explained(differences(dict(old), dict(new)))):
            yield ObjectChange(subject=subject, way=Way.UPDATED, differences=found)


def why_pods_roll(before: Snapshot, after: Snapshot) -> list[str]:
    """Why the Deployment replaces its pods; nothing if it doesn't. Source: Kubernetes, "Deployments"."""
    old, new = before.objects.get(DEPLOYMENT), after.objects.get(DEPLOYMENT)
    if old is None or new is None:
        return []
    reasons: list[str] = []
    for difference in differences(_template(old), _template(new)):
        reason = next((why for key, why in EXPLAINED.items() if f'"{key}"' in difference.path), None)
        reasons.append(reason or f"the pod template's {difference.path} changes")
    return list(dict.fromkeys(reasons))


def annotated_with(after: Snapshot, subject: str) -> str | None:
    """The pod annotation that holds a resource's id: another id rolls the pods."""
    deployment = after.objects.get(DEPLOYMENT, {})
    annotations = dig(deployment, f"{TEMPLATE}.metadata.annotations")
    held = annotations if isinstance(annotations, dict) else {}
    return next((key for key, value in held.items() if value == symbol(subject)), None)


def _template(deployment: Mapping[str, Json]) -> Json:
    return record(record(deployment, "spec"), "template")


def _explained(found: Iterator[Difference]) -> Iterator[Difference]:
    for each in found:
        if each.path in _NOISE:
            continue
        why = next((why for key, why in EXPLAINED.items() if f'"{key}"' in each.path), "")
        yield Difference(path=each.path, before=each.before, after=each.after, note=each.note or why)
