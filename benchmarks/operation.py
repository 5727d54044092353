"""Run one engine operation on one program, and print how many seconds it took.

`python -m benchmarks.operation FOLDER PROGRAM preview|up`: each in its own process, so that the program's
imports count, as when the engine starts the program itself. The stack is open before the clock starts, and
the emulation runs elsewhere.
"""

import sys
import time
from pathlib import Path

from benchmarks.stacks import Place


def main(folder: str, program: str, operation: str) -> int:
    """Returns the exit status."""
    engine = Place.read(Path(folder)).engine(program)
    run = {"preview": engine.preview, "up": engine.up}[operation]
    begun = time.perf_counter()
    result = run()
    took = time.perf_counter() - begun
    if not result.succeeded:
        print(result.text, file=sys.stderr)
        return 1
    print(took)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
