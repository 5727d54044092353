"""What the messages of AWS, Kubernetes, Helm and Pulumi mean, and what to do, all in one table.

docs/generate.py writes docs/operating.md, "When something is stuck", and the table at the top of
docs/recovery.md from it; the fleet and the rehearsal print its rows under the errors that they match.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from common.json_values import Json


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """A row. Texts are Markdown without links; {name} is the thing's name in the message, if it has one."""

    sign: str
    """What users see, in the docs."""
    message: str = ""
    """Case-insensitive regular expression that finds it in an error; empty if no error shows it."""
    because: str
    do: str
    page: str = ""
    """Where to read more: a file and its anchor."""

    def __str__(self) -> str:
        more = [f"more: {self.page}"] if self.page else []
        return "\n".join([f"why: {self.because}", f"do: {self.do}", *more])

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        return {"because": self.because, "do": self.do, "page": self.page or None}


def remedies_of(errors: Iterable[str]) -> tuple[Remedy, ...]:
    """The first row that matches each error, each row once."""
    return tuple(dict.fromkeys(remedy for error in errors for remedy in _known(error)))


def _known(error: str) -> Iterator[Remedy]:
    for remedy in REMEDIES:
        if remedy.message and (found := re.search(remedy.message, error, re.IGNORECASE | re.DOTALL)):
            yield named(remedy, found.groupdict().get("name") or "NAME")
            return


def named(remedy: Remedy, name: str) -> Remedy:
    """The row, about a thing with this name."""
    return replace(remedy, because=remedy.because.format(name=name), do=remedy.do.format(name=name))


_RECOVERY = "docs/recovery.md#"
_CHART = "charts/maestro-server-eso/README.md#troubleshooting"

