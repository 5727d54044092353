"""What one revision builds for one stack: a rehearsal's report without random ids."""

import base64
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from checks.finding import Status
from common.json_values import Json, flag, record, records, text, texts
from policies import types

RANDOM_ID = "random:index/randomId:RandomId"
MADE_BY_CHANCE = frozenset(
    {
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:iot/certificate:Certificate",
        "aws:rds/instance:Instance",
        "aws:secretsmanager/secret:Secret",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        RANDOM_ID,
    }
)
"""Types whose ids AWS, or chance, generates; other types' ids are names, whose changes must show."""


Objects = Mapping[str, Mapping[str, Json]]
"""A release's Kubernetes objects by what they are called: `Kind name`, qualified where needed."""
FORMAT = 1
"""The report format that is understood here."""
CONSTANT = "constant"
"""The report's digest for a secret that stays the same in a run with different secrets."""
AGAIN = " again"
"""Ends what the second object of one name is called."""
KNOWN_LATER = "(known after up)"
"""Stands for a value that a preview doesn't know."""
UNTOLD = "untold"
"""Stands for what an older revision's report doesn't contain."""


class SnapshotError(Exception):
    """A report that can't be read; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of the program."""

    type: str
    name: str
    inputs: Mapping[str, Json]
    """With secrets masked, and ids of other resources as `${type name}`."""
    protect: bool
    urn: str
    options: Json
    """Other options that are set; `UNTOLD` if the report doesn't contain them."""
    replacement_trigger: Json
    secrets: Mapping[str, Json]
    """By input, a digest of how a secret is composed."""
    needs: frozenset[str]
    """Subjects of the resources that it depends on."""
    parent: str = ""
    """URN."""

    @property
    def subject(self) -> str:
        """Its name in a report."""
        return subject_of(self.type, self.name)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one of the rehearsal's checks."""

    fails: bool
    failures: tuple[str, ...]
    """The texts of the findings that fail."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A stack as one revision would build it."""

    stack: str
    region: str
    profile: str
    resources: Mapping[str, Resource]
    """By subject."""
    components: Mapping[str, Resource] = field(default_factory=dict[str, Resource])
    """By URN: they exist in no cloud, but are part of resources' URNs."""
    objects: Objects
    """The release's."""
    outputs: Mapping[str, Json]
    checks: Mapping[str, CheckResult]
    """By name."""
    failures: tuple[str, ...]
    """What providers refused."""
    templates: Mapping[str, str] = field(default_factory=dict[str, str])
    """By what an object is called, the template that renders it."""
    situations: Mapping[str, Objects] = field(default_factory=dict[str, Objects])
    """By situation of a cluster, all of the release's objects in it."""


def subject_of(type_: str, name: str) -> str:
    """A resource's name in a report."""
    return f"{type_} {name}"


def subject_at(urn: str) -> str:
    """The subject of a URN, whose last two parts are the type, qualified by its parents', and the name."""
    types_, _, name = urn.rpartition("::")
    return subject_of(types_.rpartition("::")[2].rpartition("$")[2], name)


def symbol(subject: str) -> str:
    """What stands for a resource's generated id."""
    return f"${{{subject}}}"


def read(report: Mapping[str, Json]) -> Snapshot:
    """The snapshot of `python -m rehearsal --json`.

    Raises:
        SnapshotError: it isn't a report, or has another format.
    """
    if report.get("version") != FORMAT:
        raise SnapshotError(f"the rehearsal's report has format {report.get('version')}, not {FORMAT}")
    listed = records(report, "resources")
    subjects = _subjects(listed)
    symbols = _symbols(listed, subjects)
    home = {
        text(record(each, "inputs"), "namespace") for each in listed if text(each, "type") == types.RELEASE
    }
    if text(record(report, "outputs"), "maestro_server_install") == "external":
        home.add(text(record(report, "outputs"), "maestro_namespace"))
    objects = _objects(records(report, "manifests"), home, symbols)
    read_ = {text(each, "urn"): _resource(each, subjects, symbols) for each in listed}
    return Snapshot(
        stack=text(report, "stack"),
        region=text(report, "region"),
        profile=text(report, "profile"),
        resources={subjects[urn]: each for urn, each in read_.items() if not is_component(each.type)},
        components={urn: each for urn, each in read_.items() if is_component(each.type)},
        objects=objects,
        templates={
            called: text(each, "template")
            for given in ({**report}, *map(_record, record(report, "situations").values()))
            for called, each in _by_name(records(given, "manifests"), home).items()
        },
        situations={
            situation: _in(objects, _objects(records(differing, "manifests"), home, symbols), differing, home)
            for situation, given in record(report, "situations").items()
            for differing in [_record(given)]
        },
        outputs=_record(_symbolic(record(report, "outputs"), symbols)),
        checks={text(each, "name"): _check(each, symbols) for each in records(report, "checks")},
        failures=tuple(
            f"{subject_at(text(each, 'urn')).strip()}: {text(each, 'message')}"
            for each in records(report, "failures")
        ),
    )


def _objects(
    manifests: Iterable[Mapping[str, Json]], home: Container[str], symbols: Mapping[str, str]
) -> dict[str, dict[str, Json]]:
    """The objects by what they are called; `home` are the namespaces that go without saying."""
    named = _by_name(manifests, home)
    return {called: _record(_symbolic(record(each, "content"), symbols)) for called, each in named.items()}


