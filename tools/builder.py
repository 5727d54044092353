"""Builds what is missing: one build at a time, nothing twice, and nothing unfinished is left behind."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.cache import Cache, Finding, wrong_version
from tools.catalogue import Executable, Tool, numbers
from tools.errors import BuildFailed, Impossible
from tools.go import Go, Plan
from tools.progress import Progress, minutes

LINKING_MEGABYTES = 300
"""Space for the linker's temporary files, besides what stays."""


def free_megabytes(folder: Path) -> int:
    """Free space on the disk where `folder` is or will be."""
    return shutil.disk_usage(_existing(folder)).free // 1_000_000


@dataclass(frozen=True, kw_only=True)
class Part:
    """Executables of one tool that are built together."""

    tool: Tool
    executables: tuple[Executable, ...]


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Builds into `cache` with the Go in `environ`."""

    cache: Cache
    environ: Mapping[str, str]
    progress: Progress
    free: Callable[[Path], int] = free_megabytes

    def build_missing(self, tools: Sequence[Tool], names: Sequence[str]) -> list[Finding]:
        """Build those executables of `tools` that are in `names` and can't be found.

        Returns where each of `names` is now. Raises Impossible if nothing could be tried, BuildFailed if Go
        failed; what was finished before stays. However it ends, no unfinished file is left.
        """
        began = time.monotonic()

        def survey() -> list[Finding]:
            return [found for found in self.cache.survey(tools) if found.executable.name in names]

        findings = survey()
        if not _parts(findings):
            return findings
        with self.cache.locked(lambda holder: self.progress.say(_waiting(holder))) as lock:
            findings = survey()  # another build may have finished while we waited
            parts = _parts(findings)
            if not parts:
                return findings
            for problem in (found.problem for found in findings if found.problem):
                self.progress.say(f"{problem}: it is rebuilt")
            try:
                self._build(parts, lock)
            finally:
                self._sweep()
        self.progress.say(f"Built in {minutes(time.monotonic() - began)}.")
        return survey()

    def _build(self, parts: Sequence[Part], lock: int) -> None:
        self._sweep()  # what a killed build has left behind
        pickiest = max((part.tool for part in parts), key=lambda tool: numbers(tool.needed_go))
        go = Go.there_is(pickiest, environ=self.environ, locked=lock)
        plans = [self._plan(part, go) for part in parts]
        self._make_sure_of_space(list(zip(parts, plans, strict=True)), go)
        for number, part in enumerate(parts, 1):
            # Counted again: the tools built so far have compiled some of its packages.
            plan = go.plan(part.tool, part.executables)
            later = sum(map(_seconds, parts[number:], plans[number:]))
            self.progress.start(f"[{number}/{len(parts)}] {_label(part.tool)}", _before(part, plan, later))
            self._build_one(part, plan, go)
            self.progress.done(f"built in {self.progress.elapsed}")

    def _plan(self, part: Part, go: Go) -> Plan:
        def tick(fetched: int) -> None:
            self.progress.tick(
                f"fetching modules, {fetched} so far" if fetched else "looking at its packages"
            )

        self.progress.start(_label(part.tool), "looking at its packages")
        try:
            return go.plan(part.tool, part.executables, tick=tick)
        finally:
            self.progress.stop()

    def _build_one(self, part: Part, plan: Plan, go: Go) -> None:
        def tick(compiled: int) -> None:
            if compiled < plan.to_compile:
                self.progress.tick(f"{compiled} of {plan.to_compile} packages compiled")
            else:
                self.progress.tick("linking")

        tool = part.tool
        half_made = self.cache.root / tool.name / f".{tool.version}.building"
        with self.cache.writing():
            half_made.mkdir(parents=True)
        go.build(tool, part.executables, plan=plan, into=half_made, tick=tick)
        for executable in part.executables:
            if (said := wrong_version(tool, executable, half_made / executable.name)) is not None:
                raise BuildFailed(
                    f"{executable.name} was built from {tool.module} {tool.version}, but says {said}.\n"
                    f"Does it run on this machine? Is `link` of {tool.name} in tools/versions.toml right?"
                )
        with self.cache.writing():
            for executable in part.executables:
                place = self.cache.place(tool, executable.name)
                place.parent.mkdir(exist_ok=True)
                (half_made / executable.name).replace(place)

    def _sweep(self) -> None:
        """Remove unfinished builds, ours or a killed one's; call it with the lock held."""
        for folder in self.cache.root.glob("*/.*.building"):
            shutil.rmtree(folder)
            with suppress(OSError):  # not empty: other versions of the tool are in it
                folder.parent.rmdir()

    def _make_sure_of_space(self, builds: Sequence[tuple[Part, Plan]], go: Go) -> None:
        """Before the builds start, raise Impossible if a file system lacks the space for them."""
        compiling = sum(part.tool.compile_megabytes * plan.share_to_compile for part, plan in builds)
        results = sum(part.tool.megabytes for part, _ in builds) + LINKING_MEGABYTES
        needs: dict[int, list[tuple[Path, float, str]]] = {}
        for need in (
            (go.build_cache, compiling, f"Go's build cache {go.build_cache} (GOCACHE)"),
            (self.cache.root, results, f"the tools' folder {self.cache.root} (MAESTRO_TOOLS)"),
        ):
            needs.setdefault(_existing(need[0]).stat().st_dev, []).append(need)
        for on_one_disk in needs.values():
            needed = int(sum(megabytes for _, megabytes, _ in on_one_disk))
            there = self.free(on_one_disk[0][0])
            if there < needed:
                raise Impossible(
                    f"Not enough space: about {needed:,} MB are needed and {there:,} MB are free for "
                    f"{' and '.join(name for *_, name in on_one_disk)}.\n"
                    "Free some, or set the variable in brackets to a folder on another disk. "
                    "`go clean -cache` empties Go's build cache."
                )