REMEDIES = (
    # The release. Sources of its messages: helm pkg/action and pkg/storage/driver; pulumi-kubernetes
    # provider/pkg/provider, helm_release.go and provider.go.
    Remedy(
        sign="`another operation (install/upgrade/rollback) is in progress`",
        message=r"another operation \(install/upgrade/rollback\) is in progress",
        because="an update was cut off while Helm worked, or its provider is still at work",
        do="wait until no `pulumi-resource-kubernetes` runs; `helm history maestro-server -n maestro`, then "
        "`helm rollback` to the last good revision, or `helm uninstall` if there is none; `pulumi refresh`; "
        "`pulumi up`",
        page=f"{_RECOVERY}a-stuck-release",
    ),
    Remedy(
        sign="`cannot re-use a name that is still in use`",
        message=r"cannot re-use a name that is still in use",
        because="the release was installed by hand",
        do="`helm uninstall maestro-server -n maestro`, then `pulumi up`",
    ),
    Remedy(
        sign="`has no deployed releases`",
        message=r"has no deployed releases",
        because="the release was uninstalled by hand, and the state still has it",
        do="`pulumi refresh`, then `pulumi up` installs it",
    ),
    Remedy(
        sign="`uninstall: Release not loaded: … release: not found`",
        message=r"release not loaded.*release: not found",
        because="the release is gone already, and the state still has it",
        do="`pulumi refresh`, then `pulumi destroy` again",
    ),
    Remedy(
        sign="`context deadline exceeded`, `was created but has a failed status`",
        message=r"has a failed status|failed to initialize completely|helm release.*context deadline exceeded"
        r"|timed out waiting for the condition",
        because="pods didn't become ready within `server.timeoutSeconds`; only the cluster knows why. A "
        "failed first install stays in place for you to look at",
        do="`kubectl get events -n maestro --sort-by=.lastTimestamp`, `kubectl describe pods -n maestro`; "
        "once the cause is fixed, `pulumi up` upgrades it",
        page=_CHART,
    ),
    Remedy(
        sign="`values don't meet the specifications of the schema(s)`",
        message=r"values don't meet the specifications of the schema",
        because="the chart refuses something in `server.values`, which no preview sees",
        do="fix it; `python -m rehearsal` checks it before the next `pulumi up`",
        page="charts/maestro-server-eso/README.md#configuration",
    ),
    # A restore. The program looks nothing up for it: an expired snapshot would fail every later `up`.
    Remedy(
        sign="`DBSnapshotNotFound`, `DBInstanceAutomatedBackupNotFound`",
        message=r"DBSnapshotNotFound|DBInstanceAutomatedBackupNotFound|The snapshot \S+ is not in",
        because="what `database.restoreFrom` names isn't in this account and region, has expired, or isn't "
        "shared with this account",
        do="find what exists: `aws rds describe-db-snapshots`, `aws rds "
        "describe-db-instance-automated-backups`; copy a snapshot from another region: `aws rds "
        "copy-db-snapshot --source-region REGION`",
        page="docs/restore.md",
    ),
    Remedy(
        sign="`cannot be restored to a time`, `PointInTimeRestoreNotEnabled`",
        message=r"cannot be restored to a time|PointInTimeRestoreNotEnabled",
        because="`database.restoreFrom.time` is older than the backups, newer than the last of them, or "
        "there are none",
        do="choose a time in the `RestoreWindow` of `aws rds describe-db-instance-automated-backups`, or "
        "`latest`",
        page="docs/restore.md",
    ),
    Remedy(
        sign="`KMSKeyNotAccessibleFault`",
        message=r"KMSKeyNotAccessible",
        because="the key that encrypts the snapshot, the backups or the database is disabled, being "
        "deleted, in another region, or not usable by this account",
        do="`aws kms describe-key --key-id KEY`, then `aws kms cancel-key-deletion` and `aws kms "
        "enable-key`; without its key a snapshot is lost",
        page="docs/restore.md",
    ),
    Remedy(
        sign="`The parameter group … can't be used for this instance`",
        message=r"RestoreDBInstance.*parameter group.*can't be used",
        because="the snapshot or backup is of another major version",
        do="`pulumi config set --path database.engineVersion MAJOR` of the backup; upgrade after the restore",
        page="docs/restore.md",
    ),
    # Other objects in the cluster.
    Remedy(
        sign='`namespaces "maestro" already exists`',
        message=r'namespaces "(?P<name>[^"]+)" already exists',
        because="the program makes its own namespace, and an installation by hand made this one "
        "(`--create-namespace`)",
        do="if it is meant for Maestro: `pulumi config set --path server.namespaceMode external`; else "
        "another one: `pulumi config set --path server.namespace {name}-2`",
    ),
    Remedy(
        sign="`resource 'maestro' does not exist`",
        message=r"resource '(?P<name>[^']+)' does not exist",
        because="`server.namespaceMode` is `external`, and whoever makes the namespace has not made it yet",
        do="`kubectl create namespace {name}`, or let the program make it: `pulumi config set --path "
        "server.namespaceMode create`",
    ),
    Remedy(
        sign='`configmaps "bootstrap-output" already exists`',
        message=r'configmaps "bootstrap-output" already exists',
        because="something else made the ConfigMap",
        do="if it is this cluster's, add our key to it: `pulumi config set bootstrapConfigMap adopt`",
        page="docs/configuration.md#the-region",
    ),
    Remedy(
        sign="`Server-Side Apply field conflict detected`",
        message=r"server-side apply field conflict|apply failed with \d+ conflict",
        because="something else has given a field of ours another value: the message names it and the "
        "field. With `bootstrapConfigMap: adopt`, that is our key in the ConfigMap",
        do="`kubectl get configmap -n kube-system bootstrap-output --show-managed-fields -o yaml`; either "
        "`clusterName` is wrong, or that value is: correct it there",
        page="docs/configuration.md#the-region",
    ),
    Remedy(
        sign="`configured Kubernetes cluster is unreachable`",
        message=r"kubernetes (cluster|API server \S+) is unreachable|unreachable cluster",
        because="the API server doesn't answer, the AWS credentials are refused, or `aws` isn't on the PATH",
        do="`aws eks update-kubeconfig --name CLUSTER`, `kubectl get --raw /readyz`, and run it again. Set "
        "`PULUMI_K8S_DELETE_UNREACHABLE=true`, as the message advises, only if the cluster is gone for "
        "good: `pulumi refresh` then forgets what was on it",
        page="docs/move.md#an-old-cluster-that-is-gone-already",
    ),
    # AWS.
    Remedy(
        sign="IoT policy: `name already exists`",
        message=r"policy cannot be created - name already exists(?: \(name=(?P<name>\S+)-server\))?",
        because="another Maestro server uses this `mqtt.sourceId` in this account and region, and the two "
        "would steal each other's messages. Or an earlier run of this stack was cut off, and the policy is "
        "its own",
        do="choose another source id, such as `pulumi config set --path mqtt.sourceId {name}-2`",
        page=f"{_RECOVERY}made-but-never-noted",
    ),
    Remedy(
        sign="a secret `is already scheduled for deletion`",
        message=r"(?:Secrets Manager Secret \((?P<name>[^)]+)\).*)?scheduled for deletion",
        because="it was deleted, as by the last teardown in production, and can still be restored, which "
        "keeps its name taken",
        do="delete it for good: `aws secretsmanager delete-secret --force-delete-without-recovery "
        "--secret-id {name}`; a minute later `pulumi up`. Or `aws secretsmanager restore-secret --secret-id "
        "{name}`, and import it",
    ),
    Remedy(
        sign="`InvalidDBParameterGroupState` at a deletion",
        message=r"InvalidDBParameterGroupState",
        because="the database still uses an old parameter group: an upgrade over several major versions "
        "waits for the maintenance window, and the stack keeps only the groups of the new version and the "
        "one before",
        do="after the window, `pulumi refresh` and `pulumi up` finish the change. To upgrade now: `pulumi "
        "config set --path database.applyImmediately true`, and `pulumi up`",
    ),
    Remedy(
        sign="`Cannot upgrade postgres from … to …`, `Cannot find upgrade path`",
        message=r"cannot (?:upgrade postgres|find upgrade path) from",
        because="for RDS a major version means its default minor, which is older than the running one, or "
        "which the running one can't be upgraded to; and it never downgrades",
        do="give a full version that `aws rds describe-db-engine-versions --engine postgres --engine-version "
        "RUNNING --query 'DBEngineVersions[].ValidUpgradeTarget[].EngineVersion'` names, or the running one: "
        "`pulumi config set --path database.engineVersion 17.9`",
        page="docs/operating.md#upgrade",
    ),
    Remedy(
        sign="`previous storage change is being optimized`",
        message=r"previous storage change is being optimized",
        because="RDS changes storage once in six hours, and everything in the same change failed with it, "
        "even a rotation",
        do="set the old size again and `pulumi up` for the rest; the new size after six hours",
    ),
    Remedy(
        sign="storage `can't be reduced`, `Invalid storage size`",
        message=r"storage can't be reduced|invalid storage size",
        because="RDS never shrinks storage, and it rounds growth up to a tenth of the current size",
        do="set `database.allocatedStorageGiB` to the current size: `aws rds describe-db-instances --query "
        "'DBInstances[].[DBInstanceIdentifier,AllocatedStorage]'`",
    ),
    Remedy(
        sign="`Invalid max storage size`",
        message=r"invalid max storage size",
        because="storage has grown by itself, and its maximum must be a tenth above the current size",
        do="raise `database.maxAllocatedStorageGiB`: `aws rds describe-db-instances --query "
        "'DBInstances[].[DBInstanceIdentifier,AllocatedStorage]'` shows the current size",
    ),
    Remedy(
        sign="`subnets to be deleted are currently in use`",
        message=r"subnets to be deleted are currently in use",
        because="the database or its standby lives in a subnet that `network.subnetIds` no longer has",
        do="give the old subnets as well as the new ones",
    ),
    Remedy(
        sign="`not in the same Vpc as the existing subnet group`",
        message=r"not in the same vpc as the existing subnet group",
        because="the database can't leave its VPC",
        do="revert `network.subnetIds`; another network is another stack: `pulumi stack init`",
    ),
    Remedy(
        sign="`DependencyViolation` at a security group's deletion",
        message=r"DeleteSecurityGroup.*DependencyViolation",
        because="`clusterName` or `network.vpcId` leads to another VPC. The database can't leave its own, "
        "and meanwhile admits nobody",
        do="set the old one again, and `pulumi up`; another VPC is another stack: `pulumi stack init`",
        page="docs/move.md#a-cluster-in-another-vpc",
    ),
    Remedy(
        sign="`InvalidDBInstanceState`",
        message=r"InvalidDBInstanceState",
        because="RDS is still at work on the database, as after an update that was cut off",
        do="`aws rds wait db-instance-available --db-instance-identifier maestro-CLUSTER`, then `pulumi up`",
    ),
    Remedy(
        sign="`DeleteConflictException` at an IoT policy's deletion",
        message=r"DeletePolicy.*DeleteConflictException",
        because="AWS may hold on to a policy for five minutes after it was detached, and the provider tries "
        "for two",
        do="run it again",
    ),
    Remedy(
        sign="`Cannot delete protected DB Instance`, `because it is protected`",
        message=r"cannot delete protected|because it is protected|marked for protection",
        because="a production stack keeps its data from being deleted or replaced by mistake",
        do="revert the change; to close the region, lift the guards in their order",
        page="docs/operating.md#tear-down",
    ),
    Remedy(
        sign="throttling, a server error, expired credentials, a full quota",
        message=r"throttl|rate exceeded|too many requests|statuscode: 5\d\d|serviceunavailable"
        r"|internal(failure|servererror)|expiredtoken|token .*expired|limitexceeded|quota",
        because="AWS refused a call that it may take later",
        do="renew the credentials or have the quota raised; `pulumi up` goes on where it stopped",
        page=f"{_RECOVERY}just-again",
    ),
    Remedy(
        sign="a warning of `pending operations`, after the engine or its machine went down",
        message=r"pending operations",
        because="Pulumi was killed between creating something and recording it",
        do="see what is pending, import what exists, drop the rest",
        page=f"{_RECOVERY}after-a-kill",
    ),
    Remedy(
        sign="`The specified log group already exists`",
        message=r"(?:Log Group \((?P<name>[^)]+)\).*)?specified log group already exists",
        because="RDS created it: for an earlier database of this name, or before the stack had log groups of "
        "its own",
        do="`aws logs delete-log-group --log-group-name {name}` if its lines may go; else import it",
        page=f"{_RECOVERY}made-but-never-noted",
    ),
    Remedy(
        sign="any other `already exists`",
        message=r"already ?exists|EntityAlreadyExists|ResourceInUse",
        because="it was created by hand; or AWS created it, and its response was lost with the connection "
        "or the engine",
        do="if its tags name this stack, remove or import it",
        page=f"{_RECOVERY}made-but-never-noted",
    ),
    # The state. gocloud.dev/blob/fileblob writes its files atomically, but not the attributes next to them.
    Remedy(
        sign="`the stack is currently locked`",
        message=r"stack is currently locked",
        because="another run works on this stack, or was killed",
        do="wait for it; if it was killed, `pulumi cancel --yes`, or `python -m rehearsal cancel` for a "
        "rehearsal",
        page=f"{_RECOVERY}a-lock-left-behind",
    ),
    Remedy(
        sign="`failed to load checkpoint: EOF`",
        message=r"failed to load checkpoint: eof",
        because="the state is whole, but the attributes beside it are empty: another run may be writing it, "
        "or was killed while it did",
        do="run it again; if no other runs, `find BACKEND -name '*.attrs' -size 0 -delete`",
        page=f"{_RECOVERY}an-empty-attributes-file",
    ),
    Remedy(
        sign="`snapshot integrity failure`, or the state file can't be read",
        message=r"snapshot integrity failure|invalid character|unexpected end of json",
        because="the state file is damaged",
        do="put the newest copy from the backend's `.pulumi/backups` in its place; a rehearsal can also "
        "start over in another folder, with `--state`",
        page=f"{_RECOVERY}a-damaged-state-file",
    ),
    Remedy(
        sign="`incorrect passphrase`",
        message=r"incorrect passphrase",
        because="the state was written with another passphrase",
        do="set `PULUMI_CONFIG_PASSPHRASE` to it; a rehearsal can also start over in another folder, with "
        "`--state`",
        page=f"{_RECOVERY}another-passphrase",
    ),
    Remedy(
        sign="`no space left on device`",
        message=r"no space left on device",
        because="the disk is full; what was recorded is not lost",
        do="free some space, and run it again",
    ),
    # What no error shows.
    Remedy(
        sign="`dial tcp … i/o timeout` in the log of `migration`",
        because="the database doesn't admit the pods",
        do="admit their security groups or addresses",
        page="docs/configuration.md#network",
    ),
    Remedy(
        sign="pods are Ready, but a secret changed by hand has no effect",
        because="the driver keeps old files when a remount fails, and the server reads them at start",
        do="rotate through `rotation`; `kubectl get secretproviderclasspodstatus -n maestro`",
        page="docs/operating.md#rotate",
    ),
    Remedy(
        sign="a certificate that nothing uses",
        because="it was being created when Pulumi was killed",
        do="delete it when `pulumi up` is done",
        page=f"{_RECOVERY}orphaned-certificates",
    ),
    Remedy(
        sign="the server connects, but may do nothing, or too much",
        because="somebody attached another policy to its certificate, which neither `refresh` nor `preview` "
        "sees",
        do="attach ours again",
        page=f"{_RECOVERY}a-swapped-policy",
    ),
)
"""Specific rows before general ones: an error gets the first that matches it."""
