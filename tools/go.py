"""Runs Go: finds it, counts what it has to compile, compiles it, and explains its errors."""

import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tools.catalogue import Executable, Tool, numbers
from tools.errors import BuildFailed, NoGo, ToolsError

TICK = 0.5
"""Seconds between two looks at the clock while Go is at work."""
PATIENCE = 10
"""Seconds for an interrupted Go to remove its temporary files."""
CACHED = "not installed but available in build cache"
"""`go list`'s StaleReason for a main package that needn't be compiled: cmd/go/internal/work/buildid.go."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What it takes to build some executables of a tool; its modules have been fetched."""

    packages: frozenset[str]  # all packages that they consist of
    to_compile: int  # how many of them Go's build cache lacks

    @property
    def share_to_compile(self) -> float:
        """As a share of a cold build's work: 0 to 1."""
        return self.to_compile / len(self.packages)


@dataclass(frozen=True, kw_only=True)
class Go:
    """A Go that can build the tools. `locked` is a file descriptor that its processes keep open."""

    program: str
    version: str
    proxy: str
    build_cache: Path
    environ: Mapping[str, str]
    locked: int

    @classmethod
    def there_is(cls, tool: Tool, *, environ: Mapping[str, str], locked: int) -> "Go":
        """The Go on PATH, or the one that it fetches because the go.mod of `tool` requires it.

        Raises NoGo: there is none, or it is too old for `tool`. BuildFailed: it doesn't work.
        """
        needed = tool.needed_go
        program = shutil.which("go", path=environ.get("PATH", os.defpath))
        if program is None:
            raise NoGo(
                f"Go isn't on PATH. Install Go {needed} or later (https://go.dev/dl/), then run this again."
            )
        # A surrounding workspace would replace our go.mod; what we build must run on this machine.
        environ = {**environ, "GOWORK": "off", "CGO_ENABLED": "0"}
        environ.pop("GOOS", None)
        environ.pop("GOARCH", None)
        names = ["GOVERSION", "GOHOSTOS", "GOHOSTARCH", "GOPROXY", "GOCACHE"]
        asked = _run([program, "env", *names], inside=tool.folder, environ=environ, locked=locked)
        if asked.status:
            if "requires go" in asked.text or "toolchain" in asked.text:
                raise NoGo(_too_old(needed, asked.text))
            raise BuildFailed(f"`{program} env` fails:\n{_indented(asked.text)}")
        version, system, machine, proxy, build_cache = asked.stdout
        found = numbers(version)  # empty for a development version: let it try
        if version.startswith("go") and found < numbers(needed):
            raise NoGo(_too_old(needed, f"{program} is {version}"))
        return cls(
            program=program,
            version=version,
            proxy=proxy,
            build_cache=Path(build_cache),
            environ={**environ, "GOOS": system, "GOARCH": machine},
            locked=locked,
        )

    def plan(
        self, tool: Tool, executables: Sequence[Executable], *, tick: Callable[[int], None] | None = None
    ) -> Plan:
        """Fetch the modules that `executables` need, and count what must be compiled.

        `tick` is called every half second with the number of modules fetched. Raises BuildFailed.
        """
        fetched = 0

        def hear(line: str) -> None:
            nonlocal fetched
            fetched += line.startswith("go: downloading ")

        listed = _run(
            [
                *(self.program, "list", *_FLAGS, *_link(tool), "-deps"),
                *("-f", "{{.ImportPath}}\t{{.Stale}}\t{{.StaleReason}}"),
                *(executable.package for executable in executables),
            ],
            inside=tool.folder,
            environ=self.environ,
            locked=self.locked,
            hear=hear,
            tick=lambda: tick(fetched) if tick else None,
        )
        if listed.status:
            raise explained(tool, listed.text, proxy=self.proxy)
        packages = [line.split("\t") for line in listed.stdout]
        stale = [path for path, is_stale, reason in packages if is_stale == "true" and reason != CACHED]
        return Plan(packages=frozenset(path for path, *_ in packages), to_compile=len(stale))

    def build(
        self,
        tool: Tool,
        executables: Sequence[Executable],
        *,
        plan: Plan,
        into: Path,
        tick: Callable[[int], None],
    ) -> None:
        """Compile `executables` into the empty folder `into`, each under its name.

        `tick` is called every half second with the number of packages begun. Raises BuildFailed.
        """
        compiled = 0

        def hear(line: str) -> None:
            nonlocal compiled
            compiled += line in plan.packages

        work = into / ".work"  # Go's temporary files, removed with the folder whatever happens to Go
        work.mkdir()
        # Given a folder, Go names each executable after its package, whose last part may be a version.
        target = str(into / executables[0].name) if len(executables) == 1 else f"{into}{os.sep}"
        done = _run(
            [
                *(self.program, "build", *_FLAGS, *_link(tool), "-v", "-o", target),
                *(executable.package for executable in executables),
            ],
            inside=tool.folder,
            environ={"GOTMPDIR": str(work), **self.environ},
            locked=self.locked,
            hear=hear,
            tick=lambda: tick(compiled),
            forget=plan.packages,
        )
        shutil.rmtree(work)
        if done.status:
            raise explained(tool, done.text, proxy=self.proxy)


# -mod=readonly overrides the user's GOFLAGS: go.mod and go.sum decide, and stay unchanged.
_FLAGS = ("-mod=readonly", "-trimpath")


def _link(tool: Tool) -> tuple[str, ...]:
    return ("-ldflags=" + " ".join(["-s -w", *(f"-X {text}" for text in tool.link)]),)


