"""The rehearsal's check "rules": what it lets pass, and on whose word."""

from tests.rehearsal.conftest import Break, Rehearse, sound

PRODUCTION = {"maestro-stack:profile": "production"}


def _texts(rehearse: Rehearse, config: dict[str, object]) -> tuple[str, list[str]]:
    check = rehearse(config).check("rules")
    return check["status"], [finding["text"] for finding in check["findings"]]


def test_a_broken_rule_fails_the_check_and_says_what_to_do(rehearse: Rehearse, broken: Break) -> None:
    root = broken("maestro_stack/database.py", "storage_encrypted=True", "storage_encrypted=False")
    outcome = rehearse(root=root)
    assert "rules" in outcome.failed
    (problem,) = [finding["text"] for finding in outcome.check("rules")["findings"]]
    assert problem.startswith(
        "encryption-at-rest: instance: its storage isn't encrypted. Set storage_encrypted"
    )


def test_an_exception_of_the_stack_file_lets_a_violation_pass_with_its_reason(
    rehearse: Rehearse, broken: Break
) -> None:
    root = broken("maestro_stack/database.py", "storage_encrypted=True", "storage_encrypted=False")
    entry = {"rule": "encryption-at-rest", "resource": "instance", "reason": "made of a plain snapshot"}
    outcome = rehearse(sound() | {"maestro-stack:policies": {"exceptions": [entry]}}, root=root)
    check = outcome.check("rules")
    assert check["status"] == "holds"
    assert "Excepted: made of a plain snapshot" in check["findings"][0]["text"]


def test_an_acknowledged_setting_is_the_exception_from_its_rule(rehearse: Rehearse) -> None:
    weak = {
        "maestro-stack:database": {"multiAz": False},
        "maestro-stack:acknowledge": [{"key": "database.multiAz", "reason": "load test"}],
    }
    status, (told, _) = _texts(rehearse, sound() | PRODUCTION | weak)
    assert status == "holds"
    assert told == ("standby-in-production: instance: it has no standby in another zone. Excepted: load test")


def test_an_exception_that_excuses_nothing_fails_the_check(rehearse: Rehearse) -> None:
    entries = [
        {"rule": "encryption-at-rest", "resource": "instance", "reason": "none"},
        {"rule": "encryption-at-rust", "resource": "instance", "reason": "none"},
    ]
    status, texts = _texts(rehearse, sound() | {"maestro-stack:policies": {"exceptions": entries}})
    assert status == "fails"
    assert texts[0].startswith(
        "policies.exceptions[0]: encryption-at-rest holds for instance, or there is no such"
    )
    assert texts[1].startswith("policies.exceptions[1]: there is no rule encryption-at-rust. Remove it")
