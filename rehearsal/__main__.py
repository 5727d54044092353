"""python -m rehearsal: show what `pulumi up` would build, and whether it would work. Needs no cloud."""

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.terminal import Help, Progress, run
from rehearsal.commands import COMMANDS
from rehearsal.commands import main as run_command

if TYPE_CHECKING:
    from rehearsal.rehearse import Rehearsal

HOLDS, FAILS, UNUSABLE = 0, 1, 2
EPILOG = """\
On the real engine, each with its own --help:
{commands}

exit status: 0 all checks hold; 1 the plan has a problem; 2 the command line, the
configuration or the world can't be used; 130 interrupted.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description="Run the unmodified program against an in-process AWS and Helm's own engine: show what "
        "`pulumi up` would build, and check whether it would work. Needs no account, cluster or login.",
        epilog=EPILOG.format(commands="\n".join(f"  {n:<10} {c.help}" for n, c in COMMANDS.items())),
        formatter_class=Help,
    )
    parser.add_argument("--stack", metavar="NAME", help="stack to rehearse (default: dev)")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="stack file (default: Pulumi.<stack>.yaml)"
    )
    parser.add_argument(
        "--world",
        metavar="FILE",
        type=Path,
        help="what already exists in the account (default: what the settings name; see docs/rehearsal.md)",
    )
    parser.add_argument("--manifests", metavar="DIR", type=Path, help="write the rendered YAML to DIR")
    parser.add_argument(
        "--verbose", action="store_true", help="also show the resources, the outputs and every finding"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON (docs/rehearsal.md)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse once, or run one of the engine commands; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return run_command(given)
    options = _parser().parse_args(given)
    return run("rehearsal", lambda progress: _rehearse(options, progress), "nothing was changed anywhere")


def _rehearse(options: argparse.Namespace, progress: Progress) -> int:
    progress("starting")
    # Only now: --help shouldn't wait for Pulumi's and moto's modules.
    import pulumi

    from emulator.world import WorldError, load_world
    from engine.project import UsageError, load_stack
    from rehearsal.rehearse import rehearse

    try:
        world = load_world(options.world) if options.world else None
        stack = load_stack(Path.cwd(), name=options.stack, file=options.config)
        rehearsal = rehearse(stack, world=world, progress=progress)
        if options.manifests:
            _write_manifests(rehearsal, options.manifests)
    except (UsageError, WorldError, pulumi.RunError) as unusable:
        progress.clear()
        return _explain(unusable, as_json=options.json)
    progress.clear()
    _print(rehearsal, as_json=options.json, verbose=options.verbose)
    if rehearsal.holds:
        return HOLDS
    return UNUSABLE if rehearsal.is_about_surroundings else FAILS


def _print(rehearsal: "Rehearsal", *, as_json: bool, verbose: bool) -> None:
    from rehearsal import report

    if as_json:
        json.dump(report.as_json(rehearsal), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(report.as_text(rehearsal, report.Colours(sys.stdout), verbose=verbose))


def _explain(unusable: Exception, *, as_json: bool) -> int:
    """Say why nothing could be rehearsed: in words on stderr, or as JSON on stdout."""
    if as_json:
        from rehearsal.report import FORMAT_VERSION

        problems = [
            {"where": p.where, "key": p.key, "problem": p.problem, "example": p.example}
            for p in getattr(unusable, "problems", ())
        ]
        answer = {
            "version": FORMAT_VERSION,
            "result": "unusable",
            "message": str(unusable),
            "problems": problems,
        }
        json.dump(answer, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        print(f"error: {unusable}", file=sys.stderr)  # noqa: T201
    return UNUSABLE


def _write_manifests(rehearsal: "Rehearsal", folder: Path) -> None:
    from engine.project import UsageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for release in rehearsal.releases:
            for template, text in release.text.items():
                (folder / Path(template).name).write_text(text, encoding="utf-8")
    except OSError as refused:
        raise UsageError(f"--manifests {folder}: {refused.strerror}") from None


if __name__ == "__main__":
    gc.disable()  # a short run: collecting garbage costs more time than it is worth
    sys.exit(main())
