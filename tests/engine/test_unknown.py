"""A resource of a type that nothing emulates lives on the engine by its inputs."""

import json
import subprocess
import sys
from pathlib import Path

from tests.checkouts import ALARM, END_OF_COMPONENT, checkout

TYPE = "aws:cloudwatch/metricAlarm:MetricAlarm"


def test_it_goes_up_changes_and_goes_away_again(tmp_path: Path) -> None:
    root = checkout(tmp_path / "checkout")
    file, end = END_OF_COMPONENT
    program = root / file
    plain = program.read_text()

    def operations(command: str) -> set[str]:
        """What a command does to resources of the type."""
        done = subprocess.run(
            [sys.executable, "-m", "rehearsal", command, "--json", "--state", str(tmp_path / "state")],
            cwd=root, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return {each["operation"] for each in json.loads(done.stdout)["steps"] if each["type"] == TYPE}

    program.write_text(plain.replace(end, ALARM + end))
    assert operations("preview") == {"create"}
    assert operations("up") == {"create"}
    assert operations("preview") == {"same"}
    assert operations("refresh") <= {"same", "refresh"}
    program.write_text(program.read_text().replace("threshold=1", "threshold=2"))
    assert operations("up") == {"update"}
    program.write_text(plain)
    assert operations("up") == {"delete"}
