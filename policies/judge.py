"""The rules' verdict on a whole program, with the exceptions in its stack file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maestro_stack.settings import Settings
from policies.rule import Circumstances, Resource, Rule
from policies.rules import BY_NAME, RULES


@dataclass(frozen=True, kw_only=True)
class Excuse:
    """A rule that doesn't apply, and why."""

    rule: str
    resource: str | None
    """Logical name of the one that it doesn't apply to; None stands for every resource."""
    reason: str
    key: str
    """Key of the entry in the stack file."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """What one rule has against one resource."""

    rule: Rule
    resource: Resource
    problems: tuple[str, ...]
    excuse: Excuse | None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What all rules have to say."""

    violations: tuple[Violation, ...]
    """Excused ones included."""
    unused: tuple[Excuse, ...]
    """Exceptions that excuse nothing, and would cover a later change."""
    questions: int
    """How often a rule was asked about a resource."""
    unasked: int
    """How often one wasn't, because it looks at an input that isn't known."""


def judge(resources: Iterable[Resource], settings: Settings) -> Judgement:
    """Ask every rule about every resource that it looks at."""
    circumstances = circumstances_of(settings)
    excuses = excuses_of(settings)
    about = [(rule, each) for each in resources for rule in RULES if rule.applies(each.type, circumstances)]
    asked = [(rule, each) for rule, each in about if not rule.reads_unknown(each)]
    violations = tuple(
        Violation(rule=rule, resource=each, problems=problems, excuse=excuse_of(rule, each, excuses))
        for rule, each in asked
        if (problems := tuple(rule.check(each, circumstances)))
    )
    used = [violation.excuse for violation in violations]
    # An acknowledgement that excuses nothing is refused by the configuration's own rules.
    unused = tuple(e for e in excuses if e.resource is not None and e not in used)
    return Judgement(
        violations=violations, unused=unused, questions=len(asked), unasked=len(about) - len(asked)
    )


def circumstances_of(settings: Settings) -> Circumstances:
    """What rules know about the region."""
    return Circumstances(cluster_name=settings.cluster_name, is_production=settings.is_production)


def excuse_of(rule: Rule, resource: Resource, excuses: Sequence[Excuse]) -> Excuse | None:
    """The first exception that excuses a violation."""
    return next((e for e in excuses if e.rule == rule.name and e.resource in (None, resource.name)), None)


def excuses_of(settings: Settings) -> tuple[Excuse, ...]:
    """The stack file's exceptions, and the acknowledged settings that break a rule."""
    rules = {rule.setting: rule.name for rule in RULES if rule.setting}
    return (
        *(
            Excuse(
                rule=entry.rule,
                resource=entry.resource,
                reason=entry.reason,
                key=f"policies.exceptions[{position}]",
            )
            for position, entry in enumerate(settings.policies.exceptions)
        ),
        *(
            Excuse(
                rule=rules[entry.key],
                resource=None,
                reason=entry.reason,
                key=f"acknowledge[{position}]",
            )
            for position, entry in enumerate(settings.acknowledge)
            if entry.key in rules
        ),
    )


def why_unused(excuse: Excuse) -> str:
    """What is wrong with an exception that excuses nothing."""
    if excuse.rule not in BY_NAME:
        return f"{excuse.key}: there is no rule {excuse.rule}"
    return f"{excuse.key}: {excuse.rule} holds for {excuse.resource}, or there is no such resource"
