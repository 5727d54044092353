"""The playground, as `make playground` starts it, and the doctor that it invites to."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.checkouts import ROOT, STACK_FILE

LAST = "Ctrl-C here ends everything"


def test_the_doctor_that_the_playground_names_finds_nothing_wrong(tmp_path: Path) -> None:
    options = ("--config", str(STACK_FILE), "--state", str(tmp_path / "state"))
    command = [sys.executable, "-m", "rehearsal", "playground", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as playground:
        try:
            assert playground.stdout is not None
            invitation: list[str] = []
            for line in playground.stdout:
                invitation.append(line)
                if line.startswith(LAST):
                    break
            (source,) = (each for each in invitation if each.startswith("  . "))
            (doctor,) = (each for each in invitation if each.startswith("  python -m doctor"))
            shell = f"{source}PATH='{Path(sys.executable).parent}':$PATH\n{doctor}"
            done = subprocess.run(
                ["/bin/sh", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=False
            )
        finally:
            playground.send_signal(signal.SIGINT)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "· after\n" in done.stdout
    assert playground.returncode == 0
