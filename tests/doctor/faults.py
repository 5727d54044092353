"""One fault at a time in a region that is otherwise healthy, and the questions that must find it.

tests/doctor/test_faults.py plants each, and docs/doctor.md lists them: docs/generate.py.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, cast

from botocore.exceptions import ClientError

from common.json_values import Json, dig, record, records, text
from doctor.backend import PASSPHRASE
from doctor.case import NAMESPACE
from doctor.credentials import session_of
from doctor.errors import UnreachableError
from doctor.state import Known, Pending, State
from emulator.aws.moto_gaps_questions import QUOTAS
from maestro_stack.database import CA_CERTIFICATE
from policies import types
from tests.doctor import patient as p
from tests.doctor.patient import AGENT, CLUSTER, INSTANCES, PROVIDER, Patient
from tests.doctor.plain_cluster import described

KEY = "11111111-1111-1111-1111-111111111111"
RESTORED: Mapping[str, object] = {"database": {"restoreFrom": {"snapshot": "kept"}}}
Phase = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong, and what must be said about it."""

    name: str
    """In words: "the cluster is being deleted"."""
    phase: Phase
    plant: Callable[[Patient], None]
    finds: tuple[str, ...] = ()
    """Exactly the questions that fail."""
    leaves: tuple[str, ...] = ()
    """Exactly those that are unverified, because of it."""
    says: str
    """Part of the first one's text."""
    mend: Callable[[Patient], None] | None = None
    """What its remedy does, where that can be done here."""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def shows_in(self) -> tuple[str, ...]:
        """The questions that tell it."""
        return self.finds or self.leaves


