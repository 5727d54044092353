"""Rules over several keys of the configuration."""

import re
from collections.abc import Collection, Iterator, Sequence

from maestro_stack.errors import Problem
from maestro_stack.messages import example_at, shown
from maestro_stack.schema import (
    Configuration,
    DatabaseSettings,
    KubernetesSettings,
    Profile,
    ServerSettings,
    Tree,
)
from maestro_stack.sizing import (
    GP3_IOPS,
    GP3_STRIPED_FROM_GIB,
    GP3_THROUGHPUT,
    POOL_MIN,
    connection_pool,
    storage_performance,
)

GP3_THROUGHPUT_PER_IOPS = 0.25
STORAGE_HEADROOM_PERCENT = 10  # RDS user guide, "Storage autoscaling": how far the maximum must be above
PRODUCTION_BACKUP_DAYS_MIN = 7
FULL_SHA = re.compile(r"[0-9a-f]{40}")

# Chart values that the program sets. `server.values` may not override them; `Server` asserts the same list.
WIRED_VALUES = (
    "clusterName", "broker.endpoint", "broker.sourceId", "aws.region", "aws.podIdentity.enabled",
    "aws.preferredAddressType", "database.caBundle", "database.maxOpenConnections", "deployment.replicas",
    "deployment.zoneCount", "deployment.requests.cpu", "deployment.requests.memory", "image.repository",
    "image.tag", "image.digest", "chartDigest",
)  # fmt: skip


RELEASE_KEYS = (
    "release_name",
    "timeout_seconds",
    "namespace_mode",
    "namespace_labels",
    "namespace_annotations",
)
"""Keys of `server` that apply only to a release and a namespace created by the program."""


def broken_rules(c: Configuration, broken: Collection[str] = ()) -> Iterator[Problem]:
    """Rules over several keys. `c` holds defaults for the top-level keys in `broken`.

    A rule that needs one of these isn't applied; the caller drops problems of a broken key itself.
    """
    yield from _storage_problems(c.database)
    yield from _window_problems(c.database)
    yield from _restore_problems(c.database)
    if c.server.namespace == "default" or c.server.namespace.startswith("kube-"):
        problem = f"{shown(c.server.namespace)} belongs to Kubernetes; Maestro gets a namespace of its own"
        yield Problem(key="server.namespace", problem=problem, example=example_at("server", "namespace"))
    if c.server.install == "external":
        for key in sorted({*RELEASE_KEYS} & c.server.model_fields_set):
            yield Problem(
                key=f"server.{ServerSettings.model_fields[key].alias}",
                problem="is given, but with server.install external the program makes no release and no "
                "namespace",
                example="remove it, or: pulumi config set --path server.install pulumi",
            )
    elif c.server.namespace_mode == "external":
        given = {"Labels": c.server.namespace_labels, "Annotations": c.server.namespace_annotations}
        for what in (what for what, metadata in given.items() if metadata):
            yield Problem(
                key=f"server.namespace{what}",
                problem="is given, but server.namespaceMode external leaves the namespace as it is",
                example="example: pulumi config set --path server.namespaceMode create",
            )
    for path in _wired_overrides(c.server.values):
        problem = "is set by the program; it can't be overridden"
        remedy = "remove it; settings of the same name exist for what may be changed"
        yield Problem(key=f"server.values.{path}", problem=problem, example=remedy)
    if not {"database", "server"} & {*broken}:
        yield from _capacity_problems(c)
    if c.rotation.keep_certificate == c.rotation.certificate:
        problem = f"{shown(c.rotation.certificate)} is rotation.certificate, the certificate in use"
        example = "remove it, or name the value that rotation.certificate had before"
        yield Problem(key="rotation.keepCertificate", problem=problem, example=example)
    yield from _kubernetes_problems(c.kubernetes)
    if not {"profile", "acknowledge"} & {*broken}:
        yield from _weakenings(c, broken)


def _capacity_problems(c: Configuration) -> Iterator[Problem]:
    instance_class, replicas = c.database.instance_class, c.server.replicas
    if connection_pool(instance_class, replicas) < POOL_MIN:
        yield Problem(
            key="server.replicas",
            problem=f"{replicas} servers need more connections than {instance_class} has for them",
            example="example: pulumi config set --path database.instanceClass db.m6g.large",
        )


def _kubernetes_problems(k: KubernetesSettings) -> Iterator[Problem]:
    if k.mode == "kubeconfig" and k.kubeconfig is None:
        yield Problem(
            key="kubernetes.kubeconfig",
            problem="is missing in mode kubeconfig",
            example=example_at("kubernetes", "kubeconfig"),
        )
    if k.mode != "kubeconfig" and k.kubeconfig is not None:
        yield Problem(
            key="kubernetes.kubeconfig",
            problem=f"is given, but mode {k.mode} doesn't use it",
            example="example: pulumi config set --path kubernetes.mode kubeconfig",
        )
    if k.mode == "ambient" and k.context is None:
        yield Problem(
            key="kubernetes.context",
            problem="is missing in mode ambient: nothing else says which cluster is meant",
            example=example_at("kubernetes", "context"),
        )
    if k.mode == "eks" and k.context is not None:
        yield Problem(
            key="kubernetes.context",
            problem="is given, but mode eks makes its own",
            example="example: pulumi config set --path kubernetes.mode ambient",
        )


