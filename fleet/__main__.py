"""python -m fleet: many regions, in waves."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common.terminal import Progress, run

EPILOG = """\
Everything is an ordinary command of `pulumi`, shown in the regions' logs. No state is kept: an `up`
that failed or was ended goes on when it is run again, and skips at once what is there already.

Ctrl-C: no further region begins, and those that are under way come to rest. A second one cancels
them; what AWS is doing is still waited for. A third one doesn't wait.

exit status: 0 all regions are done; 1 a region failed, has drifted or wasn't reached; 2 the command line,
the fleet file or a stack's file can't be used; 130 interrupted before all were done.
"""


class _Command(NamedTuple):
    help: str
    changes: bool


COMMANDS = {
    "preview": _Command("what `up` would do to each region", changes=False),
    "up": _Command("build or change the regions, wave by wave", changes=True),
    "status": _Command("what the backend knows of each region", changes=False),
    "drift": _Command("what was changed behind Pulumi's back", changes=False),
    "destroy": _Command("delete what every region holds; refused if one is protected", changes=True),
    "write": _Command("write the stacks' files from the fleet file", changes=False),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fleet",
        description="Roll a change out to the regions of a fleet file.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        sub.add_argument(
            "--file", metavar="FILE", type=Path, default=Path("fleet.yaml"), help="default: fleet.yaml"
        )
        sub.add_argument(
            "--stack", metavar="NAME", action="append", default=[], help="only this region (repeatable)"
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON (docs/fleet.md)")
        if command.changes:
            sub.add_argument("--yes", action="store_true", help="don't ask")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    again = shlex.join(["python", "-m", "fleet", *given])
    return run(lambda progress: _main(options, again, progress), "nothing was changed anywhere")


def _main(options: argparse.Namespace, again: str, progress: Progress) -> int:
    progress("checking the fleet file")
    # Only now: --help shouldn't wait for these.
    from common.terminal import Colours
    from fleet.command import Session
    from fleet.errors import FleetError
    from fleet.file import load
    from fleet.report import DONE, Report, as_json, as_text
    from fleet.stacks import check, write

    try:
        fleet = load(options.file)
        if options.command == "write":
            written = write(fleet.only(options.stack) if options.stack else fleet, Path.cwd())
            progress.clear()
            _say(options, {"written": [file.name for file in written]}, _written(written))
            return DONE
        # The whole fleet: clashes of a region that isn't chosen are clashes, too.
        regions = check(fleet, Path.cwd())
        if options.stack:
            fleet = fleet.only(options.stack)
            regions = [region for region in regions if region.stack in fleet.configurations]
        yes = getattr(options, "yes", True)
        report = Session(options.command, fleet, regions, yes=yes, again=again).run(progress)
    except FleetError as refused:
        report = Report(command=options.command, again=again, runs=(), refused=refused)
    progress.clear()
    if report.refused and not options.json:
        print(as_text(report, Colours(sys.stderr)), end="", file=sys.stderr)  # noqa: T201
    else:
        _say(options, as_json(report), as_text(report, Colours(sys.stdout)))
    return report.status


def _say(options: argparse.Namespace, as_json: object, as_text: str) -> None:
    if options.json:
        json.dump(as_json, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(as_text)


def _written(files: Sequence[Path]) -> str:
    return "".join(f"written: {file.name}\n" for file in files) or "every stack's file is current\n"


if __name__ == "__main__":
    sys.exit(main())
