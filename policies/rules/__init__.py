"""All rules, by topic."""

from policies.rule import Rule
from policies.rules import encryption, exposure, hygiene, permissions, production

RULES: tuple[Rule, ...] = (
    *encryption.RULES,
    *exposure.RULES,
    *permissions.RULES,
    *production.RULES,
    *hygiene.RULES,
)
BY_NAME = {rule.name: rule for rule in RULES}
