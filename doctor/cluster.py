"""cluster: does it exist, does it answer, and could its pods reach the database?"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network

import yaml

from checks.finding import Findings
from common.json_values import Json, json_list, number, record, records, text, texts
from doctor.case import Case, absent
from doctor.errors import AwsError, UnreachableError
from doctor.question import Category, Question
from maestro_stack.chart import CHART_PATH
from policies import types

NO_CLUSTER = "ResourceNotFoundException"
ZONES_MIN = 2
"""RDS user guide, "Working with a DB instance in a VPC"."""
FREE_ADDRESSES_MIN = 3
"""For the instance, its standby or replacement, and what RDS reserves for scaling or a failover."""
_BATCH = 150
"""Values per filter; EC2 accepts 200."""


def _active(case: Case, findings: Findings) -> None:
    name, region = case.settings.cluster_name, case.settings.region
    try:
        status = text(case.cluster(), "status")
    except AwsError as refusal:
        absent(refusal, NO_CLUSTER)
        findings.fail(
            f"there is no EKS cluster {name} in {region}",
            f"aws eks list-clusters --region {region}; pulumi config set clusterName NAME",
        )
        return
    # The API stays available while EKS updates the cluster.
    findings.expect(
        status in ("ACTIVE", "UPDATING"),
        f"{name} is {status}",
        f"{name} is {status}, not ACTIVE",
        f"aws eks wait cluster-active --name {name} --region {region}",
    )


def _version(case: Case, findings: Findings) -> None:
    """Whether the version is in the chart's own range."""
    version = text(case.cluster(), "version")
    chart = yaml.safe_load((case.stack.root / CHART_PATH / "Chart.yaml").read_text(encoding="utf-8"))
    oldest = re.search(r"(\d+)\.(\d+)", str(chart["kubeVersion"]))
    found = re.fullmatch(r"(\d+)\.(\d+)", version)
    if oldest is None or found is None:
        findings.unverified(f"that the chart runs on Kubernetes {version}", None)
        return
    findings.expect(
        tuple(map(int, found.groups())) >= tuple(map(int, oldest.groups())),
        f"Kubernetes {version}, within the chart's {chart['kubeVersion']}",
        f"Kubernetes {version} is older than the chart takes: {chart['kubeVersion']}",
        f"aws eks update-cluster-version --name {case.settings.cluster_name} --kubernetes-version NEWER",
    )


def _answers(case: Case, findings: Findings) -> None:
    """Whether the API can be reached from here, and accepts this identity."""
    try:
        version = case.api.find("/version") or {}
        case.api.find(case.namespace_path)
    except UnreachableError as unreachable:
        why, remedy = _why_not(case)
        findings.fail(f"the API server can't be asked: {unreachable}{why}", remedy)
    else:
        findings.holds(f"the API server answers, {text(version, 'gitVersion')}")


