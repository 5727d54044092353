"""What the program needs is imported while it waits for AWS, and not before."""

import subprocess
import sys

from maestro_stack.surroundings import SLOW_MODULES
from tests.checkouts import ROOT


def test_the_sdk_s_slow_modules_are_left_to_the_look_ups() -> None:
    loaded = f"print([m for m in {SLOW_MODULES} if m in sys.modules])"
    script = f"import sys; import maestro_stack.regional, maestro_stack.surroundings; {loaded}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"
