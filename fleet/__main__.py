"""python -m fleet: many regions, in waves."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from common.terminal import Help, Progress, run

EPILOG = """\
Everything is an ordinary `pulumi` command, which the regions' logs show. No
state is kept: run an `up` that failed or was interrupted again, and it resumes,
skipping what is done already.

Ctrl-C: no further region begins, and those under way finish. A second one
cancels them, but still waits for what AWS is doing. A third one doesn't wait.

exit status: 0 all regions are done; 1 a region failed, has drifted or wasn't
reached; 2 the command line, the fleet file or a stack file can't be used;
130 interrupted before all were done.
"""


class _Command(NamedTuple):
    help: str
    changes: bool


COMMANDS = {
    "preview": _Command("what `up` would do to each region", changes=False),
    "up": _Command("build or change the regions, wave by wave", changes=True),
    "status": _Command("what the backend knows about each region", changes=False),
    "drift": _Command("what was changed behind Pulumi's back", changes=False),
    "destroy": _Command("delete what every region holds; refused if one is protected", changes=True),
    "set": _Command("set one key in the stack files, with `pulumi config set`", changes=False),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fleet",
        description="Roll a change out to the regions of a fleet file.",
        epilog=EPILOG,
        formatter_class=Help,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        sub.add_argument(
            "--file", metavar="FILE", type=Path, default=Path("fleet.yaml"), help="default: fleet.yaml"
        )
        sub.add_argument(
            "--stack",
            metavar="NAME",
            action="append",
            default=[],
            help="only this stack (repeatable); clashes with the others still count",
        )
        sub.add_argument("--json", action="store_true", help="print the result as JSON (docs/fleet.md)")
        if command.changes:
            sub.add_argument("--yes", action="store_true", help="don't ask")
        if name == "set":
            sub.add_argument("key", metavar="KEY", help="such as maestro-stack:server.replicas, with --path")
            sub.add_argument("value", metavar="VALUE", help="as for `pulumi config set`")
            sub.add_argument("--path", action="store_true", help="KEY is a path into an object")
            sub.add_argument("--wave", metavar="NAME", help="only the stacks of this wave")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    again = shlex.join(["python", "-m", "fleet", *given])
    changed = "what is set already stays" if options.command == "set" else "nothing was changed anywhere"
    return run("fleet", lambda progress: _main(options, again, progress), changed)


def _main(options: argparse.Namespace, again: str, progress: Progress) -> int:
    progress("checking the fleet file")
    # Imported only now, so that --help doesn't wait for them.
    from common.terminal import Colours
    from fleet.command import Session, set_key
    from fleet.errors import FleetError
    from fleet.file import load
    from fleet.report import Report, as_json, as_text
    from fleet.stacks import check, names

    try:
        fleet = load(options.file)
        chosen = fleet.only(stacks=names(options.stack, Path.cwd()), wave=getattr(options, "wave", None))
        if options.command == "set":
            assignment = [*(["--path"] if options.path else []), options.key, options.value]
            report = set_key(fleet, chosen, assignment, again=again, progress=progress)
        else:
            # Check the whole fleet: clashes with a region that isn't chosen count, too.
            regions = [region for region in check(fleet, Path.cwd()) if region.stack in chosen.stacks]
            yes = getattr(options, "yes", True)
            report = Session(options.command, chosen, regions, yes=yes, again=again).run(progress)
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


if __name__ == "__main__":
    sys.exit(main())
