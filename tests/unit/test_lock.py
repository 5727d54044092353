"""What people install is what the tests run with: locked, each package by version and hash, and licensed."""

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from review.requirements import lines
from tests.wheels import wheel
from tools.lock import EVERYTHING, ROOT, SETS, main, pins

UV = Path(sys.executable).with_name("uv")
needs_uv = pytest.mark.skipif(not UV.exists(), reason="needs uv, from requirements-dev.txt")


@pytest.mark.parametrize("name", SETS)
def test_every_package_has_a_version_and_hashes(name: str) -> None:
    asked = lines((ROOT / f"{name}.txt").read_text(encoding="utf-8"))
    assert len(asked) == len(pins(name)) > 20
    for line in asked:
        assert re.fullmatch(r"[\w.-]+==[^\s;]+( ;[^;]+?)?( --hash=sha256:[0-9a-f]{64})+", line), line


@pytest.mark.parametrize("name", SETS)
def test_a_lock_has_what_was_asked_for(name: str) -> None:
    for line in lines((ROOT / f"{name}.in").read_text(encoding="utf-8")):
        if not line.startswith("-r "):
            asked = Requirement(line)
            assert f"=={pins(name)[asked.name.lower()]}" == str(asked.specifier)


@pytest.mark.parametrize("name", SETS[1:])
def test_a_set_agrees_with_the_tests_in_every_version(name: str) -> None:
    assert pins(name).items() <= pins(EVERYTHING).items()


def test_the_tests_run_with_what_is_locked() -> None:
    here = {name: importlib.metadata.version(name) for name in pins("requirements-rehearsal")}
    assert here == pins("requirements-rehearsal")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty requirement sets, locked; then one asks for a package. The index is a folder."""
    root = tmp_path / "project"
    (root / "policies/pack").mkdir(parents=True)
    for name in SETS:
        (root / f"{name}.in").touch()
    wheel(tmp_path, "probe", "1.0")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    assert main([], root=root) == 0
    (root / "requirements-doctor.in").write_text("probe\n")
    return root


@needs_uv
def test_the_lock_that_lacks_a_package_is_not_current(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], root=project) == 1
    assert capsys.readouterr().err == "not current: requirements-doctor.txt. Run: make lock\n"
    assert main([], root=project) == 0
    assert "probe==1.0 \\\n    --hash=sha256:" in (project / "requirements-doctor.txt").read_text()
    assert main(["--check"], root=project) == 0


@needs_uv
def test_a_package_on_no_index_is_reported_in_uv_s_words(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "requirements.in").write_text("probe==2\n")
    assert main(["--check"], root=project) == 2
    assert re.match("error: requirements.in: .*no version of probe==2", capsys.readouterr().err, re.DOTALL)


@needs_uv
def test_without_an_index_the_check_is_skipped_in_a_line(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    assert main(["--check"], root=project) == 0
    assert re.fullmatch(r"locks: SKIPPED, .*\n", capsys.readouterr().err)
