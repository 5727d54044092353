"""The fleet file and the stacks' files: every problem at once, before anything starts."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine import go_yaml
from engine.project import read_yaml, write_config
from fleet.__main__ import main
from fleet.errors import FleetFileError
from fleet.file import Fleet, load, schema, seconds
from fleet.stacks import check

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "fleet.example.yaml"
SOUND: dict[str, Any] = {
    "waves": [
        {"name": "canary", "stacks": ["east"], "soak": "30m"},
        {"name": "rest", "stacks": ["west"], "failureTolerancePercentage": 10},
    ],
}
EAST: dict[str, object] = {"aws:region": "us-east-1", "maestro-stack:clusterName": "regional-east"}
WEST: dict[str, object] = {"aws:region": "us-west-2", "maestro-stack:clusterName": "regional-west"}
IN_ACCOUNT = {"aws:allowedAccountIds": ["111122223333"]}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with the sound fleet's stacks."""
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    _configure(tmp_path, east=EAST, west=WEST)
    return tmp_path


def _configure(folder: Path, **stacks: Mapping[str, object]) -> None:
    for stack, config in stacks.items():
        write_config(folder / f"Pulumi.{stack}.yaml", {"maestro-stack:profile": "dev", **config})


def _load(folder: Path, content: Mapping[str, Any]) -> Fleet:
    file = folder / "fleet.yaml"
    file.write_text(go_yaml.dump(content))
    return load(file)


def _problems(folder: Path, content: Mapping[str, Any]) -> str:
    with pytest.raises(FleetFileError) as raised:
        _load(folder, content)
    assert all(problem.example for problem in raised.value.problems)
    return str(raised.value)


def _three(folder: Path, config: Mapping[str, object]) -> Fleet:
    """The sound fleet with one more stack, in the last wave."""
    _configure(folder, third=config)
    return _load(folder, {"waves": [SOUND["waves"][0], {**SOUND["waves"][1], "stacks": ["west", "third"]}]})


def _refused(fleet: Fleet, folder: Path) -> str:
    """What is wrong with the stacks."""
    with pytest.raises(FleetFileError) as raised:
        check(fleet, folder)
    return str(raised.value)


def test_a_sound_fleet_is_the_stacks_files_in_the_order_of_the_waves(project: Path) -> None:
    regions = check(_load(project, SOUND), project)
    assert [(r.stack, r.wave, r.settings.region) for r in regions] == [
        ("east", "canary", "us-east-1"),
        ("west", "rest", "us-west-2"),
    ]


def _waves(*more: Mapping[str, Any]) -> dict[str, Any]:
    """The sound waves and these."""
    return {"waves": [*SOUND["waves"], *more]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wave": []}, "wave: is not a known key (did you mean waves?)"),
        ({"maxConcurrent": 0}, "maxConcurrent: 0 is below 1"),
        (_waves({"name": "x", "stacks": []}), "waves[2].stacks: has fewer than 1"),
        (_waves({"name": "x", "stacks": ["a"], "soak": "soon"}), "waves[2].soak: must be a duration in"),
        (_waves({"name": "x", "stacks": ["a"], "sok": "1m"}), "sok: is not a known key (did you mean soak?)"),
        (_waves({"name": "x", "stacks": ["west"]}), "west is listed 2 times in rest and x"),
        (_waves({"name": "rest", "stacks": ["west"]}), "has 2 waves named rest"),
        (_waves({"name": "x", "stacks": ["a/b"]}), "waves[2].stacks[0]: must be a stack name"),
        (
            {"regions": [{"stack": "east"}]},
            "regions: configures stacks, which is now done in their own files",
        ),
        ({"defaults": {}, "regions": []}, "delete the key"),
    ],
)
def test_each_mistake_in_the_file_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    assert said in _problems(tmp_path, {**SOUND, **change})


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    waves = [{"name": "canary", "stacks": ["east"]}, {"name": "canary", "stacks": ["east"]}]
    said = _problems(tmp_path, {**SOUND, "waves": waves})
    assert said.startswith(f"{tmp_path / 'fleet.yaml'} can't be used: 2 problems.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("regions: [", "can't be read as YAML"),
        ("maxConcurrent: 4\nmaxConcurrent: 5\n", "is already defined in line 1 (line 2, column 1)"),
        ("- a list", "must hold a mapping"),
    ],
)
def test_a_file_that_is_not_a_fleet_file_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    with pytest.raises(FleetFileError, match=said.replace("(", r"\(").replace(")", r"\)")):
        load(file)


def test_a_wave_that_names_a_stack_without_a_file_is_refused(project: Path) -> None:
    (project / "Pulumi.west.yaml").rename(project / "Pulumi.vest.yaml")
    said = _refused(_load(project, SOUND), project)
    assert "waves, rest: names west, but there is no Pulumi.west.yaml (did you mean vest?)" in said
    assert "pulumi stack init west" in said