_UNREACHABLE = (
    "dial tcp",
    "no such host",
    "connection refused",
    "i/o timeout",
    "TLS handshake timeout",
    "proxyconnect",
    "network is unreachable",
    "connection reset",
    "disabled by GOPROXY=off",
    "x509:",
    "502 Bad Gateway",
    "503 Service Unavailable",
)
_OUT_OF_STEP = (
    "missing go.sum entry",
    "updates to go.mod needed",
    "go: updating go.mod",
    "inconsistent vendoring",
)


_OUT_OF_MEMORY = ("signal: killed", "cannot allocate memory", "out of memory")


def explained(tool: Tool, said: str, *, proxy: str) -> ToolsError:
    """The error for people, from what Go printed when it failed to fetch or build `tool`."""
    said = _indented(said)
    name = f"{tool.name} {tool.version}"
    if "no space left on device" in said:
        return BuildFailed(
            f"The disk is full; {name} isn't built:\n{said}\n"
            "What is compiled is kept. Free some space and run this again, or use folders on another disk: "
            "GOCACHE, GOMODCACHE and MAESTRO_TOOLS each name one."
        )
    if any(text in said for text in _OUT_OF_MEMORY):
        return BuildFailed(
            f"Go ran out of memory; {name} isn't built:\n{said}\n"
            "Linking the largest tool takes 4 GB. What is compiled is kept: end other programs, or let Go do "
            "less at once (GOFLAGS=-p=1), and run this again."
        )
    if "SECURITY ERROR" in said:
        return BuildFailed(
            f"{name} isn't built: a module isn't the one that tools/{tool.name}/go.sum names:\n{said}\n"
            "Don't work around this. Go's own module proxy is GOPROXY=https://proxy.golang.org,direct."
        )
    if any(text in said for text in _OUT_OF_STEP):
        return BuildFailed(
            f"tools/{tool.name}/go.mod and go.sum don't fit together; {name} isn't built:\n{said}\n"
            f"Has one been edited? `git checkout tools/{tool.name}` undoes that; tools/README.md says how "
            "to change a version."
        )
    if any(text in said for text in _UNREACHABLE):
        return BuildFailed(
            f"Go can't fetch the modules of {name}. It asked GOPROXY={proxy} and says:\n{said}\n"
            "What was fetched is kept. Check the network, HTTPS_PROXY and GOPROXY, and run this again; or "
            "install by hand (`python -m tools --list` says from where and to where)."
        )
    return BuildFailed(
        f"Go can't build {name}:\n{said}\n"
        "What was compiled is kept: running this again continues. Or install it by hand "
        "(`python -m tools --list` says from where and to where)."
    )


def _too_old(needed: str, said: str) -> str:
    return (
        f"Go {needed} or later is needed:\n{_indented(said)}\n"
        "Install it from https://go.dev/dl/, or let Go fetch it itself: GOTOOLCHAIN=auto (Go 1.21 and later)."
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


@dataclass(frozen=True, kw_only=True)
class _Done:
    status: int
    stdout: list[str]
    text: str  # the end of what it wrote to standard error


def _nothing(*_: object) -> None:
    pass


def _run(  # noqa: PLR0913 all but the command by name
    command: Sequence[str],
    *,
    inside: Path,
    environ: Mapping[str, str],
    locked: int,
    hear: Callable[[str], None] = _nothing,
    tick: Callable[[], object] = _nothing,
    forget: frozenset[str] = frozenset(),
) -> _Done:
    """Run Go to its end; `hear` gets every line of its standard error, whose tail without `forget` is kept.

    An exception, above all Ctrl-C, ends Go and everything it started before it propagates.
    """
    # In a group of its own, so that we end it, not the terminal. It inherits the lock, so that even if we are
    # killed, nobody else builds at the same time.
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=inside,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=(locked,),
    ) as process:
        try:
            return _listen(process, hear, tick, forget)
        except BaseException:
            _end(process)
            raise


def _listen(
    process: subprocess.Popen[str],
    hear: Callable[[str], None],
    tick: Callable[[], object],
    forget: frozenset[str],
) -> _Done:
    lines = queue.SimpleQueue[tuple[bool, str] | None]()
    assert process.stdout is not None  # noqa: S101 they are pipes
    assert process.stderr is not None  # noqa: S101
    for stream, is_error in ((process.stdout, False), (process.stderr, True)):
        threading.Thread(target=_pump, args=(stream, is_error, lines), daemon=True).start()
    stdout: list[str] = []
    tail = deque[str](maxlen=30)
    open_streams = 2
    ticked = time.monotonic()
    while open_streams:
        if time.monotonic() - ticked >= TICK:
            ticked = time.monotonic()
            tick()
        try:
            item = lines.get(timeout=TICK)
        except queue.Empty:
            continue
        if item is None:
            open_streams -= 1
        elif item[0]:
            hear(item[1])
            if item[1] not in forget and not item[1].startswith("go: downloading "):
                tail.append(item[1])
        else:
            stdout.append(item[1])
    return _Done(status=process.wait(), stdout=stdout, text="\n".join(tail))


def _pump(stream: IO[str], is_error: bool, lines: "queue.SimpleQueue[tuple[bool, str] | None]") -> None:  # noqa: FBT001
    for line in stream:
        lines.put((is_error, line.rstrip("\n")))
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt Go's process group and wait; kill it if it takes long, or at a second Ctrl-C."""
    try:
        _signal(process, signal.SIGINT)
        process.wait(PATIENCE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        pass
    finally:
        _signal(process, signal.SIGKILL)  # also ends compilers that outlived it
        process.wait()


def _signal(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # all have ended
