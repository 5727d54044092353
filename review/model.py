"""What a review says, as plain values: changes, each with its grade and its reasons, by stack."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from common.json_values import Json


class Grade(IntEnum):
    """What a change means to those who use the region, the worst last."""

    SAFE = 0
    """Nothing that a user of the region notices."""
    LOOK = 1
    """A rolling restart, brief reconnects, cost."""
    DANGEROUS = 2
    """Data or availability at risk, access widened, a secret exposed."""

    @property
    def word(self) -> str:
        """For a verdict."""
        return self.name.lower()


class Way(StrEnum):
    """What happens to a resource, an object or an output."""

    CREATED = "created"
    UPDATED = "updated in place"
    REPLACED = "replaced"
    MOVED = "moved to another cluster"
    """Made for the new one, and then deleted for the old one."""
    DELETED = "deleted"


class Part(StrEnum):
    """What a change is of: the sections of a report."""

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
"""Paths of differences that are rights."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that differs."""

    path: str
    """Dotted; an item of a list of named things by its name: `containers[service].image`."""
    before: Json
    """None where it is added."""
    after: Json
    """None where it is removed."""
    note: str = ""
    """What it means, where the values don't say."""

    @property
    def values_say_nothing(self) -> bool:
        """A secret's, those that only stand for something else, and digests: no person reads them."""
        sides = self.before, self.after
        return self.before == self.after or all(isinstance(s, str) and _DIGEST.fullmatch(s) for s in sides)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that differs between two revisions of a stack."""

    part: Part
    subject: str
    """What it is of: `aws:rds/instance:Instance instance`, `Deployment maestro`, `maestro_region`."""
    way: Way
    sentence: str
    """What, from, to, in the field's words."""
    effect: str
    """What it does to the running region; empty if nothing."""
    grade: Grade
    reason: str
    """Why it has its grade."""
    differences: tuple[Difference, ...] = ()
    causes: tuple[Difference, ...] = ()
    """Of an object, which of the release's values differ."""
    resource: str = ""
    """Of an object, the subject of the release, where its upgrade is told here."""
    effects: tuple[str, ...] = ()
    """The effect in the few words of a title, the worst first."""
    quoted: str = ""
    """What the program, or a check, said of it, in its own words; may have several lines."""
    acknowledged: str = ""
    """The reason that was given for letting it pass."""

    @property
    def fingerprint(self) -> str:
        """Of this change and no other: what an acknowledgement names."""
        told = repr((self.part, self.subject, self.way, self.sentence, self.differences, self.quoted))
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    @property
    def counts_as(self) -> Grade:
        """Its grade, for the verdict: what was acknowledged is to be looked at."""
        return min(self.grade, Grade.LOOK) if self.acknowledged else self.grade


@dataclass(frozen=True, kw_only=True)
class StackReview:
    """What a pull request does to one stack."""

    stack: str
    region: str
    profile: str
    changes: tuple[Change, ...]
    """The worst first."""
    rolls: bool | None
    """Whether the server's pods are replaced; None where that isn't known."""
    rolls_because: str
    resources: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Subjects that change, each with the subjects that depend on it: the picture."""
    clusters: tuple[str, ...] = ()
    """By name; two where it moves."""
    templates: frozenset[str] = frozenset()
    """Paths, from the charts' folder, of the templates whose objects are told."""

    @property
    def grade(self) -> Grade:
        """The worst of its changes."""
        return worst(change.counts_as for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a pull request does to all stacks."""

    base: str
    """The revision that it is compared with, as a person knows it."""
    head: str
    notes: tuple[str, ...]
    """What the reader must know of how it was made: a dirty work tree, other dependencies, …"""
    stacks: tuple[StackReview, ...]
    """The worst first."""
    project: tuple[Change, ...] = ()
    """What concerns no stack alone: who judges, what is installed, what deploys; the worst first."""

    @property
    def grade(self) -> Grade:
        """The worst of its stacks, and of what concerns all of them."""
        return worst([*(stack.grade for stack in self.stacks), *(each.counts_as for each in self.project)])


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of them; safe if there are none."""
    return max(grades, default=Grade.SAFE)


def worst_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes by grade, then by what they are of."""
    return tuple(sorted(changes, key=lambda change: (-change.grade, [*Part].index(change.part))))
