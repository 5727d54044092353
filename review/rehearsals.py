"""The rehearsals of a revision's stacks: in processes of their own, by its own code, kept by content."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from common.json_values import Json, number, text
from review.revisions import Revision
from tools.cache import user_cache

RUNNER = Path(__file__).with_name("runner.py")
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Where a revision is rehearsed."""

    python: Path
    problem: str = ""
    """Why it lacks something that the revision pins; empty if it has everything."""


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """How one stack's rehearsal went."""

    report: Mapping[str, Json] | None
    """As `python -m rehearsal --json` prints it; None if the stack couldn't be rehearsed."""
    problem: str
    """Why not: in the words of the program, or of the error."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Some stacks of one revision to rehearse."""

    revision: Revision
    interpreter: Interpreter
    stacks: tuple[str, ...]


def rehearse_all(
    tasks: Iterable[Task], progress: Progress, meanwhile: Callable[[], None]
) -> dict[tuple[str, str], Rehearsed]:
    """By the revision's name and the stack. What was rehearsed before, with the same content, is kept.

    `meanwhile` is done while the rehearsals run.
    """
    found: dict[tuple[str, str], Rehearsed] = {}
    waiting: list[Task] = []
    for task in tasks:
        unknown: list[str] = []
        for stack in task.stacks:
            kept = _kept(task, stack)
            if kept is None:
                unknown.append(stack)
            else:
                found[task.revision.name, stack] = kept
        waiting += _shares(task, unknown)
    done = len(found)
    total = done + sum(len(task.stacks) for task in waiting)
    with ThreadPoolExecutor(max_workers=_processors()) as pool:
        running = pool.map(_run, waiting)
        meanwhile()
        for task, answers in zip(waiting, running, strict=True):
            for stack, answer in answers.items():
                found[task.revision.name, stack] = answer
                if answer.report is not None:
                    _keep(task, stack, answer.report)
            done += len(answers)
            progress(f"rehearsed {done} of {total}")
    return found


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _shares(task: Task, stacks: Sequence[str]) -> list[Task]:
    """One process a processor: starting one takes as long as rehearsing several stacks."""
    count = min(_processors(), len(stacks))
    return [replace(task, stacks=tuple(stacks[start::count])) for start in range(count)]


def _run(task: Task) -> dict[str, Rehearsed]:
    files = task.revision.stacks()
    command = [
        str(task.interpreter.python),
        str(RUNNER),
        *(f"{stack}={files[stack]}" for stack in task.stacks),
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PULUMI_", "PYTHONPATH"))}
    done = subprocess.run(  # noqa: S603
        command,
        cwd=task.revision.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    answers: dict[str, Rehearsed] = {}
    for line in done.stdout.splitlines():
        answer = cast("dict[str, Json]", json.loads(line))
        answers[text(answer, "stack")] = _read(answer)
    said = done.stderr.strip().rpartition("\n")[2] or f"it ended with status {done.returncode}"
    missing = Rehearsed(report=None, problem=f"the rehearsal broke: {said}")
    # Where the revision lies is of no interest, and another place each time.
    return {
        stack: replace(answer, problem=answer.problem.replace(f"{task.revision.root}{os.sep}", ""))
        for stack in task.stacks
        for answer in [answers.get(stack, missing)]
    }


def _read(answer: Mapping[str, Json]) -> Rehearsed:
    try:
        report = cast(object, json.loads(text(answer, "output")))
    except ValueError:
        said = text(answer, "errors").strip() or f"it ended with status {number(answer, 'status')}"
        return Rehearsed(report=None, problem=said)
    if not isinstance(report, dict):
        return Rehearsed(report=None, problem="the rehearsal printed something else than a report")
    read = cast("dict[str, Json]", report)
    if read.get("result") == "unusable":
        return Rehearsed(report=None, problem=text(read, "message"))
    return Rehearsed(report=read, problem="")


# --- what was rehearsed before -----------------------------------------------------------------------


def _place(task: Task, stack: str) -> Path | None:
    """None where there is no folder for it, or where what is found isn't the revision's own."""
    if task.interpreter.problem:
        return None
    digest = hashlib.sha256(f"{stack} {task.revision.stack_digest(stack)}".encode()).hexdigest()
    cache = user_cache(os.environ)
    return cache / "review" / f"{digest}.json" if cache else None


def _kept(task: Task, stack: str) -> Rehearsed | None:
    place = _place(task, stack)
    if place is None:
        return None
    try:
        content = cast("dict[str, Json]", json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return Rehearsed(report=content, problem="")


def _keep(task: Task, stack: str, report: Mapping[str, Json]) -> None:
    """Secrets are masked in a report. A cache that can't be written costs time, and nothing else."""
    place = _place(task, stack)
    if place is None:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=place.parent, delete=False, encoding="utf-8") as file:
            json.dump(report, file)
        Path(file.name).replace(place)
    except OSError:
        return
