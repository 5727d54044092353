"""What the program needs is imported while it waits for AWS, and not before."""

import subprocess
import sys

from tests.checkouts import ROOT

SCRIPT = """
import sys
import maestro_stack.regional, maestro_stack.surroundings
print([name for name in ("pulumi_aws.ec2.security_group", "pulumi_aws.rds.instance") if name in sys.modules])
"""


def test_the_sdk_s_slow_modules_are_left_to_the_look_ups() -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