def _why_not(case: Case) -> tuple[str, str]:
    """What EKS says about the cause, and what to do."""
    name = case.settings.cluster_name
    try:
        cluster = case.cluster()
    except AwsError:
        return "", "kubectl get --raw /readyz"
    network = record(cluster, "resourcesVpcConfig")
    if network.get("endpointPublicAccess") is False:
        remedy = "run `pulumi up` where the VPC is reached: a runner in it, a VPN, a bastion's tunnel"
        return "; its endpoint is private only", remedy
    mode = text(record(cluster, "accessConfig"), "authenticationMode", "CONFIG_MAP")
    arn = case.identity.principal
    if mode == "CONFIG_MAP":
        return (
            f"; who may is in ConfigMap kube-system/aws-auth (authentication mode {mode})",
            f"eksctl create iamidentitymapping --cluster {name} --group system:masters --arn {arn}",
        )
    remedy = (
        f"aws eks create-access-entry --cluster-name {name} --principal-arn {arn}; "
        f"aws eks associate-access-policy --cluster-name {name} --principal-arn {arn} --access-scope "
        "type=cluster --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    )
    return f"; who may is in access entries (authentication mode {mode})", remedy


def _subnets(case: Case, findings: Findings) -> None:
    """Whether the database's subnets are in enough zones, with free addresses in each."""
    subnets = case.subnets()
    zones = sorted({text(subnet, "AvailabilityZone") for subnet in subnets})
    remedy = "pulumi config set --path 'network.subnetIds[0]' subnet-…"
    findings.expect(
        len(zones) >= ZONES_MIN,
        f"{len(subnets)} private subnets in {', '.join(zones)}",
        f"the private subnets are in {', '.join(zones) or 'no zone'}; RDS needs {ZONES_MIN} zones",
        remedy,
    )
    vpc = case.vpc_id()
    full = [each for each in subnets if number(each, "AvailableIpAddressCount") < FREE_ADDRESSES_MIN]
    for each in full:
        left = number(each, "AvailableIpAddressCount")
        findings.fail(f"subnet {text(each, 'SubnetId')} has {left} addresses left", remedy)
    for each in (each for each in subnets if text(each, "VpcId") != vpc):
        findings.fail(f"subnet {text(each, 'SubnetId')} is in {text(each, 'VpcId')}, not in {vpc}", remedy)


def _groups(case: Case, findings: Findings) -> None:
    """Whether the security groups that pods really have, from nodes or a SecurityGroupPolicy, are admitted.

    Source: Amazon EKS user guide, "Assign security groups to individual pods".
    """
    admitted = case.admitted_groups()
    policies = case.api.items(
        f"/apis/vpcresources.k8s.aws/v1beta1/namespaces/{case.settings.server.namespace}/securitygrouppolicies"
    )
    own = {
        g for policy in policies for g in texts(record(record(policy, "spec"), "securityGroups"), "groupIds")
    }
    if policies:
        _judge(findings, "a SecurityGroupPolicy gives the pods", [own], admitted)
        return
    ids = [text(record(node, "spec"), "providerID").rpartition("/")[2] for node in case.nodes()]
    instances = [id_ for id_ in ids if id_.startswith("i-")]
    carried = [
        {text(group, "GroupId") for group in records(interface, "Groups")}
        for interface in _interfaces(case, instances)
        if not _in_range(interface, case.settings.network.client_cidrs)
    ]
    if not carried:
        findings.unverified(
            f"that the pods carry one of {', '.join(sorted(admitted))}: no EC2 node is there yet",
            "kubectl get nodes",
        )
        return
    _judge(findings, f"the interfaces of {len(instances)} nodes carry", carried, admitted)


def _interfaces(case: Case, instances: list[str]) -> Iterator[dict[str, Json]]:
    for start in range(0, len(instances), _BATCH):
        of_nodes: Json = [
            {"Name": "attachment.instance-id", "Values": json_list(instances[start : start + _BATCH])}
        ]
        yield from case.aws.records("ec2:DescribeNetworkInterfaces", "NetworkInterfaces", Filters=of_nodes)


def _in_range(interface: dict[str, Json], cidrs: Sequence[str]) -> bool:
    """Whether the database admits the interface by its address, whatever its groups."""
    address = text(interface, "PrivateIpAddress")
    return bool(address) and any(ip_address(address) in ip_network(cidr, strict=False) for cidr in cidrs)


def _judge(findings: Findings, what: str, carried: list[set[str]], admitted: frozenset[str]) -> None:
    strangers = sorted({min(groups) for groups in carried if groups and not groups & admitted})
    known = sorted(set[str]().union(*carried) & admitted)
    findings.expect(
        not strangers,
        f"{what} {', '.join(known)}, which the database admits",
        f"{what} {', '.join(strangers)}, which the database won't admit",
        "; ".join(
            f"pulumi config set --path 'network.clientSecurityGroupIds[{i}]' {group}"
            for i, group in enumerate(strangers)
        ),
    )


def _vpc(case: Case, findings: Findings) -> None:
    """Whether an existing database can stay where it is. Source: RDS, ModifyDBInstance."""
    there = [text(each.outputs, "vpcId") for each in case.built(types.SECURITY_GROUP)]
    vpc = case.vpc_id()
    if not there:
        findings.holds(f"the database will be in {vpc}")
        return
    findings.expect(
        there == [vpc],
        f"the database is in {vpc}, too",
        f"cluster {case.settings.cluster_name} is in {vpc}, and the database in {', '.join(there)}, which it "
        "can't leave: RDS refuses a security group of another VPC",
        "pulumi config set clusterName NAME, of a cluster there; another VPC is another stack",
    )


ACTIVE = Question(name="cluster-active", that="that the cluster is ACTIVE", ask=_active)
ANSWERS = Question(name="cluster-answers", that="that its API server answers", ask=_answers)
GROUPS = Question(
    name="pods-security-groups", that="that the pods carry a group that the database admits", ask=_groups
)

CATEGORY = Category(
    name="cluster",
    question="Is it there, does it answer, and may its pods reach the database?",
    before=(
        ACTIVE,
        Question(name="cluster-version", that="that the chart runs on its Kubernetes", ask=_version),
        ANSWERS,
        Question(name="cluster-vpc", that="that the database is in its VPC", ask=_vpc),
        Question(name="cluster-subnets", that="that its private subnets take a database", ask=_subnets),
        GROUPS,
    ),
    after=(ACTIVE, ANSWERS, GROUPS),
)
