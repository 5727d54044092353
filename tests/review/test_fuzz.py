"""Whatever is wrong with a stack file, a review says that it can't be built, and why."""

import json

from engine.project import UsageError, load_stack
from engine.settings import settings_of
from maestro_stack.errors import ConfigurationError
from tests.review.conftest import PullRequest, Reviewed


def test_each_that_cannot_be_used_is_dangerous_in_its_own_words(
    strange: list[bytes], pull_request: PullRequest, review: Reviewed
) -> None:
    unusable: dict[str, str] = {}
    for number, content in enumerate(strange):
        file = pull_request.root / f"Pulumi.s{number}.yaml"
        file.write_bytes(content)
        try:
            settings_of(load_stack(pull_request.root, file=file))
        except (UsageError, ConfigurationError):
            unusable[f"s{number}"] = file.name
        else:
            file.unlink()
    outcome = review()
    assert outcome.status == 3
    assert "Traceback" not in outcome.stdout + outcome.stderr
    found = {stack["stack"]: stack for stack in json.loads(review("--json").stdout)["stacks"]}
    assert found.keys() == unusable.keys()
    for stack, file in unusable.items():
        # What only the engine reads in a new stack's file is told beside it.
        [change] = [each for each in found[stack]["changes"] if each["part"] == "stack"]
        assert file in change["quoted"]
        assert "the rehearsal broke" not in change["quoted"]
