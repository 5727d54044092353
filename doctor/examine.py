"""One examination: the caller's identity, what is known about the stack, and all questions at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from common.json_values import record, text
from doctor.api import Api, LiveApi
from doctor.aws import Aws
from doctor.case import Case, Identity
from doctor.catalogue import CATEGORIES
from doctor.credentials import session_of
from doctor.errors import UnaskedError, UnreachableError, UnusableError
from doctor.question import ask_all
from doctor.report import Diagnosis
from doctor.state import Pulumi, State
from engine.project import Stack
from engine.settings import settings_of
from maestro_stack.kubeconfig import eks_kubeconfig
from maestro_stack.settings import Settings

Progress = Callable[[str], None]


def case_of(stack: Stack, progress: Progress, *, port_forward: bool = False) -> Case:
    """Gather what the questions need.

    Raises:
        maestro_stack.errors.MaestroError: the stack's configuration can't be used.
        UnusableError: AWS can't be asked at all.
    """
    settings = settings_of(stack)
    pulumi = Pulumi(stack.root, stack.name)
    with ThreadPoolExecutor(1) as beside:
        progress("reading the state, asking who we are")
        reading = beside.submit(_state, pulumi)
        aws = Aws(session_of(stack.config, settings.region))
        identity = _identity(aws)
        return Case(
            stack=stack,
            settings=settings,
            aws=aws,
            api=api_of(settings, aws, pulumi),
            state=reading.result(),
            identity=identity,
            port_forward=port_forward,
        )


def diagnose(case: Case, phase: str | None, progress: Progress) -> Diagnosis:
    """Ask all questions of a phase; if it is None, of the one that fits the state."""
    begun = time.monotonic()
    if phase is None:
        phase = "after" if isinstance(case.state, State) and case.state.is_built else "before"
    checks = ask_all(CATEGORIES, case, phase, progress)
    return Diagnosis(case=case, phase=phase, checks=checks, seconds=time.monotonic() - begun)


def _state(pulumi: Pulumi) -> State | UnaskedError:
    try:
        return pulumi.state()
    except UnaskedError as unasked:
        return unasked


def _identity(aws: Aws) -> Identity:
    try:
        answer = aws.call("sts:GetCallerIdentity")
    except UnaskedError as refusal:
        raise UnusableError(
            f"AWS doesn't accept these credentials, or can't be reached: {refusal}\n"
            "    try: aws sts get-caller-identity"
        ) from None
    arn = text(answer, "Arn")
    return Identity(account=text(answer, "Account"), partition=arn.split(":")[1], arn=arn)


def api_of(settings: Settings, aws: Aws, pulumi: Pulumi) -> Api:
    """The cluster's API server, reached as the program's Kubernetes provider would reach it."""
    access = settings.kubernetes
    kubeconfig = {
        "eks": lambda: _eks_kubeconfig(settings, aws),
        "kubeconfig": pulumi.kubeconfig,
        "ambient": lambda: None,
    }[access.mode]
    return LiveApi(kubeconfig, access.context)


def _eks_kubeconfig(settings: Settings, aws: Aws) -> str:
    name = settings.cluster_name
    cluster = record(aws.call("eks:DescribeCluster", name=name), "cluster")
    endpoint, authority = text(cluster, "endpoint"), text(record(cluster, "certificateAuthority"), "data")
    if not endpoint or not authority:
        raise UnreachableError(f"cluster {name} has no API endpoint")
    return eks_kubeconfig(
        name=name,
        arn=text(cluster, "arn"),
        region=settings.region,
        endpoint=endpoint,
        certificate_authority=authority,
        role_arn=settings.authentication.role_arn,
        environment=settings.authentication.environment,
    )
