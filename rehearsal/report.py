"""The report, as text for a terminal of 80 columns and as JSON for programs."""

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from checks.finding import Finding, Status
from checks.report import check_json, check_lines, things, together
from checks.secrecy import LOG_LINES, carriers, input_at, leaves, output_at, template_at
from common.json_values import Json, record, text
from common.terminal import Colours, wrapped
from emulator.kubernetes import Manifest, custom_resource_definitions, manifests_of, situations
from engine.remedies import remedies_of
from engine.run import MASK, Resource
from policies import types
from rehearsal.fingerprint import fingerprints
from rehearsal.rehearse import Rehearsal

FORMAT_VERSION = 1
ID_SHOWN, SUFFIX = 12, "-AbCdEf"
"""How many characters of a certificate id a finding shows, and what the end of a secret's ARN looks like."""

# How each resource is described, from its properties; other types are shown by their physical name.
_TOLD: Mapping[str, str] = {
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "{namespace}/{serviceAccount}",
    "aws:iot/certificate:Certificate": "X.509, active: {active}",
    "aws:iot/policyAttachment:PolicyAttachment": "{policy} on the certificate",
    "aws:rds/instance:Instance": "{identifier}: PostgreSQL {engineVersion}, {instanceClass}",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "{description}",
    "aws:secretsmanager/secretVersion:SecretVersion": "value of {@name}",
    "kubernetes:core/v1:ConfigMap": "{metadata[namespace]}/{metadata[name]}",
    "kubernetes:core/v1:ConfigMapPatch": "{metadata[namespace]}/{metadata[name]}, our key",
    "kubernetes:core/v1:Namespace": (
        "{metadata[name]}, Pod Security {metadata[labels][pod-security.kubernetes.io/enforce]}"
    ),
    "kubernetes:helm.sh/v3:Release": "{namespace}/{name}, chart {chart}",
    "pulumi:providers:kubernetes": "{clusterIdentifier}",
    "random:index/randomId:RandomId": "suffix of the final snapshot",
    "random:index/randomPassword:RandomPassword": "{length} letters and digits",
}


def as_text(rehearsal: Rehearsal, colour: Colours, *, verbose: bool) -> str:
    """The report for people: the verdict, what fails or is unverified, what holds, the verdict again.

    With `verbose` also what would be built, all findings, and the outputs. Two rehearsals of the same stack
    read the same except for the time: ids that AWS picks at random are replaced by ones derived from names.
    """
    text = "\n".join(_lines(rehearsal, colour, verbose=verbose)) + "\n"
    for by_chance, by_name in _chosen_by_chance(rehearsal):
        text = text.replace(by_chance, by_name)
    return text


def _lines(rehearsal: Rehearsal, colour: Colours, *, verbose: bool) -> Iterator[str]:
    settings = rehearsal.settings
    profile = "production" if settings.is_production else "dev"
    yield _verdict(rehearsal, colour)
    yield ""
    yield colour(f"{rehearsal.stack.project} · stack {rehearsal.stack.name}", "1")
    yield f"cluster {settings.cluster_name} in {settings.region}, profile {profile}"
    yield ""
    if verbose:
        yield colour("What `pulumi up` would build", "1")
        yield from _tree(rehearsal, colour)
        yield ""
    if rehearsal.update.warnings:
        yield colour("What the program warns of", "1")
        for warning in rehearsal.update.warnings:
            what, *more = warning.splitlines()
            yield from wrapped(f"{colour('!', '33')} ", what, indent="    ")
            for line in more:
                yield from wrapped("    ", line.strip(), indent="      ")
        yield ""
    if rehearsal.failures:
        yield colour("What stands in the way", "1")
        yield from _failures(rehearsal, colour)
    else:
        yield from check_lines(rehearsal.checks, colour, verbose=verbose)
        if verbose:
            yield ""
            yield colour("Outputs", "1")
            for name, value in sorted(rehearsal.update.outputs.items()):
                yield from wrapped(f"  {name} = ", str(value), indent="      ")
    yield ""
    if not verbose:
        yield "--verbose shows the resources, the outputs and every finding."
    yield _verdict(rehearsal, colour)