def _by_name(manifests: Iterable[Mapping[str, Json]], home: Container[str]) -> dict[str, Mapping[str, Json]]:
    found: dict[str, Mapping[str, Json]] = {}
    for each in manifests:
        called = _called(record(each, "content"), home)
        while called in found:  # a duplicate, of which Helm would apply the last
            called += AGAIN
        found[called] = each
    return found


def _called(content: Mapping[str, Json], home: Container[str]) -> str:
    """Kind and name, with the group and namespace unless they are obvious."""
    metadata = record(content, "metadata")
    group, slash, _ = text(content, "apiVersion").rpartition("/")
    kind, namespace = text(content, "kind"), text(metadata, "namespace")
    full = f"{kind}.{group}" if slash and group not in _GROUPS else kind
    there = "" if not namespace or namespace in home else f"{namespace}/"
    return f"{full} {there}{text(metadata, 'name')}"


_GROUPS = frozenset({
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "apps", "batch", "networking.k8s.io", "policy",
    "rbac.authorization.k8s.io", "secrets-store.csi.x-k8s.io",
})  # fmt: skip
"""Groups that are left out of what an object is called."""


def _in(objects: Objects, differing: Objects, given: Mapping[str, Json], home: Container[str]) -> Objects:
    """All objects in a situation; the report has those that differ, and those that don't exist in it."""
    gone = {_called(each, home) for each in records(given, "gone")}
    return {**{called: each for called, each in objects.items() if called not in gone}, **differing}


def renamed(snapshot: Snapshot, names: Mapping[str, str]) -> Snapshot:
    """The snapshot with subjects renamed, wherever they appear."""
    if not names:
        return snapshot
    symbols = {symbol(old): symbol(new) for old, new in names.items()}

    def told(value: Json) -> Json:
        return _symbolic(value, symbols)

    return replace(
        snapshot,
        resources={
            names.get(subject, subject): replace(
                each,
                inputs=_record(told({**each.inputs})),
                needs=frozenset(names.get(need, need) for need in each.needs),
            )
            for subject, each in snapshot.resources.items()
        },
        objects={subject: _record(told({**each})) for subject, each in snapshot.objects.items()},
        outputs=_record(told({**snapshot.outputs})),
    )


def is_component(type_: str) -> bool:
    """Whether resources of a type only group others."""
    return type_.startswith(("maestro:", "pulumi:pulumi:"))


def _subjects(listed: Iterable[Mapping[str, Json]]) -> dict[str, str]:
    """Subjects by URN; resources that share type and name are told apart by their parent."""
    named: dict[str, list[str]] = {}
    for each in listed:
        named.setdefault(subject_of(text(each, "type"), text(each, "name")), []).append(text(each, "urn"))
    return {
        urn: subject if len(urns) == 1 else f"{subject} ({urn.split('::')[2].rpartition('$')[0]})"
        for subject, urns in named.items()
        for urn in urns
    }


def _resource(each: Mapping[str, Json], subjects: Mapping[str, str], symbols: Mapping[str, str]) -> Resource:
    return Resource(
        type=text(each, "type"),
        name=text(each, "name"),
        inputs=_record(_symbolic(record(each, "inputs"), symbols)),
        protect=flag(each, "protect"),
        urn=text(each, "urn"),
        options=each.get("options", UNTOLD),
        replacement_trigger=each.get("replacementTrigger", UNTOLD),
        secrets=record(each, "secrets"),
        needs=frozenset(subjects[urn] for urn in texts(each, "dependencies") if urn in subjects),
        parent=text(each, "parent"),
    )


def _check(each: Mapping[str, Json], symbols: Mapping[str, str]) -> CheckResult:
    failures = (
        str(_symbolic(text(finding, "text"), symbols))
        for finding in records(each, "findings")
        if text(finding, "status") == Status.FAILS
    )
    return CheckResult(fails=text(each, "status") == Status.FAILS, failures=tuple(sorted(failures)))


def _symbols(listed: Iterable[Mapping[str, Json]], subjects: Mapping[str, str]) -> dict[str, str]:
    """By generated id, the symbol of its resource. The id of a secret's version contains its secret's."""
    symbols: dict[str, str] = {}
    for each in sorted(listed, key=lambda each: text(each, "id").count("|")):
        if text(each, "type") in MADE_BY_CHANCE:
            for part in _ids(each):
                symbols.setdefault(part, symbol(subjects[text(each, "urn")]))
    # The longest first: one id may be part of another.
    return dict(sorted(symbols.items(), key=lambda pair: len(pair[0]), reverse=True))


def _ids(each: Mapping[str, Json]) -> list[str]:
    """An id's parts; for a RandomId also its hexadecimal form, which names contain."""
    id_ = text(each, "id")
    if text(each, "type") != RANDOM_ID:
        return id_.split("|")
    return [id_, base64.urlsafe_b64decode(id_ + "=" * (-len(id_) % 4)).hex()]


def _symbolic(value: Json, symbols: Mapping[str, str]) -> Json:
    """The value with each generated id replaced by its resource's symbol."""
    match value:
        case str():
            for id_, symbol in symbols.items():
                if id_ in value:
                    value = value.replace(id_, symbol)
            return value
        case list():
            return [_symbolic(item, symbols) for item in value]
        case dict():
            return {key: _symbolic(item, symbols) for key, item in value.items()}
        case _:
            return value


def _record(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