def by_hand(findings: Sequence[Finding], cache: Cache) -> str:
    """How to get the missing ones of `findings` without Go: what, from where, to where."""
    lines = ["By hand, as their makers publish them (MAESTRO_TOOLS names another folder):"]
    for found in findings:
        if found.path is None:
            tool, name = found.tool, found.executable.name
            source = tool.page(name) or "another machine with Go: it isn't published"
            lines += [f"  {name} {tool.version} from {source}", f"      to {cache.place(tool, name)}"]
            if tool.required_on_path:
                lines += [f"      or {tool.required_on_path} or later to anywhere on PATH"]
    return "\n".join(lines)


def _parts(findings: Sequence[Finding]) -> list[Part]:
    """What must be built so that all of `findings` exist, in the order of the tools."""
    missing: dict[str, list[Finding]] = {}
    for found in findings:
        if found.path is None:
            missing.setdefault(found.tool.name, []).append(found)
    return [
        Part(tool=founds[0].tool, executables=tuple(found.executable for found in founds))
        for founds in missing.values()
    ]


def _label(tool: Tool) -> str:
    return f"{tool.name} {tool.version}"


def _before(part: Part, plan: Plan, later: float) -> str:
    """The line with which a build starts; `later` are the seconds that the builds after it take."""
    names = [executable.name for executable in part.executables]
    what = "" if names == [part.tool.name] else f"{' '.join(names)}: "
    times = ((_seconds(part, plan), ", about {} min"), (later, ", then {} min for the rest"))
    about = "".join(text.format(max(round(seconds / 60), 1)) for seconds, text in times if seconds > 30)
    return f"{what}{plan.to_compile} of {len(plan.packages)} packages to compile{about}"


def _seconds(part: Part, plan: Plan) -> float:
    return part.tool.seconds * plan.share_to_compile


def _waiting(holder: str) -> str:
    by = f" (process {holder})" if holder else ""
    return f"Another build{by} is at work in the same folder; this one waits for it."


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
