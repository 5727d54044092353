"""Every message about a configuration names the file, and the line where the file has one for it."""

from contextvars import Context
from pathlib import Path

import pulumi
import pytest

from engine.project import UsageError, load_stack
from engine.settings import settings_of
from fleet.errors import FleetFileError
from fleet.file import load
from maestro_stack import settings
from maestro_stack.errors import ConfigurationError

CONTENT = """\
# A comment.
config:
  aws:region: moon-1
  clusterName: a b
  maestro-stack:config:profile: prod

  "maestro-stack:server.replicas": 3
  maestro-stack:server:
    image:
      tag: a b
  maestro-stack:network: {
    clientSecurityGroupIds: [sg-0123456789abcdef0,
      other],
    subnets: [] }
  maestro-stack:kubernetes: {mode: ambient}
"""
PLACES = {
    "aws:region": 3,
    "clusterName": 4,
    "profile": 5,
    "server.replicas": 7,
    "server.image.tag": 10,
    "network.clientSecurityGroupIds[1]": 13,
    "network.subnets": 14,
    "kubernetes.context": 15,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").write_text("name: maestro-stack\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def places(folder: Path, content: str) -> dict[str, str]:
    (folder / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(ConfigurationError) as unusable:
        settings_of(load_stack(folder))
    assert all(f"{each.where}: {each.key}: " in str(unusable.value) for each in unusable.value.problems)
    return {each.key: each.where for each in unusable.value.problems}


def test_a_problem_is_reported_with_the_line_of_its_key(folder: Path) -> None:
    assert places(folder, CONTENT) == {key: f"Pulumi.dev.yaml:{line}" for key, line in PLACES.items()}


def test_what_is_missing_is_reported_with_the_line_that_it_belongs_under(folder: Path) -> None:
    sound = "  aws:region: us-east-1\n  maestro-stack:profile: dev\n"
    found = places(folder, f"config:\n{sound}  maestro-stack:kubernetes:\n    mode: ambient\n")
    assert (found["clusterName"], found["kubernetes.context"]) == ("Pulumi.dev.yaml:1", "Pulumi.dev.yaml:4")


def test_a_file_without_configuration_is_named_without_a_line(folder: Path) -> None:
    assert set(places(folder, "encryptionsalt: v1\n").values()) == {"Pulumi.dev.yaml"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("config:\n  a: 1\n  a: 2\n", 'mapping key "a" is already defined in line 2 (line 3, column 3)'),
        ("config:\n  a: 1\n  maestro-stack:a: 2\n", "Pulumi.dev.yaml:3: config key maestro-stack:a is given"),
        ("config:\n  a: 1\n  a:b:c: 2\n", "Pulumi.dev.yaml:3: config key a:b:c must be namespace:name"),
        ("config:\n  a: 1\n  b: [.inf]\n", "Pulumi.dev.yaml:3: maestro-stack:b holds .inf"),
        ("\nconfig: text\n", "Pulumi.dev.yaml:2: config must be a mapping"),
        ("config: {}\nconfg: {}\n", "Pulumi.dev.yaml:2: confg is not a key of a stack's file"),
        ("config:\n  a: [\n", "(line 3, column 1)"),
        ("", "Pulumi.dev.yaml is empty"),
        ("[]", "Pulumi.dev.yaml must hold a mapping"),
    ],
)
def test_what_the_engine_refuses_is_reported_with_its_line(folder: Path, content: str, said: str) -> None:
    (folder / "Pulumi.dev.yaml").write_text(content)
    with pytest.raises(UsageError) as unusable:
        load_stack(folder)
    assert str(unusable.value).startswith("Pulumi.dev.yaml")
    assert said in str(unusable.value)


def test_the_fleet_file_s_problems_are_reported_with_their_lines(folder: Path) -> None:
    file = folder / "fleet.yaml"
    file.write_text(
        "waves:\n- name: a\n  stacks:\n  - dev\n  - a b\n  soak: soon\n- {name: b, stacks: [x], n: 1}"
    )
    with pytest.raises(FleetFileError) as unusable:
        load(file.relative_to(folder))
    found = {each.key: each.where for each in unusable.value.problems}
    assert found == {
        "waves[0].stacks[1]": "fleet.yaml:5",
        "waves[0].soak": "fleet.yaml:6",
        "waves[1].n": "fleet.yaml:7",
    }


def test_the_program_which_gets_values_only_names_the_stack_s_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "east")
    with pytest.raises(ConfigurationError, match=r"\n  Pulumi\.east\.yaml: clusterName: is missing\n"):
        Context().run(settings.load)  # a program that ran in this process left its configuration behind
