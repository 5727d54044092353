"""A review as plain values: changes by stack, each with its grade and the reason for it."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from common.json_values import Json


class Grade(IntEnum):
    """What a change means to users of the region, worst last."""

    SAFE = 0
    """No user of the region notices it."""
    LOOK = 1
    """A rolling restart, brief reconnects, cost."""
    DANGEROUS = 2
    """Data or availability at risk, access widened, a secret exposed."""

    @property
    def word(self) -> str:
        """The grade as worded in a verdict."""
        return self.name.lower()


class Way(StrEnum):
    """What happens to a resource, an object or an output."""

    CREATED = "created"
    UPDATED = "updated in place"
    REPLACED = "replaced"
    MOVED = "moved to another cluster"
    """Created for the new one, then deleted for the old one."""
    DELETED = "deleted"


class Part(StrEnum):
    """What kind of thing changes: the sections of a report."""

    FILE = "files"
    STACK = "the stack"
    SETTING = "settings"
    DEPENDENCY = "dependencies"
    RESOURCE = "resources"
    PERMISSION = "permissions"
    OBJECT = "Kubernetes objects"
    OUTPUT = "outputs"
    CHECK = "checks"


_DIGEST = re.compile("[0-9a-f]{64}")
RIGHTS = GAINED, LOST, KEPT = "gains", "loses", "keeps"
"""The paths of differences that are rights."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that differs."""

    path: str
    """Dotted, with list items by name where they have names: `containers[service].image`."""
    before: Json
    """None if it is added."""
    after: Json
    """None if it is removed."""
    note: str = ""
    """What it means, if the values don't say."""

    @property
    def values_say_nothing(self) -> bool:
        """Whether they tell a reader nothing: masked secrets, placeholders and digests."""
        sides = self.before, self.after
        return self.before == self.after or all(isinstance(s, str) and _DIGEST.fullmatch(s) for s in sides)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs between two revisions of a stack."""

    part: Part
    subject: str
    """What changes: `aws:rds/instance:Instance instance`, `Deployment maestro`, `maestro_region`."""
    way: Way
    sentence: str
    """What happens, from what to what, in operators' words."""
    effect: str
    """What it does to the running region; empty if it does nothing."""
    grade: Grade
    reason: str
    """Why it has its grade."""
    differences: tuple[Difference, ...] = ()
    causes: tuple[Difference, ...] = ()
    """For an object, the release's values that differ."""
    resource: str = ""
    """For an object, the release's subject, if the release's upgrade is reported here."""
    effects: tuple[str, ...] = ()
    """The effect in the few words of a title, worst first."""
    quoted: str = ""
    """What the program, or a check, said about it, verbatim; may have several lines."""
    acknowledged: str = ""
    """The reason given for letting it pass."""

    @property
    def fingerprint(self) -> str:
        """Identifies this change and no other; what an acknowledgement names."""
        told = repr((self.part, self.subject, self.way, self.sentence, self.differences, self.quoted))
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def counts_as(self) -> Grade:
        """Its grade in the verdict: at most LOOK if it was acknowledged."""
        return min(self.grade, Grade.LOOK) if self.acknowledged else self.grade


@dataclass(frozen=True, kw_only=True)
class StackReview:
    """What a pull request does to one stack."""

    stack: str
    region: str
    profile: str
    changes: tuple[Change, ...]
    """Worst first."""
    rolls: bool | None
    """Whether the server's pods are replaced; None if unknown."""
    rolls_because: str
    resources: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Subjects that change, each with the subjects that depend on it, for the picture."""
    clusters: tuple[str, ...] = ()
    """Names of the stack's clusters; two if it moves."""
    templates: Mapping[str, int] = field(default_factory=dict[str, int])
    """By path, relative to the charts' folder, of a template whose objects are reported: how many more kinds
    they name."""

    @property
    def grade(self) -> Grade:
        """The worst of its changes."""
        return worst(change.counts_as for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a pull request does to all stacks."""

    base: str
    """The revision that it is compared with, in readable form."""
    head: str
    notes: tuple[str, ...]
    """What the reader must know about how it was made: a dirty work tree, different dependencies, …"""
    stacks: tuple[StackReview, ...]
    """Worst first."""
    project: tuple[Change, ...] = ()
    """What concerns all stacks: what judges, is installed or deploys; worst first."""

    @property
    def grade(self) -> Grade:
        """The worst among its stacks and what concerns all of them."""
        return worst([*(stack.grade for stack in self.stacks), *(each.counts_as for each in self.project)])


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of them; safe if there are none."""
    return max(grades, default=Grade.SAFE)


def worst_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes by grade, then by part."""
    return tuple(sorted(changes, key=lambda change: (-change.grade, [*Part].index(change.part))))
