"""Rehearses a revision's stacks in separate processes, with the base's judges, and caches results by content.

A revision's program is somebody else's code. Its process has its own home folder, limits, and none of the
environment's credentials; it reports its results in one file, and whatever it starts ends with it.
"""

import contextlib
import hashlib
import json
import os
import signal
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
SECONDS, SECONDS_A_STACK = 120, 30
"""How long the rehearsals in one process may take."""
MEGABYTES = 4_096
"""How much memory one process may use."""
_PASSED_ON = ("LANG", "LC_ALL", "PATH", "SYSTEMROOT")
_TAIL = 4_000
"""How many of the last bytes that a process printed are read."""
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The Python that rehearses a revision."""

    python: Path
    problem: str = ""
    """Why it lacks something that the revision pins; empty if it has everything."""


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """How one stack's rehearsal went."""

    report: Mapping[str, Json] | None
    """As printed by `python -m rehearsal --json`; None if the stack couldn't be rehearsed."""
    problem: str
    """Why it couldn't, in the words of the program or the error."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Stacks of one revision to rehearse."""

    revision: Revision
    interpreter: Interpreter
    stacks: tuple[str, ...]
    judge: Revision
    """Whose rehearsal and checks judge the program."""


def rehearse_all(
    tasks: Iterable[Task], progress: Progress, meanwhile: Callable[[], None]
) -> dict[tuple[str, str], Rehearsed]:
    """The rehearsals by the revision's name and the stack; those of the same content come from the cache.

    `meanwhile` is called while the rehearsals run.
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
    """One share per processor: starting a process takes as long as rehearsing several stacks."""
    count = min(_processors(), len(stacks))
    return [replace(task, stacks=tuple(stacks[start::count])) for start in range(count)]


def _run(task: Task) -> dict[str, Rehearsed]:
    with tempfile.TemporaryDirectory(prefix="maestro-rehearsal-") as folder:
        answers, broken = answers_of(task, Path(folder))
    missing = Rehearsed(report=None, problem=f"the rehearsal broke: {broken}")
    # The revision's folder is of no interest, and differs each time.
    return {
        stack: replace(answer, problem=answer.problem.replace(f"{task.revision.root}{os.sep}", ""))
        for stack in task.stacks
        for answer in [answers.get(stack, missing)]
    }


def answers_of(task: Task, folder: Path) -> tuple[dict[str, Rehearsed], str]:
    """The answers by stack, and what went wrong if some are missing."""
    files = task.revision.stacks()
    answers, said, home = folder / "answers", folder / "said", folder / "home"
    home.mkdir()
    command = [
        *(str(task.interpreter.python), str(RUNNER), str(task.judge.root), str(answers), str(MEGABYTES)),
        *(f"{stack}={files[stack]}" for stack in task.stacks),
    ]
    environment = {
        **{key: value for key, value in os.environ.items() if key in _PASSED_ON},
        "HOME": str(home),
        "TMPDIR": str(home),
    }
    with said.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=task.revision.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=SECONDS + len(task.stacks) * SECONDS_A_STACK)
            broken = ""
        except subprocess.TimeoutExpired:
            status, broken = (
                0,
                f"it hadn't ended after {SECONDS} seconds and {SECONDS_A_STACK} for each stack",
            )
        finally:
            # Also ends the processes that it left behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return _found(answers), broken or _last_words(said, status)


def _found(answers: Path) -> dict[str, Rehearsed]:
    found: dict[str, Rehearsed] = {}
    lines = answers.read_text(encoding="utf-8", errors="replace").splitlines() if answers.is_file() else []
    for line in lines:
        try:
            answer = cast(object, json.loads(line))
        except (ValueError, RecursionError):  # the process was killed in the middle of a line
            continue
        if isinstance(answer, dict):
            read = cast("dict[str, Json]", answer)
            found[text(read, "stack")] = read_answer(read)
    return found


def _last_words(said: Path, status: int) -> str:
    with said.open("rb") as output:
        output.seek(max(0, said.stat().st_size - _TAIL))
        last = output.read().decode(errors="replace").strip().rpartition("\n")[2]
    ended = f"signal {-status}" if status < 0 else f"status {status}"
    limits = f"; it may use {MEGABYTES:,} megabytes of memory" if status < 0 or "MemoryError" in last else ""
    return f"{last or f'it ended with {ended}'}{limits}"


def read_answer(answer: Mapping[str, Json]) -> Rehearsed:
    """The rehearsal that a line of the runner's output describes."""
    try:
        report = cast(object, json.loads(text(answer, "output")))
    except ValueError:
        said = text(answer, "errors").strip() or f"it ended with status {number(answer, 'status')}"
        return Rehearsed(report=None, problem=said)
    if not isinstance(report, dict):
        return Rehearsed(report=None, problem="the rehearsal printed something other than a report")
    read = cast("dict[str, Json]", report)
    if read.get("result") == "unusable":
        return Rehearsed(report=None, problem=text(read, "message"))
    return Rehearsed(report=read, problem="")


# --- the cache ---------------------------------------------------------------------------------------


def _place(task: Task, stack: str) -> Path | None:
    """The cache file; None if there is no cache folder, or the interpreter lacks what the revision pins."""
    if task.interpreter.problem:
        return None
    of = f"{stack} {task.revision.stack_digest(stack)} {task.judge.deployed}"
    digest = hashlib.sha256(of.encode()).hexdigest()
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
    """Cache a report, in which secrets are masked. Failing to do so only costs time."""
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
