"""Rehearse many stacks of the project in the current folder, each by that project's own rehearsal.

`python runner.py NAME=FILE…`, run in another revision's folder: imports nothing of the review. It prints a
line of JSON for each stack: `stack`, `status` (the rehearsal's exit status), `output`, `errors`.
"""

import contextlib
import gc
import io
import json
import sys
from pathlib import Path


def main(stacks: list[str]) -> None:
    """Rehearse each."""
    sys.path[0] = str(Path.cwd())  # not the review's folder
    gc.disable()  # what is imported stays, and looking for garbage takes longer than one stack's leaving it
    from rehearsal.__main__ import main as rehearse

    for stack in stacks:
        name, _, file = stack.partition("=")
        output, errors = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                status = rehearse(["--json", "--stack", name, "--config", file])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except Exception as broken:  # noqa: BLE001 whatever a revision's own code raises
            status = 1
            errors.write(f"{type(broken).__name__}: {broken}")
        answer = {"stack": name, "status": status, "output": output.getvalue(), "errors": errors.getvalue()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        gc.enable()


if __name__ == "__main__":
    main(sys.argv[1:])
