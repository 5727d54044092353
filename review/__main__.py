"""python -m review: what a pull request would change in each region. Needs no cloud and no credentials."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from common.terminal import Help, Progress, run

SAFE, FAILED, UNUSABLE, DANGEROUS = 0, 1, 2, 3
EPILOG = """\
exit status: 0 safe, or to look at; 1 the review itself failed; 2 the command line
can't be used; 3 dangerous; 130 interrupted.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m review",
        description="Rehearse every stack at two revisions, each with its own code, and say what differs: "
        "resources, permissions, Kubernetes objects, outputs, checks; and how bad it is. "
        "Needs no account, cluster or login.",
        epilog=EPILOG,
        formatter_class=Help,
    )
    compared = parser.add_mutually_exclusive_group()
    compared.add_argument(
        "--base",
        metavar="REV",
        help="compare with the commit where the work tree branched off REV, such as origin/main",
    )
    compared.add_argument(
        "--deployed", metavar="REV", help="compare with REV itself: the revision that the regions run"
    )
    parser.add_argument(
        "--head", metavar="DIR", type=Path, help="work tree to review (default: the current folder)"
    )
    parser.add_argument(
        "--plan",
        metavar="FILE",
        action="append",
        default=[],
        type=Path,
        help="also review a real stack's plan, as printed by `pulumi preview --json`",
    )
    parser.add_argument(
        "--stack", metavar="NAME", action="append", default=[], help="stack to review (default: all)"
    )
    parser.add_argument(
        "--acknowledge",
        metavar='"FINGERPRINT: REASON"',
        action="append",
        default=[],
        help="let a dangerous change pass, for a reason that appears in the report",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print a comment for the pull request")
    form.add_argument("--json", action="store_true", help="print the review as JSON (docs/review.md)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Review once; returns the exit status."""
    options = _parser().parse_args(arguments)
    return run("review", lambda progress: _review(options, progress), "nothing was changed anywhere")


def _review(options: argparse.Namespace, progress: Progress) -> int:
    progress("comparing the revisions")
    # Imported only now, so that --help doesn't wait for them.
    from common.terminal import Colours
    from review.as_json import as_json
    from review.errors import ReviewError, UsageError
    from review.markdown import as_markdown
    from review.model import Grade
    from review.review import Request, review
    from review.terminal import as_text

    try:
        base = options.deployed or options.base
        if base is None and not options.plan:
            raise UsageError("nothing to review; for example: python -m review --base origin/main")
        request = Request(
            root=(options.head or Path.cwd()).resolve(),
            base=base,
            is_deployed=options.deployed is not None,
            plans=options.plan,
            stacks=options.stack,
            acknowledged=dict(map(_acknowledged, options.acknowledge)),
        )
        found = review(request, progress)
    except ReviewError as refused:
        progress.clear()
        print(f"error: {refused}", file=sys.stderr)  # noqa: T201
        return UNUSABLE if isinstance(refused, UsageError) else FAILED
    progress.clear()
    if options.json:
        json.dump(as_json(found), sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif options.markdown:
        sys.stdout.write(as_markdown(found))
    else:
        sys.stdout.write(as_text(found, Colours(sys.stdout)))
    return DANGEROUS if found.grade is Grade.DANGEROUS else SAFE


def _acknowledged(text: str) -> tuple[str, str]:
    from review.errors import UsageError

    fingerprint, found, reason = text.partition(":")
    if not found or not fingerprint.strip() or not reason.strip():
        raise UsageError(
            f'--acknowledge {text!r} must be "<fingerprint>: <reason>"; '
            'for example: --acknowledge "1f2e3d4c5b6a: restored from a copy"'
        )
    return fingerprint.strip(), reason.strip()


if __name__ == "__main__":
    sys.exit(main())
