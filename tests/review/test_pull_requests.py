"""What a reviewer reads of a pull request, from the command to the words."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.project import read_yaml
from tests.checkouts import ALARM, END_OF_COMPONENT, ROOT
from tests.review.conftest import Outcome, PullRequest, Reviewed

DEPLOYMENT = "charts/maestro-server-eso/templates/deployment.yaml"


def _changes(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """By subject, what the review says about the one stack that changes."""
    (stack,) = json.loads(outcome.stdout)["stacks"]
    return {change["subject"]: change for change in stack["changes"]}


def test_nothing_changed_is_safe(review: Reviewed) -> None:
    outcome = review("--json")
    assert outcome.status == 0
    found = json.loads(outcome.stdout)
    assert (found["verdict"], found["stacks"], found["notes"]) == ("safe", [], [])


def test_documentation_alone_is_safe_in_no_time(review: Reviewed, pull_request: PullRequest) -> None:
    pull_request.replace("docs/README.md", "# Docs", "# Documents")
    begun = time.monotonic()
    outcome = review("--json")
    assert time.monotonic() - begun < 2
    assert json.loads(outcome.stdout)["verdict"] == "safe"


def test_a_template_that_changes_pods_shows_the_field_and_says_that_they_roll_and_why(
    review: Reviewed, pull_request: PullRequest
) -> None:
    field = "serviceAccountName: maestro"
    pull_request.replace(DEPLOYMENT, field, f"setHostnameAsFQDN: true\n      {field}")
    outcome = review("--json")
    assert outcome.status == 0
    (stack,) = json.loads(outcome.stdout)["stacks"]
    assert stack["verdict"] == "look"
    change = _changes(outcome)["Deployment maestro"]
    assert [d["path"] for d in change["differences"]] == ["spec.template.spec.setHostnameAsFQDN"]
    assert change["effect"] == "rolling restart"
    assert "pods roll because the pod template's spec.setHostnameAsFQDN" in change["reason"]


def test_a_template_that_renders_no_yaml_is_named_with_its_line(
    review: Reviewed, pull_request: PullRequest
) -> None:
    pull_request.replace(DEPLOYMENT, "serviceAccountName: maestro", "serviceAccountName: [maestro")
    outcome = review("--json")
    assert json.loads(outcome.stdout)["verdict"] == "dangerous"
    (change,) = _changes(outcome).values()
    assert "YAML parse error on maestro-server-eso/templates/deployment.yaml: " in change["quoted"]
    assert "yaml: line " in change["quoted"]


@pytest.mark.parametrize(
    ("before", "after", "grade", "said"),
    [
        pytest.param("", ALARM, "dangerous", "it is new, and its type is unknown", id="created"),
        pytest.param(ALARM, ALARM.replace("=1", "=2"), "dangerous", "what is lost with it", id="changed"),
        pytest.param(ALARM, "", "dangerous", "what is lost with it", id="deleted"),
    ],
)
def test_a_resource_that_nothing_here_knows_is_named_and_its_change_is_as_dangerous_as_its_end(
    review: Reviewed, pull_request: PullRequest, before: str, after: str, grade: str, said: str
) -> None:
    file, end = END_OF_COMPONENT
    pull_request.replace(file, end, f"{before}{end}")
    pull_request.commit()
    pull_request.branch("change")
    pull_request.replace(file, f"{before}{end}", f"{after}{end}")
    change = _changes(review("--json"))["aws:cloudwatch/metricAlarm:MetricAlarm storage"]
    assert change["grade"] == grade
    assert said in change["reason"]


def test_a_cluster_that_is_exchanged_for_another_is_a_move_that_puts_nothing_at_risk(
    review: Reviewed, pull_request: PullRequest
) -> None:
    pull_request.configure(clusterName="regional-abc", name="regional-xyz")
    outcome = review("--json")
    assert outcome.status == 0
    (stack,) = json.loads(outcome.stdout)["stacks"]
    assert stack["verdict"] == "look"
    changes = _changes(outcome)
    assert changes[stack["stack"]]["sentence"] == (
        "it moves to another cluster: from regional-xyz to regional-abc"
    )
    moved = {subject for subject, change in changes.items() if change["way"] == "moved"}
    assert len([subject for subject in moved if ":" in subject]) == 12
    assert {"Deployment maestro", "SecretProviderClass maestro-secrets"} <= moved
    assert "aws:secretsmanager/secret:Secret db-credentials-regional-abc" in moved
    assert not [subject for subject in changes if "Instance" in subject or "iot" in subject]
    assert not {change["way"] for change in changes.values()} & {"deleted", "created", "replaced"}
    told = review().stdout
    assert "at risk" not in told
    assert "the pods on the old cluster go when those on the new one are ready" in told.replace("\n    ", " ")


@pytest.mark.parametrize(
    ("old", "new", "subject", "said"),
    [
        (
            '"secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"',
            '"secretsmanager:*"',
            "aws:iam/rolePolicy:RolePolicy policy-regional-abc",
            "it allows more than before",
        ),
        (
            "from_port=PORT,",
            "from_port=0,",
            "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
            "it isn't known to be harmless",
        ),
    ],
    ids=["rights", "ports"],
)
def test_what_a_move_changes_besides_is_as_dangerous_as_without_it(
    review: Reviewed, pull_request: PullRequest, old: str, new: str, subject: str, said: str
) -> None:
    pull_request.configure(clusterName="regional-abc", name="regional-xyz")
    file = "database" if "PORT" in old else "permissions"
    pull_request.replace(f"maestro_stack/{file}.py", old, new)
    (change,) = [each for name, each in _changes(review("--json")).items() if name.startswith(subject)]
    assert (change["grade"], change["way"]) == ("dangerous", "moved")
    assert said in change["reason"]


def test_another_cluster_without_the_name_leaves_the_database_and_says_how_to_keep_it(
    review: Reviewed, pull_request: PullRequest
) -> None:
    pull_request.configure(clusterName="regional-abc")
    outcome = review("--json")
    assert outcome.status == 3
    changes = _changes(outcome)
    (stack,) = json.loads(outcome.stdout)["stacks"]
    assert changes[stack["stack"]]["grade"] == "dangerous"
    assert "`pulumi config set name regional-xyz` keeps it" in changes[stack["stack"]]["reason"]
    database = changes["aws:rds/instance:Instance instance"]
    assert (database["grade"], database["way"]) == ("dangerous", "replaced")
    assert "the database's data is lost" in database["reason"]


def test_a_dangerous_change_passes_by_acknowledging_it_and_no_other_of_its_subject(
    review: Reviewed, pull_request: PullRequest
) -> None:
    pull_request.configure(server={"replicas": 1})
    changes = _changes(review("--json")).values()
    prints = [change["fingerprint"] for change in changes if change["grade"] == "dangerous"]
    options = [option for each in prints for option in ("--acknowledge", f"{each}: a quiet region")]
    outcome = review(*options)
    assert outcome.status == 0
    assert "a quiet region" in outcome.stdout
    pull_request.replace(DEPLOYMENT, "maxUnavailable: 0", "maxUnavailable: 1")
    refused = review(*options)
    assert refused.status == 2
    assert f'no change here has the fingerprint "{prints[0]}"' in refused.stderr


def test_a_secret_that_is_composed_differently_is_reported_without_its_content(
    review: Reviewed, pull_request: PullRequest
) -> None:
    pull_request.replace("maestro_stack/credentials.py", '"caCert"', '"caCertificate"')
    pull_request.replace(
        "charts/maestro-server-eso/templates/secretproviderclass.yaml", "path: caCert", "path: caCertificate"
    )
    secret = "aws:secretsmanager/secretVersion:SecretVersion server-mqtt-cert-regional-xyz"  # noqa: S105
    change = _changes(review("--json"))[secret]
    (difference,) = change["differences"]
    assert (difference["path"], difference["before"], difference["after"]) == (
        "secretString",
        "[secret]",
        "[secret]",
    )
    assert difference["note"] == "its content is put together otherwise"


def test_a_new_region_and_one_that_goes_are_reported(review: Reviewed, pull_request: PullRequest) -> None:
    file = pull_request.root / "Pulumi.dev.yaml"
    (pull_request.root / "Pulumi.other.yaml").write_text(file.read_text())
    file.unlink()
    outcome = review("--json")
    assert outcome.status == 3
    told = {s["stack"]: s["changes"][0]["sentence"] for s in json.loads(outcome.stdout)["stacks"]}
    assert "nothing manages the region" in told["dev"]
    assert told["other"] == "a new region is built, of 31 resources"


def test_a_work_tree_with_changes_is_reviewed_as_it_is_and_the_review_says_so(
    review: Reviewed, pull_request: PullRequest
) -> None:
    pull_request.replace("docs/README.md", "# Docs", "# Documents")
    assert "in no commit" in review().stdout
    pull_request.commit()
    assert "in no commit" not in review(base="HEAD~1").stdout


@pytest.mark.parametrize(
    ("options", "base", "said"),
    [
        ((), "no-such-branch", 'there is no revision "no-such-branch"'),
        ((), "--help", 'there is no revision "--help"'),
        (("--stack", "other"), "main", 'there is no stack "other"; there are dev'),
        (("--stack", "me/maestro-stack/other"), "main", 'there is no stack "other"; there are dev'),
        (("--stack", "me/theirs/dev"), "main", "is of project theirs, and this is maestro-stack"),
        (("--acknowledge", "nonsense"), "main", 'must be "<fingerprint>: <reason>"'),
        (("--acknowledge", "a b: c"), "main", 'no change here has the fingerprint "a b"'),
    ],
)
def test_what_cannot_be_reviewed_is_reported_in_one_line(
    review: Reviewed, options: tuple[str, ...], base: str, said: str
) -> None:
    outcome = review(*options, f"--base={base}")
    assert outcome.status == 2
    assert said in outcome.stderr
    assert outcome.stdout == ""
    assert "Traceback" not in outcome.stderr


def test_the_program_under_review_gets_nothing_of_the_reviewers_environment(
    review: Reviewed, pull_request: PullRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANY_OTHER"):
        monkeypatch.setenv(name, "hands-off")
    shown = 'known(str(__import__("os").environ) + __import__("os").path.expanduser("~"))'
    pull_request.replace("maestro_stack/regional.py", "server.release_name", shown)
    (difference,) = _changes(review("--json"))["maestro_release_name"]["differences"]
    assert "hands-off" not in difference["after"]
    assert "maestro-rehearsal-" in difference["after"].rpartition("}")[2]


def test_a_shallow_clone_without_the_base_says_how_to_fetch_it(
    review: Reviewed, pull_request: PullRequest
) -> None:
    (pull_request.root / ".git/shallow").write_text(pull_request.git("rev-parse", "HEAD"))
    outcome = review(base="HEAD~1")
    assert outcome.status == 2
    assert "git fetch --unshallow" in outcome.stderr


def test_the_workflow_judges_by_the_target_branch_s_code_and_a_lowered_verdict_changes_nothing(
    template: Path, cache: Path, tmp_path: Path
) -> None:
    merge = PullRequest(shutil.copytree(template, tmp_path / "head"))
    merge.branch("change")
    merge.replace(
        "review/__main__.py", "return DANGEROUS if found.grade is Grade.DANGEROUS else SAFE", "return 0"
    )
    merge.replace("charts/maestro-server-eso/templates/poddisruptionbudget.yaml", "able: 1", "able: 100%")
    merge.commit()
    merge.git("checkout", "--quiet", "main")
    merge.git("merge", "--quiet", "--no-ff", "change")
    workflow: Any = read_yaml(ROOT / ".github/workflows/pull-request.yml")
    commands = ("git -C head worktree add ", "python -m review ")
    judging = [
        step for step in workflow["jobs"]["review"]["steps"] if step.get("run", "").startswith(commands)
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    *_, status = [
        subprocess.run(
            ["bash", "-c", step["run"]],  # noqa: S607
            cwd=tmp_path / step.get("working-directory", ""),
            env={"PATH": path, "XDG_CACHE_HOME": str(cache)},
            check=False,
        ).returncode
        for step in judging
    ]
    assert status == 3
    told = (tmp_path / "review.md").read_text()
    assert "`PodDisruptionBudget maestro` is updated in place" in told
    assert "`review/__main__.py` is changed" in told
