"""One stack compared at two revisions: what real changes of the project don't easily bring about."""

import time
from dataclasses import replace

import pytest

from common.json_values import Json
from engine.run import MASK
from review.compare import compare
from review.markdown import LIMIT, as_markdown
from review.model import Grade, Review, Way
from review.snapshot import FORMAT, CheckResult, Resource, Snapshot, read

PARENT = "urn:pulumi:dev::maestro-stack::maestro:aws:Identity::identity"
RESOURCE = Resource(
    type="aws:iam/role:Role",
    name="role",
    inputs={"name": "a"},
    protect=False,
    urn="urn:pulumi:dev::maestro-stack::maestro:aws:Identity$aws:iam/role:Role::role",
    options={},
    replacement_trigger=None,
    secrets={},
    needs=frozenset(),
    parent=PARENT,
)
STACK = Snapshot(
    stack="dev",
    region="us-east-1",
    profile="dev",
    resources={RESOURCE.subject: RESOURCE},
    objects={},
    outputs={},
    checks={},
    failures=(),
)


def _with(resource: Resource) -> Snapshot:
    return replace(STACK, resources={resource.subject: resource})


def test_another_parent_makes_it_another_resource() -> None:
    elsewhere = PARENT.replace("Identity", "Other")
    moved = replace(RESOURCE, urn=RESOURCE.urn.replace("Identity", "Other"), parent=elsewhere)
    (change,) = compare(STACK, _with(moved)).changes
    assert (change.way, change.grade) == (Way.REPLACED, Grade.DANGEROUS)
    for urn, way in (
        (PARENT, Way.UPDATED),
        ("urn:pulumi:dev::maestro-stack::maestro:aws:Else::identity", Way.REPLACED),
    ):
        aliased = replace(moved, options={"aliases": [{"spec": {"parentUrn": urn}}]})
        (change,) = compare(STACK, _with(aliased)).changes
        assert change.way is way


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({"aliases": [{"spec": {"name": "role"}}]}, [Way.UPDATED]),
        ({"aliases": [{"spec": {"name": "role", "parentUrn": ""}}]}, [Way.UPDATED]),
        ({"aliasURNs": [RESOURCE.urn]}, [Way.UPDATED]),
        ({"aliases": [{"spec": {"name": "roles"}}]}, [Way.CREATED, Way.DELETED]),
        ({}, [Way.CREATED, Way.DELETED]),
    ],
)
def test_a_resource_with_another_name_is_the_same_only_by_a_correct_alias(
    options: dict[str, Json], ways: list[Way]
) -> None:
    renamed = replace(RESOURCE, name="it", urn=RESOURCE.urn.replace("::role", "::it"), options=options)
    changes = compare(STACK, _with(renamed)).changes
    assert sorted(change.way for change in changes) == ways
    assert max(change.grade for change in changes) is (
        Grade.LOOK if ways == [Way.UPDATED] else Grade.DANGEROUS
    )


def test_children_of_an_aliased_parent_stay_what_they_are() -> None:
    moved_parent = PARENT.replace("::identity", "::pods")
    parent = replace(
        RESOURCE,
        urn=moved_parent,
        name="pods",
        parent="",
        options={"aliases": [{"spec": {"name": "identity"}}]},
    )
    child = replace(
        RESOURCE, name="pods-role", urn=RESOURCE.urn.replace("::role", "::pods-role"), parent=moved_parent
    )
    was = replace(child, name="identity-role", urn=RESOURCE.urn.replace("::role", "::identity-role"))
    (change,) = compare(_with(was), replace(_with(child), components={moved_parent: parent})).changes
    assert change.way is Way.UPDATED


def test_another_provider_is_another_cluster() -> None:
    moved = replace(RESOURCE, options={"provider": "urn:…::other"})
    (change,) = compare(_with(replace(RESOURCE, options={"provider": "urn:…::one"})), _with(moved)).changes
    assert (change.way, change.grade) == (Way.REPLACED, Grade.DANGEROUS)


def test_other_options_and_other_dependencies_are_reported() -> None:
    other = replace(RESOURCE, name="other", urn=RESOURCE.urn.replace("::role", "::other"))
    both = replace(STACK, resources={each.subject: each for each in (RESOURCE, other)})
    waits = replace(RESOURCE, needs=frozenset({other.subject}), options={"deleteBeforeReplace": True})
    after = replace(both, resources={each.subject: each for each in (waits, other)})
    (change,) = compare(both, after).changes
    told = {difference.path: difference.after for difference in change.differences}
    assert told == {"options.deleteBeforeReplace": True, "dependsOn": [other.subject]}
    assert change.grade is Grade.LOOK


INSTANCE = "aws:rds/instance:Instance"


def _database(version: str) -> Snapshot:
    urn = RESOURCE.urn.replace("aws:iam/role:Role::role", f"{INSTANCE}::instance")
    return _with(
        replace(RESOURCE, type=INSTANCE, name="instance", urn=urn, inputs={"engineVersion": version})
    )


