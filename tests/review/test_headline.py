"""The title of a stack: what happens to the region, in words, the worst first."""

from dataclasses import replace

from common.json_values import Json
from review.headline import MOST, headline
from review.model import Change, Difference, Grade, Part, Way

INSTANCE = "aws:rds/instance:Instance instance"
DEPLOYMENT = "Deployment maestro"


def change(
    grade: Grade, subject: str = INSTANCE, part: Part = Part.RESOURCE, **values: tuple[Json, Json]
) -> Change:
    return Change(
        part=part,
        subject=subject,
        way=Way.UPDATED,
        sentence=f"{subject} is updated in place",
        effect="",
        grade=grade,
        reason="the first reason; another",
        differences=tuple(
            Difference(path=f"a.{name}", before=before, after=after)
            for name, (before, after) in values.items()
        ),
    )


def test_a_larger_instance_reads_as_what_happens_then_as_what_changes() -> None:
    instance = change(Grade.LOOK, instanceClass=("db.t4g.micro", "db.m6g.large"))
    instance = replace(instance, effects=("database offline for minutes",))
    deployment = change(Grade.LOOK, DEPLOYMENT, Part.OBJECT, maxOpenConnections=(24, 50))
    assert headline([instance, deployment], rolls=True) == (
        "database offline for minutes",
        "pods roll",
        "db.t4g.micro → db.m6g.large",
        "maxOpenConnections 24 → 50",
    )


def test_what_is_dangerous_comes_with_its_reason_before_what_rolls() -> None:
    dangerous = change(Grade.DANGEROUS, allocatedStorage=(60, 40))
    look = change(Grade.LOOK, DEPLOYMENT, Part.OBJECT, replicas=(2, 3))
    assert headline([look, dangerous], rolls=True) == (
        "database: the first reason",
        "pods roll",
        "allocatedStorage 60 → 40",
        "replicas 2 → 3",
    )
    acknowledged = replace(dangerous, acknowledged="agreed")
    assert headline([acknowledged], rolls=False) == ("allocatedStorage 60 → 40",)


def test_a_cause_is_named_instead_of_its_effect() -> None:
    deployment = change(Grade.LOOK, DEPLOYMENT, Part.OBJECT, image=("a", "b"))
    cause = Difference(path="values.image.tag", before="a" * 40, after="b" * 40)
    assert headline([replace(deployment, causes=(cause,))], rolls=True) == (
        "pods roll",
        f"image tag {'a' * 12}… → {'b' * 12}…",
    )


def test_the_longer_of_two_outages_is_named() -> None:
    effects = ("database offline for a minute", "database offline for minutes")
    assert headline([replace(change(Grade.LOOK), effects=effects)], rolls=False)[0] == effects[1]
    assert effects[0] not in headline([replace(change(Grade.LOOK), effects=effects)], rolls=False)


def test_what_cannot_be_read_at_once_is_named() -> None:
    without_values = change(Grade.LOOK, "aws:iam/role:Role role")
    assert headline([without_values], rolls=None) == ("role: the first reason",)
    volume = Difference(path="spec.template.spec.volumes[scratch]", before=None, after={"emptyDir": {}})
    mounts = replace(change(Grade.LOOK, DEPLOYMENT, Part.OBJECT), differences=(volume,))
    assert headline([mounts], rolls=True) == ("pods roll", "Deployment: scratch")
    label = Difference(path='metadata.labels."example.com/enforce"', before="a", after="b")
    assert headline([replace(mounts, differences=(label,))], rolls=False) == ("enforce a → b",)
    assert headline([change(Grade.SAFE)], rolls=False) == ("database: the first reason",)
    several = [change(Grade.SAFE, f"aws:iam/role:Role role{number}") for number in range(3)]
    assert headline(several, rolls=False) == ("3 resources: each is updated in place",)


def test_it_stays_short() -> None:
    many = [change(Grade.DANGEROUS, f"aws:iam/role:Role{number} role") for number in range(100)]
    assert len(headline(many, rolls=True)) == MOST
    assert headline([], rolls=None) == ("nothing changes",)


def test_the_first_of_the_sentences_is_the_reason() -> None:
    said = "It is not usable: 1 problem.\n\n  Pulumi.dev.yaml:13: profle: is not a known key\n    known: …"
    broken = replace(change(Grade.DANGEROUS, "dev", Part.STACK), sentence="it can't be built", quoted=said)
    assert headline([broken], rolls=None) == (
        "it can't be built: Pulumi.dev.yaml:13: profle: is not a known key",
    )


def test_what_becomes_of_the_stack_and_of_its_database_comes_first() -> None:
    logs = change(Grade.DANGEROUS, "aws:cloudwatch/logGroup:LogGroup log")
    moved = replace(change(Grade.LOOK, "dev", Part.STACK), sentence="it moves to another cluster")
    told = headline([moved, logs, change(Grade.DANGEROUS)], rolls=True)
    assert told == (
        "database: the first reason",
        "log group: the first reason",
        "it moves to another cluster",
        "pods roll",
    )