def test_every_configuration_is_checked_as_the_program_does_for_all_stacks_at_once(project: Path) -> None:
    _configure(project, east={**EAST, "maestro-stack:server": {"replicas": -1}})
    fleet = _three(project, {"aws:region": "moon-1", "maestro-stack:clusterName": "c"})
    said = _refused(fleet, project)
    assert said.startswith("The fleet can't be run: 2 problems.")
    assert 'Pulumi.third.yaml:3: aws:region: "moon-1" is not an AWS region' in said
    assert "Pulumi.east.yaml:6: server.replicas: -1 is below" in said


def test_two_stacks_with_one_name_in_an_account_and_region_are_refused(project: Path) -> None:
    """Whether the name is configured or the cluster's own."""
    other = {"maestro-stack:clusterName": "other", "maestro-stack:mqtt": {"sourceId": "maestro-b"}}
    fleet = _three(project, {**EAST, **other, "maestro-stack:name": "regional-east"})
    assert "east, third: have one name, regional-east, in one account and region" in _refused(fleet, project)
    for apart in (IN_ACCOUNT, {"aws:region": "us-east-2"}):
        fleet = _three(project, {**EAST, **other, "maestro-stack:name": "regional-east", **apart})
        assert len(check(fleet, project)) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("regional-east", "east, third: have the same cluster, regional-east in us-east-1"),
        ("another", "east, third: are servers with one source id, maestro"),
    ],
)
def test_regions_that_would_collide_are_refused(project: Path, name: str, said: str) -> None:
    fleet = _three(project, {**EAST, "maestro-stack:clusterName": name})
    assert said in _refused(fleet, project)


@pytest.mark.parametrize(
    "more",
    [
        {"maestro-stack:clusterName": "other", "maestro-stack:mqtt": {"sourceId": "maestro-b"}},
        IN_ACCOUNT,
        {"aws:profile": "another"},
    ],
    ids=["another source id", "another account", "another profile"],
)
def test_regions_with_a_source_id_or_an_account_of_their_own_do_not_collide(
    project: Path, more: dict[str, object]
) -> None:
    assert len(check(_three(project, {**EAST, **more}), project)) == 3


def test_only_some_stacks_can_be_chosen_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    fleet = _load(tmp_path, SOUND)
    assert [wave.name for wave in fleet.only(stacks=["west"]).waves] == ["rest"]
    assert fleet.only(wave="canary").stacks == ("east",)
    assert fleet.only() == fleet
    with pytest.raises(FleetFileError) as raised:
        fleet.only(stacks=["wset"], wave="canery")
    assert "--stack wset: isn't in the file (did you mean west?)" in str(raised.value)
    assert "--wave canery: isn't in the file (did you mean canary?)" in str(raised.value)


def test_durations_are_read() -> None:
    assert [seconds(text) for text in ("90s", "30m", "1h30m", "0s")] == [90, 1800, 5400, 0]


def test_the_share_of_failures_is_of_the_wave_s_regions(tmp_path: Path) -> None:
    waves = [{"name": "all", "stacks": ["east", "west"], "failureTolerancePercentage": 50}]
    assert _load(tmp_path, {**SOUND, "waves": waves}).waves[0].tolerated == 1
    assert _load(tmp_path, SOUND).waves[1].tolerated == 0


def test_bad_input_ends_the_command_with_status_2_in_words_and_in_json(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    _load(project, SOUND)
    for stack in ("east", "west"):
        (project / f"Pulumi.{stack}.yaml").unlink()
    assert main(["up", "--yes"]) == 2
    assert "there is no Pulumi.east.yaml" in capsys.readouterr().err
    assert main(["status", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["result"], len(told["problems"])) == ("unusable", 2)
    assert main(["status", "--file", "nowhere.yaml"]) == 2
    assert "nowhere.yaml: does not exist" in capsys.readouterr().err
    assert main(["status", "--stack", "me/maestro-stack/wst"]) == 2
    assert "--stack wst: isn't in the file (did you mean west?)" in capsys.readouterr().err
    assert main(["status", "--stack", "me/theirs/west"]) == 2
    assert "is of project theirs, and this is maestro-stack" in capsys.readouterr().err


def test_the_example_is_sound_and_keeps_the_schema() -> None:
    jsonschema.validate(read_yaml(EXAMPLE), schema())
    assert len(load(EXAMPLE).stacks) == 5


def test_the_schema_refuses_what_the_program_refuses() -> None:
    jsonschema.validate(SOUND, schema())
    changes: tuple[dict[str, Any], ...] = ({"wave": []}, {"maxConcurrent": 0}, {"waves": []}, {"regions": []})
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**SOUND, **change}, schema())


def test_a_pipeline_needs_no_more_than_the_program(project: Path) -> None:
    """deploy.yml runs the fleet with credentials: no test tool may be installed there."""
    blocked = ("boto3", "botocore", "helm_python", "kubernetes", "moto", "rich", "jsonschema", "pytest")
    _load(project, SOUND)
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); "
        "from fleet.__main__ import main; sys.exit(main(['status']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": str(project)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "PATH: has no `pulumi`" in done.stderr