def _failures(rehearsal: Rehearsal, colour: Colours) -> Iterator[str]:
    refused = [
        Finding(status=Status.FAILS, text=f"{name}: {failure.message}", subject=name)
        for failure in rehearsal.failures
        for name in [failure.urn.rpartition("::")[2]]
    ]
    for failure in together(refused):
        yield from wrapped(f"{colour('✗', '31')} ", failure.text, indent="    ")
        for remedy in remedies_of([failure.text]):
            for line in str(remedy).splitlines():
                yield from wrapped("    ", line, indent="      ")


def _chosen_by_chance(rehearsal: Rehearsal) -> Iterator[tuple[str, str]]:
    """Ids that come from a key pair or a random source, each with a stable replacement of the same length."""
    for resource in rehearsal.update.resources:
        stable = hashlib.sha256(resource.urn.encode()).hexdigest()
        if resource.type == types.CERTIFICATE and resource.id:
            yield resource.id, stable
            yield resource.id[:ID_SHOWN], stable[:ID_SHOWN]
        elif resource.type == types.SECRET and resource.id:
            yield resource.id, resource.id[: -len(SUFFIX)] + stable[: len(SUFFIX)]


def _tree(rehearsal: Rehearsal, colour: Colours) -> Iterator[str]:
    """The registered resources, each under its component."""

    def walk(parent: str | None, depth: int) -> Iterator[str]:
        # Components come in the program's order; resources are registered in parallel.
        children = sorted(
            rehearsal.update.children(parent),
            key=lambda r: (1, "") if r.is_component else (0, r.type + r.name),
        )
        for resource in children:
            if resource.is_component:
                title = resource.type.rpartition(":")[2]
                yield f"{'  ' * depth}{colour(title, '36')}"
            else:
                start = f"{'  ' * depth}{_service(resource):<28} "
                yield from wrapped(start, _described(resource), indent="  " * (depth + 2))
            yield from walk(resource.urn, depth + 1)

    stack = next((r for r in rehearsal.update.resources if r.parent is None), None)
    yield from walk(stack.urn if stack else None, 1)
    objects = [m for release in rehearsal.releases for m in release.manifests]
    if objects:
        version = rehearsal.kubernetes_version
        yield f"  in the release, valid for Kubernetes {version} by its own schemas:"
        yield from (f"    {m.kind:<24} {m.name}" for m in objects)


def _service(resource: Resource) -> str:
    """`rds Instance`: the service and kind that a type token names."""
    package, module, kind = resource.type.split(":")
    if module == "providers":
        return f"{kind} Provider"
    return f"{module.split('/')[0] if package == 'aws' else package} {kind}"


def _described(resource: Resource) -> str:
    if resource.unverified:
        return f"unverified: {resource.name}"
    if resource.options.get("external"):
        return f"{resource.id}, which is somebody else's"
    shown = {"name": resource.name, **resource.outputs, **resource.shown_inputs}
    told = _TOLD.get(resource.type, "{name}").replace("{@name}", resource.name).format_map(shown)
    return f"{'protected: ' if resource.protect else ''}{told}"


def _verdict(rehearsal: Rehearsal, colour: Colours) -> str:
    built = f"{len(rehearsal.update.resources)} resources"
    took = f"in {rehearsal.seconds:.1f} s"
    if rehearsal.failures:
        refused = "1 resource" if len(rehearsal.failures) == 1 else f"{len(rehearsal.failures)} resources"
        return colour(f"refused: {refused}, {took}", "31")
    failed = [check.name for check in rehearsal.checks if check.status is Status.FAILS]
    if failed:
        return colour(f"would not work: {', '.join(failed)} ({built}, {took})", "31")
    findings = (finding for check in rehearsal.checks for finding in together(check.findings))
    open_ = sum(finding.status is Status.UNVERIFIED for finding in findings)
    return colour(f"would work: {built}, no check fails, {things(open_, 'are')} unverified, {took}", "32")


