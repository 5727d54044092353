"""Whatever a stack file holds, it is read, or refused with a message that names it."""

import json
import re
from pathlib import Path

import pytest

from engine import go_yaml
from engine.project import UsageError, load_stack
from engine.settings import settings_of
from fleet.__main__ import main
from maestro_stack.errors import ConfigurationError
from tests.checkouts import ROOT


@pytest.fixture
def folder(strange: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with these stack files, for stacks `s0` and so on."""
    (tmp_path / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    for number, content in enumerate(strange):
        (tmp_path / f"Pulumi.s{number}.yaml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problem(folder: Path, number: int) -> str:
    """What is wrong with a stack file; empty if nothing is."""
    try:
        settings_of(load_stack(folder, name=f"s{number}"))
    except UsageError as unusable:
        return str(unusable)
    except ConfigurationError as unusable:
        return unusable.problems[0].where
    return ""


def test_each_is_read_or_refused_with_the_file_s_name(folder: Path, strange: list[bytes]) -> None:
    found = {number: problem(folder, number) for number in range(len(strange))}
    refused = {number: said for number, said in found.items() if said}
    assert len(strange) / 4 < len(refused) < len(strange) * 3 / 4
    for number, said in refused.items():
        assert re.match(rf"Pulumi\.s{number}\.yaml\b", said)


def test_the_fleet_reports_what_is_wrong_with_all_of_them(
    folder: Path, strange: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    waves = [{"name": "all", "stacks": [f"s{number}" for number in range(len(strange))]}]
    (folder / "fleet.yaml").write_text(go_yaml.dump({"waves": waves}))
    assert main(["status"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert main(["status", "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert len(problems) > len(strange) / 4
    assert all(each["problem"] in told for each in problems)
