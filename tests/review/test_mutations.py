"""Small changes to the program and the chart: none that changes what is deployed goes unnoticed.

What is deployed is judged without the review: by all that the rehearsal of each side prints. `make
test-mutations` makes many of them, every other run a few.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from review.rehearsals import Interpreter, Task, rehearse_all
from review.revisions import Repository
from tests.review.conftest import MUTATION, PullRequest, Reviewed
from tests.review.mutating import mutation

FEW = 4
"""How many mutations an ordinary run tries."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "number" in metafunc.fixturenames:
        metafunc.parametrize("number", range(metafunc.config.getoption("--mutations", default=None) or FEW))


def deployed(root: Path) -> str | None:
    """All that a rehearsal prints of the stack, ids replaced by names; None if it can't be rehearsed."""
    here = Interpreter(python=Path(sys.executable))
    revision = Repository(root=root).work_tree("")
    task = Task(revision=revision, interpreter=here, stacks=("dev",), judge=revision)
    report = cast(Any, rehearse_all([task], lambda _: None, lambda: None)["", "dev"].report)
    if report is None:
        return None
    report["checks"] = [(check["name"], check["status"]) for check in report["checks"]]
    ids = {part: each["urn"] for each in report["resources"] for part in each["id"].split("|") if part}
    text = json.dumps({key: value for key, value in report.items() if key != "seconds"}, sort_keys=True)
    for id_ in sorted(ids, key=len, reverse=True):
        text = text.replace(id_, f"<{ids[id_]}>")
    return text


def test_what_is_deployed_does_not_change_unnoticed(
    number: int,
    pull_request: PullRequest,
    review: Reviewed,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    before = deployed(pull_request.root)
    assert before is not None
    change = mutation(pull_request.root, number)
    (pull_request.root / change.file).write_text(change.content, encoding="utf-8")
    after = deployed(pull_request.root)
    found = json.loads(review("--json").stdout)
    told = len(found["project"]) + sum(len(stack["changes"]) for stack in found["stacks"])
    kind = "breaks it" if after is None else "changes it" if after != before else "changes nothing"
    record_property(MUTATION, f"{kind}: {change} ({found['verdict']}, {told} told)")
    if after is None:
        assert found["verdict"] == "dangerous", f"{change} breaks the program"
    elif after != before:
        assert told, f"{change} changes what is deployed, and nothing is reported"