def _document(*statements: dict[str, Json]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


# --- account -------------------------------------------------------------------------------------


def _config(key: str, value: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        made.stack = replace(made.stack, config={**made.stack.config, key: value})

    return plant


def _credentials(minutes: float | None) -> Callable[[Patient], None]:
    """Temporary ones by the environment, which end after that time, or don't say when."""

    def plant(made: Patient) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            os.environ[name] = "x"
        if minutes is not None:
            ends = datetime.now(UTC) + timedelta(minutes=minutes)
            os.environ["AWS_CREDENTIAL_EXPIRATION"] = ends.isoformat()
        made.take(session_of(made.stack.config, p.REGION))

    return plant


def _not_opted_in(made: Patient) -> None:
    def lie(answer: dict[str, Any]) -> None:
        answer["Regions"][0]["OptInStatus"] = "not-opted-in"

    made.lies["ec2:DescribeRegions"] = lie


# --- state ---------------------------------------------------------------------------------------


def _state(**changes: object) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        assert isinstance(made.state, State)
        made.state = replace(made.state, **changes)  # type: ignore[arg-type]

    return plant


def _empty_passphrase(made: Patient) -> None:
    os.environ[PASSPHRASE] = ""
    _state(secrets_provider="passphrase")(made)


def _in_another_vpc(made: Patient) -> None:
    """The stack is built, in the VPC of the cluster that it is about to leave."""
    outputs: dict[str, Json] = {"vpcId": "vpc-0123456789abcdef0"}
    group = Known(type=types.SECURITY_GROUP, name="security-group", id="sg-1", outputs=outputs)
    _state(resources=(group,))(made)


def _half_moved(made: Patient) -> None:
    """All is built, and the old cluster's release couldn't be uninstalled."""
    assert isinstance(made.state, State)
    old = Known(type=types.RELEASE, name="release-regional-old", id="maestro/maestro-server", outputs={})
    _state(resources=(*made.state.resources, old))(made)


def _forget(*types_: str) -> Callable[[Patient], None]:
    """The state lost what is there: a run was cut off before it was noted, or another stack made it."""

    def plant(made: Patient) -> None:
        assert isinstance(made.state, State)
        left = tuple(each for each in made.state.resources if each.type not in types_)
        made.state = replace(made.state, resources=left)

    return plant


def _failed_before(*types_: str) -> Callable[[Patient], None]:
    """An `up` made all but these, and so not the release, which is last."""

    def plant(made: Patient) -> None:
        _forget(*types_, types.RELEASE)(made)
        for kind in ("Secret", "Deployment", "Pod"):
            made.cluster.remove(kind)

    return plant


def _both(*plants: Callable[[Patient], None]) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        for each in plants:
            each(made)

    return plant


# --- rights --------------------------------------------------------------------------------------


def _poor_role(made: Patient) -> None:
    """Who asks is a role that may read, and nothing else."""
    made.call("iam", "CreateRole", RoleName="reader", AssumeRolePolicyDocument=_document())
    policy = _document({"Effect": "Allow", "Action": ["iot:*", "rds:*", "ec2:*"], "Resource": "*"})
    made.call("iam", "PutRolePolicy", RoleName="reader", PolicyName="read", PolicyDocument=policy)
    made.arn = f"arn:aws:sts::{p.ACCOUNT}:assumed-role/reader/me"


# --- cluster -------------------------------------------------------------------------------------


def _cluster(**attributes: object) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        for name, value in attributes.items():
            setattr(made.backend("eks").clusters[CLUSTER], name, value)

    return plant


def _without_cluster(made: Patient) -> None:
    del made.backend("eks").clusters[CLUSTER]


def _unreachable(made: Patient) -> None:
    made.cluster.refusal = lambda _: UnreachableError("connection refused")


def _private_only(made: Patient) -> None:
    made.backend("eks").clusters[CLUSTER].resources_vpc_config["endpointPublicAccess"] = False
    _unreachable(made)


def _unknown_to_the_cluster(made: Patient) -> None:
    made.cluster.refusal = lambda _: UnreachableError("the API server doesn't know this identity (401)")


def _access_entries(made: Patient) -> None:
    def lie(answer: dict[str, Any]) -> None:
        answer["cluster"]["accessConfig"] = {"authenticationMode": "API"}

    made.lies["eks:DescribeCluster"] = lie
    _unknown_to_the_cluster(made)


def _full_subnet(made: Patient) -> None:
    def lie(answer: dict[str, Any]) -> None:
        answer["Subnets"][0]["AvailableIpAddressCount"] = 1

    made.lies["ec2:DescribeSubnets"] = lie


def _one_zone(made: Patient) -> None:
    config = made.backend("eks").clusters[CLUSTER].resources_vpc_config
    subnets = made.call("ec2", "DescribeSubnets", SubnetIds=config["subnetIds"])
    config["subnetIds"] = [
        text(each, "SubnetId")
        for each in records(subnets, "Subnets")
        if text(each, "AvailabilityZone").endswith("a")
    ]


def _own_group(made: Patient) -> str:
    vpc = made.backend("eks").clusters[CLUSTER].resources_vpc_config["vpcId"]
    group = made.call("ec2", "CreateSecurityGroup", GroupName="nodes", Description="nodes", VpcId=vpc)
    return text(group, "GroupId")


def _nodes_of_another_group(made: Patient) -> None:
    backend = made.backend("ec2")
    for eni in [each for each in backend.enis.values() if each.instance]:
        del backend.enis[eni.id]
    p.add_interfaces(made, _own_group(made))


def _pods_of_another_group(made: Patient) -> None:
    spec: Json = {"securityGroups": {"groupIds": [_own_group(made)]}}
    made.cluster.objects.append(described("SecurityGroupPolicy", "maestro", "maestro", spec=spec))


def _admit_the_group(made: Patient) -> None:
    group = next(each.id for each in made.backend("ec2").describe_security_groups() if each.name == "nodes")
    _config("maestro-stack:network", json.dumps({"clientSecurityGroupIds": [group]}))(made)


# --- workload ------------------------------------------------------------------------------------


def _without(kind: str, name: str) -> Callable[[Patient], None]:
    return lambda made: made.cluster.remove(kind, name)


def _daemon(name: str, ready: int) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        found = next(each for each in made.cluster.of_kind("DaemonSet") if dig(each, "metadata.name") == name)
        record(found, "status")["numberReady"] = ready

    return plant


def _raw_driver(made: Patient) -> None:
    made.cluster.of_kind("CSIDriver")[0]["spec"] = {}


def _nodes(**changes: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        made.cluster.remove("Node")
        made.cluster.objects += [
            p.node(f"node-{letter}", instance, letter, **changes)  # type: ignore[arg-type]
            for letter, instance in zip("abc", INSTANCES, strict=True)
        ]

    return plant


def _tainted(made: Patient) -> None:
    for node in made.cluster.of_kind("Node"):
        record(node, "spec")["taints"] = [{"key": "team", "value": "other", "effect": "NoSchedule"}]


def _arm_nodes_too(made: Patient) -> None:
    made.cluster.objects.append(p.node("node-arm", "", "a", arch="arm64"))


def _webhook(made: Patient) -> None:
    rules: Json = [{"resources": ["pods"], "operations": ["CREATE"]}]
    hooks: Json = [{"name": "validate.kyverno.svc", "failurePolicy": "Fail", "rules": rules}]
    made.cluster.objects.append(described("ValidatingWebhookConfiguration", "kyverno", webhooks=hooks))


def _admission_policy(made: Patient) -> None:
    spec: Json = {"policyName": "team-label", "validationActions": ["Deny"]}
    made.cluster.objects.append(described("ValidatingAdmissionPolicyBinding", "team-label", spec=spec))


def _vpc_cni(*, enforces: bool) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        made.cluster.remove("DaemonSet", "aws-node")
        args = [f"--enable-network-policy={str(enforces).lower()}"]
        made.cluster.objects.append(p.daemon_set("aws-node", "amazon-k8s-cni:v1.20", args=args))

    return plant


# --- names ---------------------------------------------------------------------------------------


def _iot_policy(made: Patient) -> None:
    made.call("iot", "CreatePolicy", policyName="maestro-server", policyDocument=_document())


def _no_iot_policy(made: Patient) -> None:
    made.call("iot", "DeletePolicy", policyName="maestro-server")


def _deleted_secret(made: Patient) -> None:
    name = f"{CLUSTER}/maestro/db-credentials"
    made.call("secretsmanager", "CreateSecret", Name=name, SecretString="{}")
    made.call("secretsmanager", "DeleteSecret", SecretId=name, RecoveryWindowInDays=30)


def _force_delete(made: Patient) -> None:
    name = f"{CLUSTER}/maestro/db-credentials"
    made.call("secretsmanager", "DeleteSecret", SecretId=name, ForceDeleteWithoutRecovery=True)


def _foreign_secret(made: Patient) -> None:
    name = f"{CLUSTER}/maestro/server-mqtt-cert"
    made.call("secretsmanager", "CreateSecret", Name=name, SecretString="{}")


def _parameter_group(made: Patient) -> None:
    made.call(
        "rds",
        "CreateDBParameterGroup",
        DBParameterGroupName=f"maestro-{CLUSTER}-postgres17",
        DBParameterGroupFamily="postgres17",
        Description="by hand",
    )


def _log_group(made: Patient) -> None:
    made.call("logs", "CreateLogGroup", logGroupName=f"/aws/rds/instance/maestro-{CLUSTER}/postgresql")


def _no_log_group(made: Patient) -> None:
    made.call("logs", "DeleteLogGroup", logGroupName=f"/aws/rds/instance/maestro-{CLUSTER}/postgresql")


def _role(made: Patient) -> None:
    name = f"maestro-server-{CLUSTER}-us-east-1"
    made.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=_document())


def _foreign_association(made: Patient) -> None:
    trust: dict[str, Json] = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    made.call("iam", "CreateRole", RoleName="theirs", AssumeRolePolicyDocument=_document(trust))
    made.call(
        "eks",
        "CreatePodIdentityAssociation",
        clusterName=CLUSTER,
        namespace="maestro",
        serviceAccount="maestro",
        roleArn=f"arn:aws:iam::{p.ACCOUNT}:role/theirs",
    )


def _namespace(phase: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        made.cluster.objects.append(described("Namespace", "maestro", status={"phase": phase}))

    return plant


def _config_map(cluster: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        made.cluster.remove("ConfigMap")
        managers: Json = {"managedFields": [{"manager": "terraform"}]}
        data: Json = {"cluster_name": cluster}
        made.cluster.objects.append(
            described("ConfigMap", "bootstrap-output", "kube-system", metadata=managers, data=data)
        )

    return plant


def _release(status: str, revision: int = 2) -> Callable[[Patient], None]:
    return lambda made: made.cluster.objects.append(p.helm_record(status, revision))


# --- database ------------------------------------------------------------------------------------


def _rds(name: str, value: object) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        vars(made.backend("rds"))[name] = value

    return plant


def _database(**keys: object) -> Callable[[Patient], None]:
    """The stack's own settings of it, besides those that it has."""

    def plant(made: Patient) -> None:
        key = "maestro-stack:database"
        before = cast("dict[str, object]", json.loads(made.stack.config.get(key, "{}")))
        _config(key, json.dumps({**before, **keys}))(made)

    return plant


def _key_of_ours(made: Patient) -> None:
    """The stack's own key, disabled."""
    key = record(made.call("kms", "CreateKey"), "KeyMetadata")
    made.call("kms", "DisableKey", KeyId=key["KeyId"])
    _database(kmsKeyArn=text(key, "Arn"))(made)


def _enable_keys(made: Patient) -> None:
    for key in records(made.call("kms", "ListKeys"), "Keys"):
        made.call("kms", "EnableKey", KeyId=key["KeyId"])


def _instance_by_hand(made: Patient) -> None:
    made.call(
        "rds",
        "CreateDBInstance",
        DBInstanceIdentifier=f"maestro-{CLUSTER}",
        DBInstanceClass="db.t4g.small",
        Engine="postgres",
        MasterUsername="somebody",
        MasterUserPassword="something",
        AllocatedStorage=20,
    )


def _modified(**changes: Json) -> Callable[[Patient], None]:
    """As somebody, or RDS at the window, modifies the instance."""
    return lambda made: (
        made.call("rds", "ModifyDBInstance", DBInstanceIdentifier=f"maestro-{CLUSTER}", **changes),
        None,
    )[1]


def _restorable(minutes_ago: float | None) -> Callable[[Patient], None]:
    """To when the instance can be restored at the latest."""

    def lie(answer: dict[str, Any]) -> None:
        for instance in answer["DBInstances"]:
            instance.pop("LatestRestorableTime", None)
            if minutes_ago is not None:
                instance["LatestRestorableTime"] = datetime.now(UTC) - timedelta(minutes=minutes_ago)

    def plant(made: Patient) -> None:
        made.lies["rds:DescribeDBInstances"] = lie

    return plant


def _kept(**attributes: object) -> Callable[[Patient], None]:
    """Changes the snapshot that the database is to be restored from."""

    def plant(made: Patient) -> None:
        for name, value in attributes.items():
            setattr(made.backend("rds").database_snapshots["kept"], name, value)

    return plant


def _no_snapshot(made: Patient) -> None:
    made.call("rds", "DeleteDBSnapshot", DBSnapshotIdentifier="kept")


def _key(operation: str) -> Callable[[Patient], None]:
    """Of the snapshot."""

    def plant(made: Patient) -> None:
        [snapshot] = records(made.call("rds", "DescribeDBSnapshots"), "DBSnapshots")
        made.call("kms", operation, KeyId=text(snapshot, "KmsKeyId").rpartition("/")[2])

    return plant


def _no_replication(made: Patient) -> None:
    [instance] = records(made.call("rds", "DescribeDBInstances"), "DBInstances")
    source: dict[str, Json] = {"SourceDBInstanceArn": instance["DBInstanceArn"]}
    made.cloud.in_region("us-west-2").call("rds", "StopDBInstanceAutomatedBackupsReplication", source)


def _instance(**attributes: object) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        [instance] = made.backend("rds").databases.values()
        for name, value in attributes.items():
            setattr(instance, name, value)

    return plant


def _no_instance(made: Patient) -> None:
    made.backend("rds").databases.clear()


def _no_tls(made: Patient) -> None:
    group = made.backend("rds").db_parameter_groups[f"maestro-{CLUSTER}-postgres17"]
    group.parameters.clear()


def _no_ingress(made: Patient) -> None:
    groups = made.backend("ec2").describe_security_groups()
    [group] = [each for each in groups if each.name == f"maestro-{CLUSTER}-database"]
    group.ingress_rules.clear()


# --- broker --------------------------------------------------------------------------------------


def _legacy_endpoint(made: Patient) -> None:
    _tls_policy(made, "IoTSecurityPolicy_TLS12_1_0_2015_01")


def _tls_policy(made: Patient, policy: str) -> None:
    made.call(
        "iot",
        "UpdateDomainConfiguration",
        domainConfigurationName="iot:Data-ATS",
        tlsConfig={"securityPolicy": policy},
    )


def _new_endpoint(made: Patient) -> None:
    _tls_policy(made, "IoTSecurityPolicy_TLS13_1_2_2022_10")


def _certificate(made: Patient) -> dict[str, Json]:
    return records(made.call("iot", "ListCertificates"), "certificates")[0]


def _certificate_status(status: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        id_ = text(_certificate(made), "certificateId")
        made.call("iot", "UpdateCertificate", certificateId=id_, newStatus=status)

    return plant


def _detach(made: Patient) -> None:
    target = text(_certificate(made), "certificateArn")
    made.call("iot", "DetachPolicy", policyName="maestro-server", target=target)


def _attach(made: Patient) -> None:
    target = text(_certificate(made), "certificateArn")
    made.call("iot", "AttachPolicy", policyName="maestro-server", target=target)


def _more_rights(made: Patient) -> None:
    everything = _document({"Effect": "Allow", "Action": "iot:*", "Resource": "*"})
    made.call("iot", "CreatePolicy", policyName="everything", policyDocument=everything)
    target = text(_certificate(made), "certificateArn")
    made.call("iot", "AttachPolicy", policyName="everything", target=target)


def _rights_as_before(made: Patient) -> None:
    target = text(_certificate(made), "certificateArn")
    made.call("iot", "DetachPolicy", policyName="everything", target=target)


def _narrow_policy(made: Patient) -> None:
    made.call(
        "iot",
        "CreatePolicyVersion",
        policyName="maestro-server",
        policyDocument=_document({"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}),
        setAsDefault=True,
    )


# --- secrets -------------------------------------------------------------------------------------

_SECRET = f"{CLUSTER}/maestro/db-credentials"


def _deleted_while_in_use(made: Patient) -> None:
    made.call("secretsmanager", "DeleteSecret", SecretId=_SECRET, RecoveryWindowInDays=30)


def _restore(made: Patient) -> None:
    made.call("secretsmanager", "RestoreSecret", SecretId=_SECRET)


def _changed_by_hand(made: Patient) -> None:
    made.call("secretsmanager", "PutSecretValue", SecretId=_SECRET, SecretString="{}")


_ROLE = f"maestro-server-{CLUSTER}-us-east-1"


def _no_association(made: Patient) -> None:
    found = made.call("eks", "ListPodIdentityAssociations", clusterName=CLUSTER)
    id_ = text(records(found, "associations")[0], "associationId")
    made.call("eks", "DeletePodIdentityAssociation", clusterName=CLUSTER, associationId=id_)


def _no_trust(made: Patient) -> None:
    made.call("iam", "UpdateAssumeRolePolicy", RoleName=_ROLE, PolicyDocument=_document(
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ))  # fmt: skip


def _no_role_policy(made: Patient) -> None:
    made.call("iam", "DeleteRolePolicy", RoleName=_ROLE, PolicyName="read-server-secrets")


def _another_key(made: Patient) -> None:
    """Somebody encrypts the secret with a key whose policy doesn't know the role."""
    admin: dict[str, Json] = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{p.ACCOUNT}:role/admin"},
        "Action": "kms:*",
        "Resource": "*",
    }
    key = record(made.call("kms", "CreateKey", Policy=_document(admin)), "KeyMetadata")
    made.call("secretsmanager", "UpdateSecret", SecretId=_SECRET, KmsKeyId=key["Arn"])


def _boundary(made: Patient) -> None:
    document = _document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    policy = record(
        made.call("iam", "CreatePolicy", PolicyName="boundary", PolicyDocument=document), "Policy"
    )
    made.call("iam", "PutRolePermissionsBoundary", RoleName=_ROLE, PermissionsBoundary=policy["Arn"])


def _no_boundary(made: Patient) -> None:
    made.call("iam", "DeleteRolePermissionsBoundary", RoleName=_ROLE)


# --- pods ----------------------------------------------------------------------------------------


def _waiting(reason: str, message: str) -> Callable[[Patient], None]:
    return lambda made: p.unready(made, reason, message)


def _event(reason: str, message: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        p.unready(made, "ContainerCreating", "")
        for pod in p.pods(made):
            p.warn(made, str(dig(pod, "metadata.name")), reason, message)

    return plant


def _refused_pods(made: Patient) -> None:
    p.unready(made, "", "")
    made.cluster.remove("Pod")
    p.warn(made, "maestro-6d5f7c9b4d", "FailedCreate", "admission webhook denied the request: no team label")


def _restarts(made: Patient) -> None:
    for pod in p.pods(made):
        for each in records(record(pod, "status"), "containerStatuses"):
            each["restartCount"] = 12


def _unmounted(made: Patient) -> None:
    record(made.cluster.of_kind("SecretProviderClassPodStatus")[0], "status")["mounted"] = False


def _log(line: str) -> Callable[[Patient], None]:
    def plant(made: Patient) -> None:
        pod = next(iter(made.cluster.logs))
        made.cluster.logs[pod] += f"{line}\n"

    return plant


def _no_release(made: Patient) -> None:
    made.cluster.remove("Secret")


def _no_api(made: Patient) -> None:
    refusal = UnreachableError("no endpoints available for service maestro")
    made.cluster.refusal = lambda path: refusal if "/proxy/" in path else None


def _silent_agent(made: Patient) -> None:
    bundles = records(made.cluster.answers[f"{p.MAESTRO_API}/resource-bundles"], "items")
    bundles[0]["status"] = {}


def _no_service(made: Patient) -> None:
    del made.cluster.answers[f"{p.MAESTRO_API}/consumers"]


def denied(*actions: str) -> Callable[[str, object], None]:
    """Of IAM: these are refused to the doctor."""

    def guard(action: str, parameters: object) -> None:
        del parameters
        if action in actions:
            service, operation = action.split(":")
            answer = {"Error": {"Code": "AccessDeniedException", "Message": f"not authorized: {service}"}}
            raise ClientError(cast("dict[str, object]", answer), operation)  # type: ignore[arg-type]

    return guard


_OUT_OF_REACH = (
    "pods-security-groups",
    "pod-identity-agent",
    "csi-driver",
    "csi-provider",
    "admission",
    "network-policy",
    "room",
    "namespace-name",
    "config-map-name",
    "release-name",
)
"""What only the cluster's API server can tell."""

FAULTS = (
    Fault(
        name="the credentials are another account's",
        phase="before",
        plant=_config("aws:allowedAccountIds", '["999999999999"]'),
        finds=("account-allowed",),
        says="isn't one that the stack may be in: 999999999999",
        mend=_config("aws:allowedAccountIds", f'["{p.ACCOUNT}"]'),
    ),
    Fault(
        name="the credentials are of another partition",
        phase="before",
        plant=lambda made: setattr(made, "arn", f"arn:aws-cn:iam::{p.ACCOUNT}:user/me"),
        finds=("account-allowed",),
        says="the credentials are for partition aws-cn, but us-east-1 is in aws",
    ),
    Fault(
        name="the region isn't enabled",
        phase="before",
        plant=_not_opted_in,
        finds=("region-enabled",),
        says="region us-east-1 isn't enabled",
    ),
    Fault(
        name="the credentials end during an `up`",
        phase="before",
        plant=_credentials(20),
        finds=("credentials-last",),
        says="minutes; a database may take 40",
        mend=_credentials(600),
    ),
    Fault(
        name="the credentials are temporary, and don't say when they end",
        phase="before",
        plant=_credentials(None),
        leaves=("credentials-last",),
        says="AWS_CREDENTIAL_EXPIRATION isn't set",
        mend=_credentials(600),
    ),
    Fault(
        name="a production stack's state is a local file",
        phase="before",
        plant=_state(backend="file://~"),
        finds=("state-backend",),
        says="the state is a local file, file://~",
        settings={"profile": "production"},
    ),
    Fault(
        name="the state's secrets are encrypted with nothing",
        phase="before",
        plant=_empty_passphrase,
        finds=("state-secrets",),
        says="encrypted with an empty passphrase",
        mend=_state(secrets_provider="cloud"),
    ),
    Fault(
        name="this identity may only read",
        phase="before",
        plant=_poor_role,
        finds=("rights-deploy",),
        says="reader lacks eks:CreatePodIdentityAssociation",
    ),
    Fault(
        name="there is no such cluster",
        phase="before",
        plant=_without_cluster,
        finds=("cluster-active",),
        leaves=(
            "cluster-version",
            "cluster-vpc",
            "cluster-subnets",
            "pods-security-groups",
            "pod-identity-agent",
            "network-policy",
            "association-name",
            "database-orderable",
        ),
        says="there is no EKS cluster regional-xyz in us-east-1",
    ),
    Fault(
        name="the cluster is being deleted",
        phase="before",
        plant=_cluster(status="DELETING"),
        finds=("cluster-active",),
        says="regional-xyz is DELETING, not ACTIVE",
    ),
    Fault(
        name="the cluster is older than the chart takes",
        phase="before",
        plant=_cluster(version="1.26"),
        finds=("cluster-version",),
        says="Kubernetes 1.26 is older than the chart takes",
        mend=_cluster(version="1.33"),
    ),
    Fault(
        name="the cluster's API is private, and we are outside",
        phase="before",
        plant=_private_only,
        finds=("cluster-answers",),
        leaves=_OUT_OF_REACH,
        says="its endpoint is private only",
    ),
    Fault(
        name="the cluster doesn't know us",
        phase="before",
        plant=_unknown_to_the_cluster,
        finds=("cluster-answers",),
        leaves=_OUT_OF_REACH,
        says="doesn't know this identity",
    ),
    Fault(
        name="the cluster knows identities by access entries only, and has none for us",
        phase="before",
        plant=_access_entries,
        finds=("cluster-answers",),
        leaves=_OUT_OF_REACH,
        says="who may is in access entries (authentication mode API)",
    ),
    Fault(
        name="the cluster is in another VPC than the database",
        phase="before",
        plant=_in_another_vpc,
        finds=("cluster-vpc",),
        says="and the database in vpc-0123456789abcdef0, which it can't leave",
    ),
    Fault(
        name="the private subnets are full",
        phase="before",
        plant=_full_subnet,
        finds=("cluster-subnets",),
        says="has 1 addresses left",
    ),
    Fault(
        name="the private subnets are in one zone",
        phase="before",
        plant=_one_zone,
        finds=("cluster-subnets",),
        says="the private subnets are in us-east-1a; RDS needs 2 zones",
    ),
    Fault(
        name="the nodes don't carry the cluster's security group",
        phase="before",
        plant=_nodes_of_another_group,
        finds=("pods-security-groups",),
        says="which the database won't admit",
        mend=_admit_the_group,
    ),
    Fault(
        name="the pods have security groups of their own",
        phase="before",
        plant=_pods_of_another_group,
        finds=("pods-security-groups",),
        says="a SecurityGroupPolicy gives the pods",
        mend=_admit_the_group,
    ),
    Fault(
        name="the Pod Identity agent isn't installed",
        phase="before",
        plant=_without("DaemonSet", AGENT),
        finds=("pod-identity-agent",),
        says="isn't installed, so no pod gets its role",
    ),
    Fault(
        name="the Pod Identity agent isn't on every node",
        phase="before",
        plant=_daemon(AGENT, 1),
        finds=("pod-identity-agent",),
        says="ready on 1 of 3 nodes only",
        mend=_daemon(AGENT, 3),
    ),
    Fault(
        name="the Secrets Store CSI driver isn't installed",
        phase="before",
        plant=_without("CSIDriver", ""),
        finds=("csi-driver",),
        says="the Secrets Store CSI driver isn't installed",
    ),
    Fault(
        name="the CSI driver was installed without token requests",
        phase="before",
        plant=_raw_driver,
        finds=("csi-driver",),
        says="asks for no tokens of pods.eks.amazonaws.com",
    ),
    Fault(
        name="the CSI driver's AWS provider isn't installed",
        phase="before",
        plant=_without("DaemonSet", PROVIDER),
        finds=("csi-provider",),
        says="the CSI driver's AWS provider isn't installed",
    ),
    Fault(
        name="an admission webhook judges the pods",
        phase="before",
        plant=_webhook,
        leaves=("admission",),
        says="that kyverno admit our objects",
    ),
    Fault(
        name="an admission policy judges what is made",
        phase="before",
        plant=_admission_policy,
        leaves=("admission",),
        says="that team-label admit our objects",
    ),
    Fault(
        name="nothing enforces NetworkPolicies",
        phase="before",
        plant=_vpc_cni(enforces=False),
        leaves=("network-policy",),
        says="VPC CNI's agent, Calico and Cilium aren't here",
        mend=_vpc_cni(enforces=True),
    ),
    Fault(
        name="the nodes are full",
        phase="before",
        plant=_nodes(cpu="100m"),
        finds=("room",),
        says="room for 0 pods of 200m and 512Mi, and 3 are needed",
        mend=_nodes(cpu="2"),
    ),
    Fault(
        name="every node is another team's",
        phase="before",
        plant=_tainted,
        finds=("room",),
        says="room for 0 pods",
    ),
    Fault(
        name="some nodes have an architecture that the image isn't built for",
        phase="before",
        plant=_arm_nodes_too,
        finds=("room",),
        says="1 nodes have an architecture that the image has no build for",
        mend=_config(
            "maestro-stack:server",
            json.dumps({"values": {"deployment": {"nodeSelector": {"kubernetes.io/arch": "amd64"}}}}),
        ),
    ),
    Fault(
        name="another server has the source id",
        phase="before",
        plant=_iot_policy,
        finds=("iot-policy-name",),
        says="IoT policy maestro-server is there and not in this stack's state",
        mend=_no_iot_policy,
    ),
    Fault(
        name="a secret is scheduled for deletion",
        phase="before",
        plant=_deleted_secret,
        finds=("secrets-names",),
        says="is scheduled for deletion, which holds its name",
        mend=_force_delete,
    ),
    Fault(
        name="a secret was made by hand",
        phase="before",
        plant=_foreign_secret,
        finds=("secrets-names",),
        says="server-mqtt-cert is there and not in this stack's state",
    ),
    Fault(
        name="a database was made by hand",
        phase="before",
        plant=_instance_by_hand,
        finds=("database-names",),
        says="DBInstance maestro-regional-xyz is there",
    ),
    Fault(
        name="a parameter group was made by hand",
        phase="before",
        plant=_parameter_group,
        finds=("database-names",),
        says="DBParameterGroup maestro-regional-xyz-postgres17 is there",
    ),
    Fault(
        name="an earlier database has left its log group",
        phase="before",
        plant=_log_group,
        finds=("database-names",),
        says="log group /aws/rds/instance/maestro-regional-xyz/postgresql is there",
        mend=_no_log_group,
    ),
    Fault(
        name="the role was made by hand",
        phase="before",
        plant=_role,
        finds=("role-name",),
        says="is there and not in this stack's state",
    ),
    Fault(
        name="the service account has another association",
        phase="before",
        plant=_foreign_association,
        finds=("association-name",),
        says="a service account has one at most",
    ),
    Fault(
        name="the namespace was made by hand",
        phase="before",
        plant=_namespace("Active"),
        finds=("namespace-name",),
        says="namespace maestro is there and not in this stack's state",
        mend=_without("Namespace", "maestro"),
    ),
    Fault(
        name="the namespace hangs in its deletion",
        phase="before",
        plant=_namespace("Terminating"),
        finds=("namespace-name",),
        says="is being deleted, and doesn't end",
    ),
    Fault(
        name="others' namespace isn't there",
        phase="before",
        plant=_config("maestro-stack:server", '{"namespaceMode": "external"}'),
        finds=("namespace-name",),
        says="namespace maestro is left to others",
        mend=_namespace("Active"),
    ),
    Fault(
        name="something else made the ConfigMap",
        phase="before",
        plant=_config_map(CLUSTER),
        finds=("config-map-name",),
        says="it belongs to terraform",
        mend=_config("maestro-stack:bootstrapConfigMap", "adopt"),
    ),
    Fault(
        name="the ConfigMap to adopt names another cluster",
        phase="before",
        settings={"bootstrapConfigMap": "adopt"},
        plant=_config_map("other"),
        finds=("config-map-name",),
        says="says other, and this stack regional-xyz; it belongs to terraform",
        mend=_config_map(CLUSTER),
    ),
    Fault(
        name="the release was installed by hand",
        phase="before",
        plant=_release("deployed"),
        finds=("release-name",),
        says="release maestro-server is there and not in this stack's state",
        mend=_no_release,
    ),
    Fault(
        name="RDS doesn't offer the instance class",
        phase="before",
        plant=_config("maestro-stack:database", '{"instanceClass": "db.m4.large"}'),
        finds=("database-orderable",),
        says="RDS doesn't offer PostgreSQL 17 on db.m4.large",
        mend=_config("maestro-stack:database", '{"instanceClass": "db.t4g.small"}'),
    ),
    Fault(
        name="the PostgreSQL version is about to leave its support",
        phase="before",
        plant=_rds("support_ends", {"17": date(2026, 12, 31), "18": date(2031, 2, 28)}),
        finds=("database-support",),
        says="standard support of PostgreSQL 17 ends on 2026-12-31",
        mend=_database(engineVersion="18"),
    ),
    Fault(
        name="the account has no room for another database",
        phase="before",
        plant=_rds(
            "quotas",
            {**QUOTAS, "DBInstances": 0},
        ),
        finds=("database-quotas",),
        says="0 more instances of 0 are allowed, and 1 needed",
        mend=_rds("quotas", QUOTAS),
    ),
    Fault(
        name="there is no such KMS key",
        phase="before",
        plant=_config(
            "maestro-stack:database",
            json.dumps(
                {"kmsKeyArn": f"arn:aws:kms:us-east-1:{p.ACCOUNT}:key/{'1' * 8}-1111-1111-1111-{'1' * 12}"}
            ),
        ),
        finds=("keys",),
        says="there is no KMS key arn:aws:kms",
    ),
    Fault(
        name="the database's own KMS key is disabled",
        phase="before",
        plant=_key_of_ours,
        finds=("keys",),
        says="is Disabled, SYMMETRIC_DEFAULT: RDS needs an enabled symmetric one",
        mend=_enable_keys,
    ),
    Fault(
        name="the snapshot has expired",
        phase="before",
        settings=RESTORED,
        plant=_no_snapshot,
        finds=("database-restore",),
        says="there is no snapshot kept in us-east-1",
    ),
    *(
        Fault(
            name=name,
            phase="before",
            settings=RESTORED,
            plant=_kept(**attributes),
            finds=("database-restore",),
            says=says,
            mend=mend,
        )
        for name, attributes, says, mend in (
            (
                "the snapshot is still being taken",
                {"status": "creating"},
                "snapshot kept is creating",
                _kept(status="available"),
            ),
            (
                "the snapshot is of another engine",
                {"engine": "mysql"},
                "is of mysql, and not of PostgreSQL",
                None,
            ),
            (
                "the snapshot is of another major version",
                {"engine_version": "16.9"},
                "is of PostgreSQL 16.9",
                _database(engineVersion="16"),
            ),
            ("the snapshot isn't encrypted", {"encrypted": False}, "isn't encrypted", None),
            (
                "the snapshot is larger than the storage",
                {"allocated_storage": 500},
                "needs 500 GiB",
                _database(allocatedStorageGiB=500, maxAllocatedStorageGiB=1000),
            ),
            (
                "the snapshot has another master user",
                {"master_username": "maestro_admin"},
                "has the master user maestro_admin, and database.username is maestro",
                _database(username="maestro_admin"),
            ),
        )
    ),
    Fault(
        name="the snapshot's key is disabled",
        phase="before",
        settings=RESTORED,
        plant=_key("DisableKey"),
        finds=("database-restore",),
        says="is Disabled, SYMMETRIC_DEFAULT: the backup needs an enabled symmetric one",
        mend=_key("EnableKey"),
    ),
    Fault(
        name="the time to restore is older than the backups",
        phase="before",
        settings={"database": {"restoreFrom": {"instance": "kept", "time": "2020-01-01T00:00:00Z"}}},
        plant=lambda _: None,
        finds=("database-restore",),
        says="and not to 2020-01-01T00:00:00Z",
    ),
    Fault(
        name="there are no backups of the instance",
        phase="before",
        settings={"database": {"restoreFrom": {"instance": "kept", "latest": True}}},
        plant=_rds("databases", {}),
        finds=("database-restore",),
        says="there is no automated backup of kept in us-east-1",
    ),
    Fault(
        name="the MQTT endpoint speaks TLS 1.2 only",
        phase="before",
        plant=_legacy_endpoint,
        finds=("broker-tls",),
        says="doesn't speak TLS 1.3, which Maestro requires",
        mend=_new_endpoint,
    ),
    Fault(
        name="`up` was killed",
        phase="after",
        plant=_state(pending=(Pending(type=types.INSTANCE, name="instance", operation="creating"),)),
        finds=("state-pending",),
        says="creating of aws:rds/instance:Instance instance",
    ),
    Fault(
        name="`up` failed, because another server has the source id",
        phase="after",
        plant=_forget(types.IOT_POLICY),
        finds=("state-complete", "iot-policy-name"),
        says="not built: IoT policy",
    ),
    Fault(
        name="`up` failed, because a secret is scheduled for deletion",
        phase="after",
        plant=_both(_failed_before(types.SECRET, types.SECRET_VERSION), _deleted_while_in_use),
        finds=("state-complete", "secrets-names"),
        says="not built: secrets, secrets' values, release",
    ),
    Fault(
        name="`up` failed, because something else made the ConfigMap",
        phase="after",
        plant=_both(_failed_before(types.CONFIG_MAP), _config_map(CLUSTER)),
        finds=("state-complete", "config-map-name"),
        says="not built: release",
    ),
    Fault(
        name="`up` failed, because the namespace was made by hand",
        phase="after",
        plant=_failed_before(NAMESPACE),
        finds=("state-complete", "namespace-name"),
        says="not built: release",
    ),
    Fault(
        name="`up` failed, because the release was installed by hand",
        phase="after",
        plant=_forget(types.RELEASE),
        finds=("state-complete", "release-name"),
        says="not built: release",
    ),
    Fault(
        name="`up` failed, because an upgrade waits and the database still uses its parameter group",
        phase="after",
        plant=_modified(EngineVersion="18", AllowMajorVersionUpgrade=True),
        leaves=("database-pending",),
        says="that nothing waits: EngineVersion",
        mend=_modified(EngineVersion="18", AllowMajorVersionUpgrade=True, ApplyImmediately=True),
    ),
    Fault(
        name="a move ended before the old cluster was left",
        phase="after",
        plant=_half_moved,
        finds=("state-complete",),
        says="still there, of another cluster: release-regional-old",
    ),
    Fault(
        name="`up` failed, because the release's pods weren't ready in time",
        phase="after",
        plant=lambda made: (_release("failed")(made), _event("FailedMount", "no such secret")(made))[0],
        finds=("release-deployed", "pods-ready"),
        says="release maestro-server is failed",
    ),
    Fault(
        name="a Helm operation was cut off",
        phase="after",
        plant=_release("pending-upgrade"),
        finds=("release-name",),
        says="release maestro-server is stuck: pending-upgrade",
        mend=_release("deployed", 3),
    ),
    Fault(
        name="the database is gone",
        phase="after",
        plant=_no_instance,
        finds=("database-available",),
        says="there is no database maestro-regional-xyz",
    ),
    Fault(
        name="the database is full",
        phase="after",
        plant=_instance(status="storage-full"),
        finds=("database-available",),
        says="database maestro-regional-xyz is storage-full",
        mend=_instance(status="available"),
    ),
    Fault(
        name="the database is still being made",
        phase="after",
        plant=_instance(status="creating"),
        finds=("database-available",),
        says="database maestro-regional-xyz is creating",
        mend=_instance(status="available"),
    ),
    Fault(
        name="a change waits for the maintenance window",
        phase="after",
        plant=_modified(DBInstanceClass="db.m6g.large"),
        leaves=("database-pending",),
        says="that nothing waits: DBInstanceClass",
        mend=_modified(DBInstanceClass="db.m6g.large", ApplyImmediately=True),
    ),
    Fault(
        name="the database takes connections without TLS",
        phase="after",
        plant=_no_tls,
        finds=("database-tls",),
        says="doesn't set rds.force_ssl=1",
    ),
    Fault(
        name="the database's certificate is by another CA than the chart's",
        phase="after",
        plant=_instance(ca_certificate_identifier="rds-ca-2019"),
        finds=("database-tls",),
        says="its certificate is signed by rds-ca-2019",
        mend=_modified(CACertificateIdentifier=CA_CERTIFICATE, ApplyImmediately=True),
    ),
    Fault(
        name="the database admits nobody",
        phase="after",
        plant=_no_ingress,
        finds=("database-admits",),
        says="its security group doesn't admit sg-",
    ),
    Fault(
        name="the database's backups are off",
        phase="after",
        plant=_instance(backup_retention_period=0),
        finds=("database-backups",),
        leaves=("database-backups",),
        says="backups are kept 0 days, and 1 are configured",
    ),
    Fault(
        name="the database has no backup yet",
        phase="after",
        plant=_restorable(None),
        leaves=("database-backups",),
        says="there is no backup yet",
        mend=_restorable(5),
    ),
    Fault(
        name="the database's backups have stopped",
        phase="after",
        plant=_restorable(200),
        finds=("database-backups",),
        says="200 minutes ago",
    ),
    Fault(
        name="the pods log in as another than the restored database's user",
        phase="after",
        plant=_instance(master_username="maestro_admin"),
        finds=("database-user",),
        says="its master user is maestro_admin, and the pods log in as maestro",
        mend=_database(username="maestro_admin"),
    ),
    Fault(
        name="the backups aren't replicated any more",
        phase="after",
        settings={
            "database": {
                "backupReplication": {
                    "region": "us-west-2",
                    "kmsKeyArn": f"arn:aws:kms:us-west-2:{p.ACCOUNT}:key/{KEY}",
                }
            }
        },
        plant=_no_replication,
        finds=("database-replication",),
        says="its backups don't go to us-west-2",
    ),
    Fault(
        name="the certificate is revoked",
        phase="after",
        plant=_certificate_status("INACTIVE"),
        finds=("certificate-active",),
        says="is INACTIVE",
        mend=_certificate_status("ACTIVE"),
    ),
    Fault(
        name="nobody has installed the chart that is left to others",
        phase="after",
        plant=lambda _: None,
        finds=("pods-ready",),
        says="nobody has installed the chart",
        settings={"server": {"install": "external"}},
    ),
    Fault(
        name="the IoT policy isn't on the certificate",
        phase="after",
        plant=_detach,
        finds=("certificate-policy", "broker-allows"),
        says="policy maestro-server isn't on the certificate",
        mend=_attach,
    ),
    Fault(
        name="another IoT policy is on the certificate, too",
        phase="after",
        plant=_more_rights,
        finds=("certificate-policy",),
        says="policy everything is on the certificate, too",
        mend=_rights_as_before,
    ),
    Fault(
        name="the IoT policy was narrowed by hand",
        phase="after",
        plant=_narrow_policy,
        finds=("broker-allows",),
        says="AWS denies what the server does: publish",
    ),
    Fault(
        name="a secret in use is scheduled for deletion",
        phase="after",
        plant=_deleted_while_in_use,
        finds=("secrets-names", "secrets-there"),
        says="is scheduled for deletion",
        mend=_restore,
    ),
    Fault(
        name="a secret was changed by hand",
        phase="after",
        plant=_changed_by_hand,
        finds=("secrets-current",),
        says="pods started with db-credentials",
    ),
    Fault(
        name="the association is gone",
        phase="after",
        plant=_no_association,
        finds=("pods-role",),
        says="no Pod Identity association of maestro/maestro",
    ),
    Fault(
        name="the role trusts somebody else",
        phase="after",
        plant=_no_trust,
        finds=("pods-role",),
        says="refuses them",
    ),
    Fault(
        name="the role may read nothing",
        phase="after",
        plant=_no_role_policy,
        finds=("role-reads",),
        says="may not read",
    ),
    Fault(
        name="the role was given a boundary that keeps it from the secrets",
        phase="after",
        plant=_boundary,
        finds=("role-reads",),
        says="may not read",
        mend=_no_boundary,
    ),
    Fault(
        name="a secret was encrypted with a key that the role can't use",
        phase="after",
        plant=_another_key,
        finds=("role-reads",),
        says="may not read regional-xyz/maestro/db-credentials: kms:Decrypt with arn:aws:kms",
    ),
    Fault(
        name="the release was uninstalled by hand",
        phase="after",
        plant=_no_release,
        finds=("release-deployed",),
        says="release maestro-server is gone",
    ),
    Fault(
        name="the pods' secrets don't mount",
        phase="after",
        plant=_event("FailedMount", "MountVolume.SetUp failed: Failed to fetch secret from all regions"),
        finds=("pods-ready",),
        says="FailedMount: MountVolume.SetUp failed",
    ),
    Fault(
        name="the pods' image can't be had",
        phase="after",
        plant=_waiting("ImagePullBackOff", "manifest unknown"),
        finds=("pods-ready",),
        says="service: ImagePullBackOff: manifest unknown",
    ),
    Fault(
        name="the pods can't be scheduled",
        phase="after",
        plant=_event("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu."),
        finds=("pods-ready",),
        says="FailedScheduling: 0/3 nodes are available",
    ),
    Fault(
        name="an admission webhook refuses the pods",
        phase="after",
        plant=_refused_pods,
        finds=("pods-ready",),
        says="admission webhook denied the request: no team label",
    ),
    Fault(
        name="the pods' probes fail",
        phase="after",
        plant=_event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
        finds=("pods-ready",),
        says="Unhealthy: Readiness probe failed",
    ),
    Fault(
        name="the pods restart again and again",
        phase="after",
        plant=_restarts,
        finds=("pods-restarts",),
        says="restarted 12 times",
    ),
    Fault(
        name="a ready pod has nothing mounted",
        phase="after",
        plant=_unmounted,
        finds=("pods-mounted",),
        says="the CSI driver has mounted nothing for maestro-",
    ),
    Fault(
        name="the broker refuses the server, while its pods are Ready",
        phase="after",
        plant=_log('E1130 20:01:00.0 1 baseclient.go:1] "the cloudevents client reconnect failed" err="EOF"'),
        finds=("pods-connected",),
        says="isn't connected to the broker",
        mend=_log("I1130 20:02:00.0 1 baseclient.go:1] the cloudevents client is reconnected"),
    ),
    Fault(
        name="the server's API doesn't answer",
        phase="after",
        plant=_no_api,
        finds=("api-answers",),
        says="the API doesn't answer: no endpoints",
    ),
    Fault(
        name="the server's Service is gone",
        phase="after",
        plant=_no_service,
        finds=("api-answers",),
        says="the API doesn't answer: nothing is at",
    ),
    Fault(
        name="an agent has reported nothing",
        phase="after",
        plant=_silent_agent,
        leaves=("api-answers",),
        says="that the agent of mc-east works",
    ),
)
