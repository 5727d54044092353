"""Rehearses stacks of the program in the current folder with the rehearsal in another one: the judge's.

`python runner.py JUDGE ANSWERS MEGABYTES NAME=FILE…`, run in the program's folder. It imports nothing of the
review. To the file ANSWERS it writes a line of JSON for each stack: `stack`, `status` (the rehearsal's exit
status), `output`, `errors`.
"""

import contextlib
import gc
import importlib
import importlib.machinery
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

PROGRAM = "maestro_stack"


class _Judges(importlib.machinery.PathFinder):
    """Finds the judge's packages in the judge's folder, and the program in its own."""

    def __init__(self, judge: Path, program: Path) -> None:
        self._places = {PROGRAM: program} | {
            each.parent.name: judge for each in judge.glob("*/__init__.py") if each.parent.name != PROGRAM
        }

    def find_spec(  # pyright: ignore[reportIncompatibleMethodOverride] a class method in typeshed
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        place = self._places.get(fullname) if path is None else None
        return super().find_spec(fullname, [str(place)], target) if place else None


def main(judge: str, answers: str, megabytes: str, *stacks: str) -> None:
    """Rehearse each stack."""
    _limit(int(megabytes))
    own = os.getpid()
    sys.path.pop(0)  # the review's folder
    sys.meta_path.insert(0, _Judges(Path(judge), Path.cwd()))
    gc.disable()  # imports leave no garbage, and collecting one stack's takes longer than it is worth
    # Import the judge's libraries before the program's folder can shadow one of them.
    importlib.import_module("rehearsal.report")
    from rehearsal.__main__ import main as rehearse

    sys.path.insert(0, str(Path.cwd()))  # as Pulumi's language host has it
    for stack in stacks:
        name, _, file = stack.partition("=")
        output, errors = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                status = rehearse(["--json", "--stack", name, "--config", file])
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException as broken:  # noqa: BLE001 whatever a revision's own code raises
            status = 1
            errors.write(f"{type(broken).__name__}: {broken}")
        if os.getpid() != own:
            os._exit(0)  # the program forked, and this is the child
        # What the program printed comes first; a report begins on a line of its own.
        report = f"\n{output.getvalue()}".rpartition("\n{\n")
        said = report[1] + report[2] if report[1] else ""
        answer = {"stack": name, "status": status, "output": said, "errors": errors.getvalue()[-100_000:]}
        with Path(answers).open("a", encoding="utf-8") as file_:
            file_.write(json.dumps(answer) + "\n")
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        gc.enable()


def _limit(megabytes: int) -> None:
    """Limit what the program may use, if the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        memory = megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))


if __name__ == "__main__":
    main(*sys.argv[1:])
