"""Run one program in preview and in update mode on the emulation, and print how many seconds it took.

`python -m benchmarks.program FILE`: the time is the program's own, including imports; the emulation is ready
before it starts.
"""

import gc
import sys
import time

from benchmarks import ROOT, STACK_FILE
from emulator.aws.in_process import in_process_cloud
from emulator.aws.tags import DefaultTags
from emulator.kubernetes import Kubernetes
from emulator.mocks import run
from emulator.packages import Providers
from emulator.world import default_world
from engine.project import load_stack
from engine.run import Run


def timed(program: str) -> tuple[float, Run]:
    """The seconds of both runs together, and the second run."""
    stack = load_stack(ROOT, file=STACK_FILE)
    with in_process_cloud("us-east-1", default_world("regional-xyz", "us-east-1")) as cloud:
        providers = Providers(cloud, Kubernetes(root=ROOT, version="1.33", config_maps={}), DefaultTags({}))
        begun = time.perf_counter()
        run(stack, providers, preview=True, listener=lambda _: None, program=program)
        update = run(stack, providers, preview=False, listener=lambda _: None, program=program)
        return time.perf_counter() - begun, update


if __name__ == "__main__":
    gc.disable()  # as the rehearsal does: the emulation's garbage isn't the program's
    print(timed(sys.argv[1])[0])