def as_json(rehearsal: Rehearsal) -> dict[str, Json]:
    """The report for programs; docs/rehearsal.md describes it. Secrets are masked as in a plan."""
    again, here = rehearsal.again, [m for release in rehearsal.releases for m in release.manifests]
    secret = frozenset[str]()
    if again is not None:
        both = (_in_manifests(each) for each in (here, manifests_of(again.manifests)))
        secret = carriers(rehearsal.update, again.update, *both)
    secrets = fingerprints(rehearsal.update, again.update if again else None)
    return {
        "version": FORMAT_VERSION,
        "result": "holds" if rehearsal.holds else "fails",
        "project": rehearsal.stack.project,
        "stack": rehearsal.stack.name,
        "region": rehearsal.settings.region,
        "profile": "production" if rehearsal.settings.is_production else "dev",
        "kubernetesVersion": rehearsal.kubernetes_version,
        "seconds": round(rehearsal.seconds, 3),
        "resources": [
            {
                "urn": r.urn,
                "type": r.type,
                "name": r.name,
                "parent": r.parent,
                "id": r.id,
                "protect": r.protect,
                "replacementTrigger": r.replacement_trigger,
                "options": dict(r.options),
                "dependencies": list[Json](sorted(r.dependencies)),
                "inputs": _without(dict(r.shown_inputs), partial(input_at, r), secret),
                "secrets": dict[str, Json](secrets.get(r.urn, {})),
            }
            for r in sorted(rehearsal.update.resources, key=lambda r: r.urn)
        ],
        "warnings": [MASK] if LOG_LINES in secret else list[Json](rehearsal.update.warnings),
        "failures": [
            {
                "urn": f.urn,
                "message": f.message,
                "remedies": [remedy.as_json() for remedy in remedies_of([f.message])],
            }
            for f in rehearsal.failures
        ],
        "checks": [check_json(check) for check in rehearsal.checks],
        "outputs": {
            name: _without(value, partial(output_at, name), secret)
            for name, value in sorted(rehearsal.update.outputs.items())
        },
        "manifests": [
            *(_manifest(m) for chart, _ in _installed(rehearsal) for m in custom_resource_definitions(chart)),
            *(_manifest(m, secret) for m in here),
        ],
        "situations": _situations(rehearsal, secret),
    }


def _without(value: Json, place: Callable[[str], str], secret: Container[str], path: str = "") -> Json:
    """The value, with whatever holds a secret in some form masked."""
    match value:
        case dict():
            below = {key: f"{path}.{key}" if path else key for key in value}
            return {key: _without(inner, place, secret, below[key]) for key, inner in value.items()}
        case list():
            return [_without(inner, place, secret, f"{path}[{i}]") for i, inner in enumerate(value)]
        case _:
            return MASK if place(path) in secret else value


def _at(manifest: Manifest, path: str) -> str:
    """What a place in an object is called."""
    return f"{manifest.template}: {manifest.kind} {manifest.name} at {path}"


def _in_manifests(manifests: Iterable[Manifest]) -> dict[str, str]:
    """By place, everything in them."""
    return {_at(m, path): text for m in manifests for path, text in leaves(dict(m.content))}


def _manifest(manifest: Manifest, secret: Container[str] = ()) -> Json:
    return {
        "template": manifest.template,
        "kind": manifest.kind,
        "name": manifest.name,
        "content": _without(dict(manifest.content), lambda path: template_at(_at(manifest, path)), secret),
    }


def _installed(rehearsal: Rehearsal) -> list[tuple[Path, Mapping[str, Json]]]:
    """The releases with a local chart; none if anything was refused."""
    found = () if rehearsal.failures else rehearsal.installs
    charts = ((rehearsal.stack.root / text(inputs, "chart"), inputs) for inputs in found)
    return [(chart, inputs) for chart, inputs in charts if chart.is_dir()]


def _situations(rehearsal: Rehearsal, secret: Container[str]) -> dict[str, Json]:
    """By situation of another cluster: the objects that differ there, and those that don't exist there."""
    here = {repr(m): m for release in rehearsal.releases for m in release.manifests}
    found: dict[str, Json] = {}
    for chart, inputs in _installed(rehearsal):
        there = situations(
            chart,
            record(inputs, "values"),
            name=text(inputs, "name"),
            namespace=text(inputs, "namespace"),
        )
        for situation, manifests in there.items():
            seen = {repr(each) for each in manifests}
            differing: list[Json] = [_manifest(each, secret) for each in manifests if repr(each) not in here]
            gone: list[Json] = [dict(each.content) for key, each in here.items() if key not in seen]
            found[situation] = {"manifests": differing, "gone": gone}
    return found
