"""The fleet file and the stacks' files: every problem at once, before anything is begun."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fleet.__main__ import main
from fleet.errors import FleetFileError
from fleet.file import Fleet, load, merged, schema, seconds
from fleet.stacks import check, write

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "fleet.example.yaml"
SOUND: dict[str, Any] = {
    "defaults": {"maestro-stack:profile": "dev", "maestro-stack:server": {"replicas": 2}},
    "regions": [
        {
            "stack": "east",
            "config": {"aws:region": "us-east-1", "maestro-stack:clusterName": "regional-east"},
        },
        {
            "stack": "west",
            "config": {"aws:region": "us-west-2", "maestro-stack:clusterName": "regional-west"},
        },
    ],
    "waves": [
        {"name": "canary", "stacks": ["east"], "soak": "30m"},
        {"name": "rest", "stacks": ["west"], "failureTolerancePercentage": 10},
    ],
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder without stacks."""
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    return tmp_path


def _load(folder: Path, content: Mapping[str, Any]) -> Fleet:
    file = folder / "fleet.yaml"
    file.write_text(yaml.safe_dump(dict(content)))
    return load(file)


def _problems(folder: Path, content: Mapping[str, Any]) -> str:
    with pytest.raises(FleetFileError) as raised:
        _load(folder, content)
    assert all(problem.example for problem in raised.value.problems)
    return str(raised.value)


def _with_region(**region: object) -> dict[str, Any]:
    """The sound fleet with one more region, in the last wave."""
    config = {"aws:region": "eu-west-1", "maestro-stack:clusterName": "regional-eu"}
    third: dict[str, Any] = {"stack": "third", "config": config, **region}
    rest = {**SOUND["waves"][1], "stacks": ["west", third["stack"]]}
    return {**SOUND, "regions": [*SOUND["regions"], third], "waves": [SOUND["waves"][0], rest]}


def _checked(project: Path, content: Mapping[str, Any]) -> str:
    """What is wrong with the written stacks."""
    fleet = _load(project, content)
    write(fleet, project)
    with pytest.raises(FleetFileError) as raised:
        check(fleet, project)
    return str(raised.value)


def test_a_sound_fleet_is_written_to_the_stacks_files_and_agrees_with_them(project: Path) -> None:
    fleet = _load(project, SOUND)
    assert [file.name for file in write(fleet, project)] == ["Pulumi.east.yaml", "Pulumi.west.yaml"]
    assert write(fleet, project) == []
    regions = check(fleet, project)
    assert [(r.stack, r.wave, r.settings.region) for r in regions] == [
        ("east", "canary", "us-east-1"),
        ("west", "rest", "us-west-2"),
    ]
    assert regions[0].settings.server.replicas == 2


def test_a_region_s_own_configuration_is_merged_on_top_of_the_defaults() -> None:
    below: dict[str, Any] = {"server": {"replicas": 2, "image": {"tag": "a"}}, "profile": "dev"}
    above: dict[str, Any] = {"server": {"image": {"tag": "b"}}, "tags": {"team": "x"}}
    assert merged(below, above) == {
        "server": {"replicas": 2, "image": {"tag": "b"}},
        "profile": "dev",
        "tags": {"team": "x"},
    }


def _waves(*more: Mapping[str, Any]) -> dict[str, Any]:
    """These waves besides the sound ones."""
    return {"waves": [*SOUND["waves"], *more]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wave": []}, "wave: is no known key (did you mean waves?)"),
        ({"maxConcurrent": 0}, "maxConcurrent: 0 is below 1"),
        (_waves({"name": "x", "stacks": []}), "waves[2].stacks: holds fewer than 1"),
        (_waves({"name": "x", "stacks": ["a"], "soak": "soon"}), 'waves[2].soak: "soon" is no duration'),
        (_waves({"name": "x", "stacks": ["a"], "sok": "1m"}), "sok: is no known key (did you mean soak?)"),
        (_waves({"name": "x", "stacks": ["wset"]}), "wset, which is no region (did you mean west?)"),
        (_waves({"name": "x", "stacks": ["west"]}), "west is 2 times in rest and x"),
        (_waves({"name": "rest", "stacks": ["west"]}), "name rest is there 2 times"),
        ({"waves": SOUND["waves"][:1]}, "regions, west: is in no wave"),
        ({"regions": [{"stack": "a/b"}]}, 'regions[0].stack: "a/b" is no stack\'s name'),
        ({"regions": [*SOUND["regions"], SOUND["regions"][0]]}, "stack east is there 2 times"),
    ],
)
def test_each_mistake_in_the_file_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    assert said in _problems(tmp_path, {**SOUND, **change})


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    waves = [{"name": "canary", "stacks": ["east", "nowhere"]}, {"name": "canary", "stacks": ["east"]}]
    said = _problems(tmp_path, {**SOUND, "waves": waves})
    assert said.startswith(f"{tmp_path / 'fleet.yaml'} can't be used: 4 problems.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("regions: [", "is no YAML"),
        ("maxConcurrent: 4\nmaxConcurrent: 5\n", "maxConcurrent is there twice (line 2, column 1)"),
        ("- a list", "holds no mapping"),
    ],
)
def test_a_file_that_is_no_fleet_file_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    with pytest.raises(FleetFileError, match=said.replace("(", r"\(").replace(")", r"\)")):
        load(file)


