"""Two revisions that pin different dependencies: each is rehearsed with its own, installed by pip."""

import base64
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from tests.review.conftest import PullRequest, Reviewed

NAME = "maestro_review_probe"


def _wheel(folder: Path, version: str) -> None:
    """A package of one module, which tells its version. Format: Binary distribution format (PyPA)."""
    about = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": f'VERSION = "{version}"\n',
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / f"{NAME}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=")
            record += f"{path},sha256={digest.decode()},{len(content)}\n"
            wheel.writestr(path, content)
        wheel.writestr(f"{about}/RECORD", f"{record}{about}/RECORD,,\n")


@pytest.fixture
def upgrade(pull_request: PullRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PullRequest:
    """A program that tells in an output which version of a package it found; the change upgrades it."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for version in ("1.0", "2.0"):
        _wheel(packages, version)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(packages))
    pull_request.replace("requirements.txt", "pydantic==", f"{NAME}==1.0\npydantic==")
    pull_request.replace(
        "maestro_stack/regional.py", "known(server.release_name)", f'known(__import__("{NAME}").VERSION)'
    )
    pull_request.commit()
    pull_request.replace("requirements.txt", f"{NAME}==1.0", f"{NAME}==2.0")
    return pull_request


@pytest.mark.usefixtures("upgrade")
def test_each_revision_is_rehearsed_with_what_it_pins(
    review: Reviewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = review("--json")
    found = json.loads(outcome.stdout)
    (stack,) = found["stacks"]
    changes = {change["subject"]: change for change in [*stack["changes"], *found["project"]]}
    assert changes[NAME]["sentence"] == f"{NAME} goes from 1.0 to 2.0"
    (difference,) = changes["maestro_release_name"]["differences"]
    assert (difference["before"], difference["after"]) == ("1.0", "2.0")
    # What was installed is kept.
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert json.loads(review("--json").stdout) == found


def test_what_cannot_be_installed_is_told_and_is_not_called_safe(
    upgrade: PullRequest, review: Reviewed
) -> None:
    upgrade.replace("requirements.txt", f"{NAME}==2.0", f"{NAME}==3.0")
    found = json.loads(review("--json").stdout)
    (note,) = [note for note in found["notes"] if "pins" in note]
    assert f"No matching distribution found for {NAME}==3.0" in note
    assert found["verdict"] != "safe"