def _storage_problems(d: DatabaseSettings) -> Iterator[Problem]:
    size, most = d.allocated_storage_gib, d.max_allocated_storage_gib
    if most < size:
        yield Problem(
            key="database.allocatedStorageGiB",
            problem=f"{size} is above database.maxAllocatedStorageGiB ({most})",
            example=f"example: pulumi config set --path database.maxAllocatedStorageGiB {size * 5}",
        )
    elif size < most and most * 100 < size * (100 + STORAGE_HEADROOM_PERCENT):
        yield Problem(
            key="database.maxAllocatedStorageGiB",
            problem=f"{most} is less than 10 % above database.allocatedStorageGiB ({size}); RDS refuses that",
            example=f"example: pulumi config set --path database.maxAllocatedStorageGiB {size * 5}",
        )
    for key, value, least, greatest in (
        ("iops", d.iops, *GP3_IOPS),
        ("storageThroughput", d.storage_throughput, *GP3_THROUGHPUT),
    ):
        if value is not None and size < GP3_STRIPED_FROM_GIB:
            yield Problem(
                key=f"database.{key}",
                problem=f"{value} can't be set: gp3 storage below {GP3_STRIPED_FROM_GIB} GiB has fixed "
                f"performance (database.allocatedStorageGiB is {size})",
                example="remove it, or: pulumi config set --path database.allocatedStorageGiB "
                f"{GP3_STRIPED_FROM_GIB}",
            )
        elif value is not None and not least <= value <= greatest:
            yield Problem(
                key=f"database.{key}",
                problem=f"{value} is not between {least} and {greatest}",
                example=example_at("database", key),
            )
    iops, throughput = storage_performance(d)
    if iops and throughput and throughput > iops * GP3_THROUGHPUT_PER_IOPS:
        needed = int(throughput / GP3_THROUGHPUT_PER_IOPS)
        yield Problem(
            key="database.storageThroughput",
            problem=f"{throughput} MiB/s needs database.iops of at least {needed}",
            example=f"example: pulumi config set --path database.iops {needed}",
        )


def _restore_problems(d: DatabaseSettings) -> Iterator[Problem]:
    if (r := d.restore_from) is None:
        return
    sources = sum(each is not None for each in (r.snapshot, r.instance, r.automated_backup))
    moments = sum(each is not None for each in (r.time, r.latest))
    if (sources, moments) != (1, 0 if r.snapshot else 1):
        yield Problem(
            key="database.restoreFrom",
            problem="must be a snapshot alone, or an instance or automatedBackup with time or latest",
            example=example_at("database", "restoreFrom"),
        )


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def _window_problems(d: DatabaseSettings) -> Iterator[Problem]:
    day = 24 * 60
    start, end = (_minutes(clock) for clock in d.backup_window.split("-"))
    backup_length = (end - start) % day
    if backup_length < 30:
        yield Problem(
            key="database.backupWindow",
            problem=f"{shown(d.backup_window)} is shorter than 30 minutes",
            example=example_at("database", "backupWindow"),
        )
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    first, last = (days.index(w[:3]) * day + _minutes(w[4:]) for w in d.maintenance_window.split("-"))
    length = (last - first) % (7 * day)
    if not 30 <= length <= day:
        yield Problem(
            key="database.maintenanceWindow",
            problem=f"{shown(d.maintenance_window)} is not between 30 minutes and 24 hours long",
            example=example_at("database", "maintenanceWindow"),
        )
    # Two windows overlap when one begins inside the other; the backup window recurs daily.
    elif (start - first) % day < length or (first - start) % day < backup_length:
        yield Problem(
            key="database.maintenanceWindow",
            problem=f"{shown(d.maintenance_window)} overlaps database.backupWindow ({d.backup_window})",
            example=example_at("database", "maintenanceWindow"),
        )


def _wired_overrides(values: Tree) -> list[str]:
    """Wired chart values that `values` would change, as dotted paths."""
    return [path for path in WIRED_VALUES if _reaches(values, path.split("."))]


def _reaches(values: Tree, path: Sequence[str]) -> bool:
    if path[0] not in values:
        return False
    below = values[path[0]]
    return not isinstance(below, dict) or len(path) == 1 or _reaches(below, path[1:])


def _weakenings(c: Configuration, broken: Collection[str]) -> Iterator[Problem]:
    """Settings that weaken production must be acknowledged; what is acknowledged must weaken something."""
    weak = dict(_weak_settings(c)) if c.profile == Profile.PRODUCTION else {}
    acknowledged = {a.key for a in c.acknowledge}
    for key, problem in weak.items():
        if key not in acknowledged:
            yield Problem(
                key=key,
                problem=f"{problem}, which weakens profile production",
                example="remove it, or in the stack's file: "
                f'acknowledge: [{{"key": "{key}", "reason": "…"}}]',
            )
    for position, entry in enumerate(c.acknowledge):
        if entry.key not in weak and entry.key.partition(".")[0] not in broken:
            yield Problem(
                key=f"acknowledge[{position}].key",
                problem=f"{shown(entry.key)} weakens nothing",
                example="remove the entry, so that it can't cover a later change",
            )


def _weak_settings(c: Configuration) -> Iterator[tuple[str, str]]:
    if not c.database.deletion_protection:
        yield "database.deletionProtection", "is false"
    if not c.database.multi_az:
        yield "database.multiAz", "is false"
    if c.database.backup_retention_days < PRODUCTION_BACKUP_DAYS_MIN:
        days = c.database.backup_retention_days
        yield "database.backupRetentionDays", f"{days} is below {PRODUCTION_BACKUP_DAYS_MIN}"
    if c.server.replicas < 2:
        yield "server.replicas", "is 1"
    if c.server.zone_count < 2:
        yield "server.zoneCount", "is 1"
    if c.server.image.digest is None and not FULL_SHA.fullmatch(c.server.image.tag):
        yield (
            "server.image.tag",
            f"{shown(c.server.image.tag)} is not a full commit SHA, and no digest is given",
        )