@pytest.mark.parametrize("version", ["13", "14", "14.20"])
def test_a_version_that_leaves_support_is_dangerous_where_it_is_chosen(version: str) -> None:
    chosen, said = _database(version), f"PostgreSQL {version[:2]} ends on"
    created = {change.subject: change for change in compare(STACK, chosen).changes}[f"{INSTANCE} instance"]
    assert (created.grade, said in created.reason) == (Grade.DANGEROUS, True)
    (upgraded,) = compare(_database("12"), chosen).changes
    assert (upgraded.grade, said in upgraded.reason) == (Grade.DANGEROUS, True)
    assert compare(chosen, chosen).changes == ()
    later = {change.subject: change for change in compare(STACK, _database("18")).changes}
    assert later[f"{INSTANCE} instance"].grade is Grade.LOOK


def test_resources_that_share_type_and_name_are_not_taken_for_each_other() -> None:
    listed: list[Json] = [
        {"urn": urn, "type": RESOURCE.type, "name": "role", "inputs": {"name": urn}}
        for urn in (RESOURCE.urn, RESOURCE.urn.replace("Identity", "Other"))
    ]
    assert len(read({"version": FORMAT, "resources": listed}).resources) == 2


def test_what_an_older_revision_did_not_report_is_no_difference() -> None:
    untold = replace(RESOURCE, options="untold", replacement_trigger="untold")
    assert compare(_with(untold), STACK).changes == ()


def test_a_check_that_is_gone_is_looked_at_and_a_new_one_that_fails_is_dangerous() -> None:
    holds, fails = CheckResult(fails=False, failures=()), CheckResult(fails=True, failures=("no",))
    before, after = replace(STACK, checks={"mqtt": holds}), replace(STACK, checks={"order": fails})
    grades = {change.subject: change.grade for change in compare(before, after).changes}
    assert grades == {"mqtt": Grade.LOOK, "order": Grade.DANGEROUS}


def test_what_a_provider_refuses_is_reported_without_what_was_not_reached() -> None:
    after = replace(STACK, resources={}, failures=("aws:iam/role:Role role: no",))
    (change,) = compare(STACK, after).changes
    assert (change.sentence, change.grade) == ("a provider refuses it", Grade.DANGEROUS)


def test_manifests_of_two_megabytes_fit_in_a_comment_and_take_no_time() -> None:
    def stack(letter: str) -> Snapshot:
        lines = "\n".join(f"line {number} {letter}" for number in range(100_000))
        content: dict[str, Json] = {"data": {"big": lines, "one": letter * 2_000_000}}
        return replace(STACK, objects={"ConfigMap big": content})

    begun = time.monotonic()
    review = compare(stack("a"), stack("b"))
    comment = as_markdown(Review(base="a", head="b", notes=(), stacks=(review,)))
    assert time.monotonic() - begun < 3
    assert len(comment) < LIMIT
    assert "ConfigMap big" in comment


def _release(replicas: int, **inputs: Json) -> Snapshot:
    values: dict[str, Json] = {"deployment": {"replicas": replicas}, "chartDigest": str(replicas)}
    release = replace(
        RESOURCE,
        type="kubernetes:helm.sh/v3:Release",
        name="release",
        inputs={"name": "maestro-server", "values": values, **inputs},
        urn="urn:pulumi:dev::maestro-stack::kubernetes:helm.sh/v3:Release::release",
        parent="",
    )
    deployment: dict[str, Json] = {"kind": "Deployment", "spec": {"replicas": replicas}}
    return replace(_with(release), objects={"Deployment maestro": deployment})


def test_an_upgrade_of_the_release_is_reported_once_by_its_object_with_its_cause() -> None:
    (change,) = compare(_release(2), _release(3)).changes
    assert (change.subject, change.resource) == (
        "Deployment maestro",
        "kubernetes:helm.sh/v3:Release release",
    )
    assert [(each.path, each.before, each.after) for each in change.causes] == [
        ("values.deployment.replicas", 2, 3)
    ]


def test_other_changes_of_the_release_are_reported_beside_its_objects() -> None:
    found = compare(_release(2), _release(3, skipAwait=True)).changes
    assert {change.subject for change in found} == {
        "Deployment maestro",
        "kubernetes:helm.sh/v3:Release release",
    }
    assert not any(change.causes for change in found)


def test_a_secret_that_holds_another_generation_of_a_certificate_follows_it() -> None:
    def generation(name: str) -> Snapshot:
        certificate = replace(
            RESOURCE,
            type="aws:iot/certificate:Certificate",
            name=f"certificate-{name}",
            inputs={"active": True},
            urn=f"urn:pulumi:dev::maestro-stack::aws:iot/certificate:Certificate::certificate-{name}",
        )
        version = replace(
            RESOURCE,
            type="aws:secretsmanager/secretVersion:SecretVersion",
            name="server-mqtt-cert",
            inputs={"secretString": MASK},
            urn="urn:pulumi:dev::maestro-stack::aws:secretsmanager/secretVersion:SecretVersion::server-mqtt-cert",
            needs=frozenset({certificate.subject}),
        )
        return replace(STACK, resources={each.subject: each for each in (certificate, version)})

    changes = {change.subject: change for change in compare(generation("1"), generation("2")).changes}
    assert changes["aws:secretsmanager/secretVersion:SecretVersion server-mqtt-cert"].way is Way.REPLACED
    created = changes["aws:iot/certificate:Certificate certificate-2"]
    assert (created.grade, created.reason) == (Grade.LOOK, "the server gets a new certificate")
