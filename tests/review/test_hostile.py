"""Hostile changes: none that has an effect is called safe, and few get too low or too high a grade.

What a change does is judged without the review: by its rule, and by all that both sides' rehearsals print.
`make test-mutations` tries two hundred, and prints the shares; every other run tries a few.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from review import rehearsals
from tests.review.conftest import HOSTILE, PullRequest, Reviewed, answers_in_process
from tests.review.hostile import Effect, Hostile, changes
from tests.review.test_mutations import deployed

FEW = 4
GRADES = ("safe", "look", "dangerous")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "change" in metafunc.fixturenames:
        count = metafunc.config.getoption("--hostile", default=None)
        # With each rule that is added, an ordinary run tries other ones.
        tried = [*changes(count or 200)]
        metafunc.parametrize("change", tried if count else tried[:: len(tried) // FEW][:FEW], ids=str)


def test_a_hostile_change_is_not_called_safe(
    change: Hostile,
    pull_request: PullRequest,
    review: Reviewed,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    touched = [*(edit[0] for edit in change.edits), *change.files]
    if all(path.startswith("charts/") for path in touched):
        monkeypatch.setattr(rehearsals, "answers_of", answers_in_process)
    before = deployed(pull_request.root)
    change.apply(pull_request.root)
    if change.effect in (Effect.DEPLOYED, Effect.NOTHING):
        assert (deployed(pull_request.root) != before) is (change.effect is Effect.DEPLOYED), change
    found = json.loads(review("--json").stdout)["verdict"]
    difference = GRADES.index(found) - GRADES.index(change.verdict)
    record_property(HOSTILE, f"{difference:+d} {found} for {change.verdict}: {change}")
    assert found != "safe" or change.verdict == "safe"
    if not difference:
        return
    assert abs(difference) == 1, f"{change} is {change.verdict}, and called {found}"
