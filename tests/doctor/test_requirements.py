"""The doctor needs nothing of the emulation."""

import subprocess
import sys

from tests.checkouts import ROOT


def test_nothing_of_the_emulation_is_imported() -> None:
    modules = ", ".join(f"doctor.{file.stem}" for file in sorted((ROOT / "doctor").glob("[a-z]*.py")))
    foreign = "('moto', 'emulator', 'rehearsal', 'fleet', 'review', 'controlplane')"
    script = f"import sys, {modules}; print(*(m for m in {foreign} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
