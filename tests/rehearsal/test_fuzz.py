"""Whatever a stack file holds, a rehearsal says what is wrong with it, or rehearses it."""

import json
from pathlib import Path

import pytest

from engine.project import UsageError, load_stack
from engine.settings import settings_of
from maestro_stack.errors import ConfigurationError
from rehearsal.__main__ import main
from tests.checkouts import ROOT

REHEARSED = 3
"""How many of the usable files are rehearsed: each takes a second."""


def is_usable(file: Path) -> bool:
    try:
        settings_of(load_stack(ROOT, file=file))
    except (UsageError, ConfigurationError):
        return False
    return True


def test_a_rehearsal_of_each_ends_in_words_and_in_json(
    strange: list[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    file, usable = tmp_path / "Pulumi.test.yaml", 0
    for content in strange:
        file.write_bytes(content)
        if is_usable(file):
            usable += 1
            if usable <= REHEARSED:
                assert main(["--config", str(file)]) in {0, 1}
            continue
        assert main(["--config", str(file)]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("error: ")
        assert "Traceback" not in said.err
        assert main(["--json", "--config", str(file)]) == 2
        assert f"error: {json.loads(capsys.readouterr().out)['message']}\n" == said.err
    assert usable > REHEARSED
