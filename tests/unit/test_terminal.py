"""What all tools print alike on a terminal."""

import subprocess
import sys

import pytest

from common.terminal import run
from tests.checkouts import ROOT


@pytest.mark.parametrize(
    ("arguments", "get"),
    [
        (("rehearsal",), "make rehearse"),
        (("rehearsal", "preview"), "make rehearse"),
        (("review", "--base", "HEAD"), "make rehearse"),
        (("fleet", "status"), "make rehearse"),
        (("doctor",), "pulumi install && .venv/bin/python -m pip install -r requirements-doctor.txt"),
    ],
    ids=["rehearsal", "rehearsal-preview", "review", "fleet", "doctor"],
)
def test_outside_the_environment_one_line_says_how_to_get_it(arguments: tuple[str, ...], get: str) -> None:
    command = [sys.executable, "-S", "-m", *arguments]  # without site-packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said, then = done.stderr.rstrip("\n").rsplit("; then: ", 1)
    assert said.startswith("error: ")
    assert said.endswith(f"; get it: {get}")
    assert then == f".venv/bin/python -m {arguments[0]}"
    assert "\n" not in said


def test_a_module_of_ours_that_is_missing_is_a_bug() -> None:
    def work(_progress: object) -> int:
        raise ModuleNotFoundError(name="rehearsal.gone")

    with pytest.raises(ModuleNotFoundError):
        run("rehearsal", work, "")
