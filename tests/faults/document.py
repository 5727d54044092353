"""docs/faults.md: the matrix of calls and faults."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from tests.checkouts import ROOT
from tests.faults.disturbed import Call

DOCUMENT = ROOT / "docs/faults.md"


class Cell(Enum):
    """How a stack got from a fault to the state of an undisturbed one."""

    HEALED = "healed"
    AGAIN = "again"
    REMOVED = "removed"
    ORPHAN = "orphan"
    REMOVED_AND_ORPHAN = "removed, orphan"
    RECOVERED = "recovered"
    RECOVERED_AND_ORPHAN = "recovered, orphan"
    LOST = "**not survived**"

    @staticmethod
    def columns(call: Call) -> tuple[str, ...]:
        """The faults that a call is tried with."""
        return tuple(column for column in COLUMNS if _untried(call, column) is None)


NOT_TRIED, SAME = "", "="
COLUMNS = (
    "throttled, then 5xx",
    "5xx after",
    "refused",
    "quota",
    "not visible",
    "killed before",
    "killed after",
)
FOR_CHANGES = frozenset({"5xx after", "refused", "killed after"})
"""For a call that changes nothing, these look the same to the caller as others."""
ONCE = {
    "quota": frozenset(
        {
            "ec2:CreateSecurityGroup",
            "eks:CreatePodIdentityAssociation",
            "iam:CreateRole",
            "iot:CreatePolicy",
            "rds:CreateDBInstance",
            "secretsmanager:CreateSecret",
        }
    ),
    "not visible": frozenset(
        {
            "ec2:DescribeSecurityGroups",
            "eks:CreatePodIdentityAssociation",
            "iam:GetRole",
            "iot:AttachPolicy",
            "rds:DescribeDBInstances",
            "secretsmanager:GetSecretValue",
        }
    ),
}
"""Faults that one call of each service meets."""


def _untried(call: Call, column: str) -> str | None:
    """What the table says where a call isn't tried with a fault."""
    if column in ONCE:
        is_one = call.nth == 1 and f"{call.service}:{call.operation}" in ONCE[column]
        return None if is_one else NOT_TRIED
    return SAME if column in FOR_CHANGES and not call.changes else None


_ROW = re.compile(r"^\| `(\w+):([^`]+)` \| (\d+) \|", re.MULTILINE)
_HEAD = """# Faults and what becomes of them

<!-- Written by `make test-faults ARGS=--write` from what it saw. -->

Every call that the first `up` of a development stack makes, to AWS and to the API server, and what was made to go wrong
at it, each time in a fresh account on the emulated AWS, with the real Pulumi engine; the calls to Kubernetes on a real
API server, by way of a proxy. **Nothing here was run against AWS.** In every case the stack came to the state of an
undisturbed `up`: the same resources, inputs and outputs, the same objects in the account and the cluster, none twice,
none left over, and a preview with nothing to do. The words say how it came there; [recovery.md](recovery.md) has the
commands.

| Fault | Means |
|---|---|
| throttled, then 5xx | the answer is that there were too many requests; then, to the next attempt, a server error; nothing was done |
| 5xx after | it is done, and the answer is a server error |
| refused | AWS: the credentials have expired, and are renewed for the next `up`. Kubernetes: from this call on the connection breaks off, as when the API server is gone, and it is back for the next `up` |
| quota | the quota is reached, and raised for the next `up`; at one call of each service that has one |
| not visible | what has just been made isn't found yet; at one call of each service |
| killed before, killed after | SIGKILL to the engine, before or after the call was carried out |

| Word | Means |
|---|---|
| healed | the `up` itself succeeded: the provider repeated the call, or did without |
| again | the `up` failed with AWS's or Kubernetes' own words; the next one succeeded |
| removed | not survived by `up` alone: what was made but never noted had to be removed by its command, as with the real provider, which doesn't adopt it either; of a release on which Helm could note neither success nor failure, [its own](recovery.md#a-stuck-release) |
| recovered | the sequence after a kill: cancel, import or clear, `up` |
| orphan | a certificate that nothing uses was left; its commands listed and removed it |
| = | the call changes nothing, so it makes no difference whether it was carried out |

Of calls to Kubernetes that only look, the first of each kind. Several resources are made at once: which of two calls of
one kind is the first, and whether a certificate is just being made when the engine is killed elsewhere, differs from run
to run.

"""


def matrix(calls: Sequence[Call], cells: Mapping[tuple[Call, str], Cell]) -> str:
    """The table."""

    def word(call: Call, column: str) -> str:
        cell = cells.get((call, column))
        untried = _untried(call, column)
        return (cell.value if cell else "not run") if untried is None else untried

    rows = [
        f"| `{call.service}:{call.operation}` | {call.nth} | "
        + " | ".join(word(call, column) for column in COLUMNS)
        + " |"
        for call in calls
    ]
    header = f"| Call | No. | {' | '.join(COLUMNS)} |"
    return "\n".join([header, "|---" * (len(COLUMNS) + 2) + "|", *rows])


def document(calls: Sequence[Call], cells: Mapping[tuple[Call, str], Cell]) -> str:
    """docs/faults.md as a whole."""
    return f"{_HEAD}{matrix(calls, cells)}\n"


def calls_in(file: Path) -> list[Call]:
    """The calls that the document lists; none if there is no such file."""
    if not file.exists():
        return []
    return [Call(s, o, int(n)) for s, o, n in _ROW.findall(file.read_text(encoding="utf-8"))]
