"""Rehearse many stacks of the program in the current folder, by the rehearsal of another folder: the judge's.

`python runner.py JUDGE ANSWERS MEGABYTES NAME=FILE…`, run in the program's folder: imports nothing of the
review. It writes a line of JSON for each stack to the file ANSWERS: `stack`, `status` (the rehearsal's exit
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

    def find_spec(  # pyright: ignore[reportIncompatibleMethodOverride] typeshed has it as a class's method
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        place = self._places.get(fullname) if path is None else None
        return super().find_spec(fullname, [str(place)], target) if place else None


def main(judge: str, answers: str, megabytes: str, *stacks: str) -> None:
    """Rehearse each."""
    _limit(int(megabytes))
    own = os.getpid()
    sys.path.pop(0)  # the review's folder
    sys.meta_path.insert(0, _Judges(Path(judge), Path.cwd()))
    gc.disable()  # what is imported stays, and looking for garbage takes longer than one stack's leaving it
    # The judge's own libraries come before the program's folder can stand in for one of them.
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
            os._exit(0)  # the program forked itself, and this is the other
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
    """What the program may use; only where the system can limit it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        memory = megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))


if __name__ == "__main__":
    main(*sys.argv[1:])
