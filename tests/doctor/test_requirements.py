"""The doctor needs little: what requirements-doctor.txt names, and nothing of the emulation."""

import re
import subprocess
import sys

from tests.checkouts import ROOT


def _pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(found.groups() for line in lines if (found := re.match(r"([\w.-]+)==(\S+)", line)))  # type: ignore[misc]


def test_its_pins_are_the_developers() -> None:
    pins, all_pins = _pins("requirements-doctor.txt"), _pins("requirements-dev.txt")
    assert pins
    assert {name: all_pins.get(name) for name in pins} == pins
    assert "moto" not in pins


def test_nothing_of_the_emulation_is_imported() -> None:
    modules = ", ".join(f"doctor.{file.stem}" for file in sorted((ROOT / "doctor").glob("[a-z]*.py")))
    foreign = "('moto', 'emulator', 'rehearsal', 'fleet', 'review', 'controlplane')"
    script = f"import sys, {modules}; print(*(m for m in {foreign} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
