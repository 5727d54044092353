"""python -m doctor: ask the real account and cluster what the rehearsal had to assume. Changes nothing."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.terminal import Colours, Help, Progress, run

if TYPE_CHECKING:
    from doctor.case import Case
    from doctor.permissions import Purpose

HOLDS, FAILS, UNUSABLE = 0, 1, 2
EPILOG = """\
before       what must exist before `pulumi up`
after        what `pulumi up` built, or how far it got
permissions  print the IAM policies and the ClusterRole that the stack's
             deployment, its preview or the doctor needs:
             python -m doctor permissions --for deploy

By default: after, if the stack's state has any resources; otherwise before.
Nothing is changed, and no secret's value is read. --port-forward, which needs more
than read access to the cluster, asks the server's API through the API server.

exit status: 0 nothing fails; 1 something fails; 2 the command line, the configuration or
the credentials can't be used; 130 interrupted. docs/doctor.md explains each question.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m doctor",
        description="Check in the stack's account and cluster everything that the rehearsal had to assume.",
        epilog=EPILOG,
        formatter_class=Help,
    )
    parser.add_argument("what", nargs="?", choices=("before", "after", "permissions"), help="see below")
    parser.add_argument("--stack", metavar="NAME", help="stack (default: dev)")
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="stack file (default: Pulumi.<stack>.yaml)"
    )
    parser.add_argument("--verbose", action="store_true", help="also list what holds")
    parser.add_argument("--port-forward", action="store_true", help="also ask the server's API")
    parser.add_argument("--json", action="store_true", help="print the report as JSON (docs/doctor.md)")
    parser.add_argument(
        "--for",
        dest="purpose",
        choices=("deploy", "preview", "doctor"),
        help="with permissions: what they are for",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine once, or print permissions; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.what == "permissions") != (options.purpose is not None):
        parser.error("permissions and --for go together: python -m doctor permissions --for deploy")
    return run("doctor", lambda progress: _examine(options, progress), "nothing was changed anywhere")


def _examine(options: argparse.Namespace, progress: Progress) -> int:
    progress("starting")
    # Imported only now, so that --help doesn't wait for Pulumi's and AWS's modules.
    import pulumi

    from doctor.as_json import as_json, unusable
    from doctor.errors import UnusableError
    from doctor.examine import case_of, diagnose
    from doctor.report import as_text
    from engine.project import UsageError, load_stack

    try:
        stack = load_stack(Path.cwd(), name=options.stack, file=options.config)
        case = case_of(stack, progress, port_forward=options.port_forward)
        if options.purpose is not None:
            progress.clear()
            _print(_permissions(case, options.purpose))
            return HOLDS
        diagnosis = diagnose(case, options.what, progress)
    except (UsageError, UnusableError, pulumi.RunError) as problem:
        progress.clear()
        if options.json:
            _print(unusable(str(problem)))
        else:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    progress.clear()
    if options.json:
        _print(as_json(diagnosis))
    else:
        sys.stdout.write(as_text(diagnosis, Colours(sys.stdout), verbose=options.verbose))
    return HOLDS if diagnosis.is_content else FAILS


def _permissions(case: "Case", purpose: "Purpose") -> dict[str, object]:
    from doctor.permissions import UNVERIFIED, actions_of, cluster_role, policies, scope_of

    granted = frozenset[str]().union(*actions_of(purpose, scope_of(case)).values())
    return {
        "unverified": sorted(granted & UNVERIFIED),
        "policies": list(policies(purpose, scope_of(case))),
        "clusterRole": cluster_role(purpose, f"maestro-{purpose}"),
    }


def _print(answer: object) -> None:
    json.dump(answer, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    sys.exit(main())
