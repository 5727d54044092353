"""order: does what the pods need exist before them, and does nothing wait for the database needlessly?"""

from collections.abc import Iterator

from checks.evidence import Evidence
from checks.finding import Findings
from common.json_values import record
from engine.run import Resource, Run
from maestro_stack.names import attachment_name, certificate_name
from policies import types

NAME = "order"
QUESTION = "Does what pods need exist before them, and does little wait for the database?"


def check(evidence: Evidence, findings: Findings) -> None:
    """Walk the dependencies that the program declared."""
    with findings.refusing(LookupError):
        run = evidence.update
        secret = run.one(types.SECRET_VERSION, f"db-credentials-{evidence.settings.cluster_name}")
        allowed = [_title(secret), *(_title(each) for each in run.of_type(types.BACKUP_REPLICATION))]
        if evidence.settings.server.install == "pulumi":
            release = run.one(types.RELEASE)
            allowed.append(_title(release))
            _check_release(evidence, findings, release)
        # Resources that nothing here knows, such as an alarm on the database, may wait for it or not.
        known = (r for r in run.resources if not r.unverified or _title(r) in allowed)
        waiting, allowed = sorted(_title(r) for r in known if _waits_for_database(run, r)), sorted(allowed)
        findings.expect(
            waiting == allowed,
            f"only {' and '.join(waiting)} wait for the database",
            f"these wait for the database, and should be {allowed}: {waiting}",
        )
        _check_rotation(evidence, findings)
        planned, built = {r.urn for r in evidence.preview.resources}, {r.urn for r in run.resources}
        findings.expect(
            planned == built,
            f"preview and update register the same {len(built)} resources",
            f"preview and update differ: {', '.join(sorted(planned ^ built))}",
        )


def _check_release(evidence: Evidence, findings: Findings, release: Resource) -> None:
    """Everything that pods need exists before the release, and it is ready only when they are."""
    before = evidence.update.needs(release)
    late = [what for what, resource in _needed(evidence) if resource.urn not in before]
    findings.expect(
        not late,
        f"before the release: {', '.join(what for what, _ in _needed(evidence))}",
        f"the release doesn't wait for: {', '.join(late)}",
    )
    strategy = record(record(evidence.release.one("Deployment"), "spec"), "strategy")
    unavailable = record(strategy, "rollingUpdate").get("maxUnavailable")
    findings.expect(
        unavailable == 0,
        "the release is ready only when every pod is (maxUnavailable 0)",
        f"Helm calls the release ready with {unavailable} pods missing, and the old certificate would go",
    )


def _check_rotation(evidence: Evidence, findings: Findings) -> None:
    """A rotated certificate, and what delivers it to the pods, is created before the old one goes."""
    run, rotation = evidence.update, evidence.settings.rotation
    certificates = run.of_type(types.CERTIFICATE)
    chain = [*run.of_type(types.POLICY_ATTACHMENT), *run.of_type(types.SECRET_VERSION)]
    early = [_title(each) for each in [*certificates, *chain] if each.delete_before_replace]
    findings.expect(
        not early,
        "a rotated certificate is made before the old one goes",
        f"deleted before it is replaced: {', '.join(early)}",
    )
    generations = dict.fromkeys((rotation.certificate, rotation.keep_certificate))
    wanted = sorted(certificate_name(each) for each in generations if each is not None)
    there = sorted(each.name for each in certificates)
    findings.expect(
        there == wanted,
        f"by generation: {', '.join(there)}",
        f"by rotation.certificate and keepCertificate there should be {wanted}, and not {there}",
    )


def _needed(evidence: Evidence) -> Iterator[tuple[str, Resource]]:
    """What a pod needs when it is admitted and when it starts."""
    run, rotation = evidence.update, evidence.settings.rotation.certificate
    for rule in run.of_type(types.INGRESS_RULE):
        yield f"database's {rule.name}", rule
    yield "association", run.one(types.POD_IDENTITY)
    yield "role policy", run.one(types.ROLE_POLICY)
    yield "IoT policy on the certificate", run.one(types.POLICY_ATTACHMENT, attachment_name(rotation))
    for version in run.of_type(types.SECRET_VERSION):
        yield f"secret {version.name}", version
    yield "namespace", run.one("kubernetes:core/v1:Namespace")
    for type_ in (types.CONFIG_MAP, "kubernetes:core/v1:ConfigMapPatch"):
        for config_map in run.of_type(type_):
            yield f"ConfigMap {config_map.name}", config_map


def _waits_for_database(run: Run, resource: Resource) -> bool:
    return any(run.by_urn(urn).type == types.INSTANCE for urn in run.needs(resource))


def _title(resource: Resource) -> str:
    return f"{resource.type.rpartition(':')[2]} {resource.name}"
