"""python -m tools: build the pinned tools that this machine lacks, or list them."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tools.builder import Builder, by_hand
from tools.cache import Cache, Finding, cache_folder
from tools.catalogue import HERE, Tool, load
from tools.errors import Impossible, NoGo, ToolsError
from tools.progress import Progress

DONE, INTERRUPTED = 0, 130
FORMAT_VERSION = 1
EPILOG = """\
They are built with Go into one folder per user: $MAESTRO_TOOLS, else maestro-stack/tools
in the user's cache folder. Existing ones are never rebuilt.

exit status: 0 done; 1 a build failed; 2 the command line is wrong, or this machine lacks
something (Go, space, write permission); 130 interrupted.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools",
        description="Build the pinned tools that this machine lacks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these (default: all): pulumi, etcd, …")
    parser.add_argument(
        "--list", action="store_true", help="build nothing; show each tool, its version and location"
    )
    parser.add_argument("--json", action="store_true", help="with --list: print JSON (tools/README.md)")
    return parser


def main(arguments: Sequence[str] | None = None, *, folder: Path = HERE) -> int:
    """Build or list the tools of `folder`; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.json and not options.list:
        parser.error("--json goes with --list")
    tools = load(folder)
    progress = Progress(sys.stderr)
    try:
        names = _names(tools, options.names)
        cache = Cache(cache_folder(os.environ), os.environ)
        if options.list:
            _list(
                [found for found in cache.survey(tools) if found.executable.name in names],
                cache,
                options.json,
            )
            return DONE
        findings: list[Finding] = []
        try:
            findings = Builder(cache=cache, environ=os.environ, progress=progress).build_missing(tools, names)
        except NoGo as no_go:
            lacking = [found for found in cache.survey(tools) if found.executable.name in names]
            raise NoGo(f"{no_go}\n\n{by_hand(lacking, cache)}") from None
    except ToolsError as unable:
        progress.stop()
        _print(f"error: {unable}", to_stderr=True)
        return unable.status
    except KeyboardInterrupt:
        progress.stop()
        _print("interrupted; what is compiled is kept, run this again to continue", to_stderr=True)
        return INTERRUPTED
    _print(_ready(findings, cache))
    return DONE


def _names(tools: Sequence[Tool], wanted: Sequence[str]) -> list[str]:
    """The executables that the command line names, directly or by their tool; all if it names none."""
    known = {tool.name: [executable.name for executable in tool.executables] for tool in tools}
    every = [name for names in known.values() for name in names]
    unknown = [name for name in wanted if name not in known and name not in every]
    if unknown:
        raise Impossible(f"There is no tool {', '.join(unknown)}; there are: {', '.join(every)}.")
    return [name for want in wanted for name in known.get(want, [want])] or every


def _ready(findings: Sequence[Finding], cache: Cache) -> str:
    cached = " ".join(found.executable.name for found in findings if found.source == "cache")
    places = [f"{cached} in {cache.root}"] if cached else []
    places += [f"{found.executable.name} at {found.path}" for found in findings if found.source == "PATH"]
    return f"Ready: {', '.join(places)}"


def _list(findings: Sequence[Finding], cache: Cache, as_json: bool) -> None:  # noqa: FBT001
    if as_json:
        _print(
            json.dumps(
                {
                    "version": FORMAT_VERSION,
                    "cache": str(cache.root),
                    "tools": [
                        {
                            "name": found.executable.name,
                            "tool": found.tool.name,
                            "version": found.tool.version,
                            "purpose": found.tool.purpose,
                            "path": None if found.path is None else str(found.path),
                            "source": found.source,
                            "problem": found.problem,
                            "note": found.note,
                        }
                        for found in findings
                    ],
                },
                indent=2,
            )
        )
        return
    width = max(len(found.executable.name) for found in findings)
    wide = max(len(found.tool.version) for found in findings)
    for found in findings:
        where = f"{found.path}" if found.path else f"missing{f' ({found.problem})' if found.problem else ''}"
        _print(f"{found.executable.name:{width}}  {found.tool.version:{wide}}  {where}")
        if found.note:
            _print(f"{'':{width}}  {'':{wide}}  {found.note}")
    if any(found.path is None for found in findings):
        _print(f"\n`make tools` builds what is missing, with Go.\n{by_hand(findings, cache)}")


def _print(text: str, *, to_stderr: bool = False) -> None:
    print(text, file=sys.stderr if to_stderr else sys.stdout, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def run(arguments: Sequence[str] | None = None, *, folder: Path = HERE) -> int:
    """Like `main`, for a process of its own: SIGTERM, SIGHUP or a closed pipe end it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        return main(arguments, folder=folder)
    except BrokenPipeError:  # `python -m tools --list | head`
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # otherwise Python complains about them on exit
            os.dup2(nowhere, stream.fileno())
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(run())