def test_a_stack_s_file_that_says_something_else_is_refused_with_both_values(project: Path) -> None:
    fleet = _load(project, SOUND)
    write(fleet, project)
    file = project / "Pulumi.west.yaml"
    file.write_text(file.read_text().replace("replicas: 2", "replicas: 3") + "  maestro-stack:tags: {a: b}\n")
    (project / "Pulumi.east.yaml").unlink()
    with pytest.raises(FleetFileError) as raised:
        check(fleet, project)
    said = str(raised.value)
    assert "west, maestro-stack:server.replicas: fleet.yaml says 2, Pulumi.west.yaml 3" in said
    assert 'west, maestro-stack:tags: fleet.yaml says nothing, Pulumi.west.yaml {"a": "b"}' in said
    assert "east: Pulumi.east.yaml isn't written yet" in said
    assert "python -m fleet write" in said


def test_encrypted_values_and_keys_stay_the_stack_s_own(project: Path) -> None:
    fleet = _load(project, SOUND)
    file = project / "Pulumi.west.yaml"
    kubernetes = {"mode": "kubeconfig", "kubeconfig": {"secure": "v1:abc"}}
    there = {"encryptionsalt": "v1:salt", "config": {"maestro-stack:kubernetes": kubernetes}}
    file.write_text(yaml.safe_dump(there))
    write(fleet, project)
    written = yaml.safe_load(file.read_text())
    assert written["encryptionsalt"] == "v1:salt"
    assert written["config"]["maestro-stack:kubernetes"] == {"kubeconfig": {"secure": "v1:abc"}}
    assert written["config"]["aws:region"] == "us-west-2"


def test_what_a_configuration_says_is_checked_as_the_program_does_for_all_regions_at_once(
    project: Path,
) -> None:
    bad = {"maestro-stack:server": {"replicas": -1}}
    content = _with_region(config={"aws:region": "moon-1", "maestro-stack:clusterName": "c"})
    said = _checked(project, {**content, "defaults": bad})
    assert said.startswith("The fleet can't be run: 4 problems.")
    assert 'third, aws:region: "moon-1" is no AWS region' in said
    assert "east, server.replicas: -1 is below" in said


EAST: dict[str, object] = SOUND["regions"][0]["config"]
IN_ACCOUNT = {"aws:allowedAccountIds": ["111122223333"]}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("regional-east", "east, third: have the same cluster, regional-east in us-east-1"),
        ("another", "east, third: are servers with one source id, maestro"),
    ],
)
def test_regions_that_would_be_in_each_other_s_way_are_refused(project: Path, name: str, said: str) -> None:
    config = {**EAST, "maestro-stack:clusterName": name}
    assert said in _checked(project, _with_region(config=config))


@pytest.mark.parametrize(
    "more",
    [
        {"maestro-stack:clusterName": "other", "maestro-stack:mqtt": {"sourceId": "maestro-b"}},
        IN_ACCOUNT,
        {"aws:profile": "another"},
    ],
    ids=["another source id", "another account", "another profile"],
)
def test_regions_with_a_source_id_or_an_account_of_their_own_are_not(
    project: Path, more: dict[str, object]
) -> None:
    fleet = _load(project, _with_region(config={**EAST, **more}))
    write(fleet, project)
    assert len(check(fleet, project)) == 3


def test_only_some_stacks_can_be_chosen_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    fleet = _load(tmp_path, SOUND)
    assert [wave.name for wave in fleet.only(["west"]).waves] == ["rest"]
    with pytest.raises(FleetFileError, match=r"--stack wset: is no region .*\(did you mean west\?\)"):
        fleet.only(["wset"])


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
    assert main(["up", "--yes"]) == 2
    assert "isn't written yet" in capsys.readouterr().err
    assert main(["status", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["result"], len(told["problems"])) == ("unusable", 2)
    assert main(["status", "--file", "nowhere.yaml"]) == 2
    assert "nowhere.yaml: does not exist" in capsys.readouterr().err


def test_the_example_is_sound_and_keeps_the_schema(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema.validate(yaml.safe_load(EXAMPLE.read_text()), schema())
    monkeypatch.chdir(project)
    assert main(["write", "--file", str(EXAMPLE)]) == 0
    assert "written: Pulumi.us-east-1.yaml" in capsys.readouterr().out
    assert len(check(load(EXAMPLE), project)) == len(load(EXAMPLE).configurations)


def test_the_schema_refuses_what_the_program_refuses() -> None:
    jsonschema.validate(SOUND, schema())
    changes: tuple[dict[str, Any], ...] = (
        {"wave": []},
        {"maxConcurrent": 0},
        {"waves": []},
        {"regions": [{}]},
    )
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**SOUND, **change}, schema())


def test_the_committed_fleet_agrees_with_the_committed_stacks() -> None:
    assert [region.stack for region in check(load(ROOT / "fleet.yaml"), ROOT)] == ["dev"]


def test_a_pipeline_needs_no_more_than_the_program(project: Path) -> None:
    """deploy.yml runs the fleet with credentials: no test tool shall be there."""
    blocked = ("boto3", "botocore", "helm_python", "kubernetes", "moto", "rich", "jsonschema", "pytest")
    _load(project, SOUND)
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); "
        "from fleet.__main__ import main; main(['write']); sys.exit(main(['status']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": str(project)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "PATH: holds no pulumi" in done.stderr
