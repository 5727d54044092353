"""docs/faults.md: the matrix of calls and faults."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from tests.engine.conftest import ROOT
from tests.engine.faults.disturbed import Call

DOCUMENT = ROOT / "docs/faults.md"


class Cell(Enum):
    """How a stack came from a fault to the state of an undisturbed one."""

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
        """The faults that a call is disturbed with."""
        return COLUMNS if call.changes else tuple(c for c in COLUMNS if c not in FOR_CHANGES)


SAME = "="
COLUMNS = ("throttled, then 5xx", "5xx after", "refused", "killed before", "killed after")
FOR_CHANGES = frozenset({"5xx after", "refused", "killed after"})
"""Of a call that changes nothing, these are the same to the caller as the others."""

_ROW = re.compile(r"^\| `(\w+):(\w+)` \| (\d+) \|", re.MULTILINE)
_HEAD = """# Faults and what becomes of them

<!-- Written by `make test-faults ARGS=--write` from what it saw. -->

Every call that the first `up` of a development stack makes, and what was made to go wrong at it, each time in a fresh
account on the emulated AWS, with the real Pulumi engine. **Nothing here was run against AWS.** In every case the stack
came to the state of an undisturbed `up`: the same resources, inputs and outputs, the same objects in the account and
the cluster, none twice, none left over, and a preview with nothing to do. The words say how it came there;
[recovery.md](recovery.md) has the commands.

| Fault | Means |
|---|---|
| throttled, then 5xx | AWS answers that there were too many requests; then, to the next attempt, with a server error; it has done nothing |
| 5xx after | AWS does it, and the answer is a server error |
| refused | AWS refuses for good, here because the credentials have expired; they are renewed for the next `up` |
| killed before, killed after | SIGKILL to the engine, before or after AWS did it |

| Word | Means |
|---|---|
| healed | the `up` itself succeeded: the provider repeated the call |
| again | the `up` failed with AWS's own words; the next one succeeded |
| removed | not survived by `up` alone: what was made but never noted had to be removed by its command, as with the real provider, which doesn't adopt it either |
| recovered | the sequence after a kill: cancel, import or clear, `up` |
| orphan | a certificate that nothing uses was left; its commands listed and removed it |
| = | the call changes nothing, so it makes no difference whether AWS did it |

Calls to `kubernetes` are those to the in-memory cluster that stands for an API server here. Several resources are made
at once: which of two calls of one kind is the first, and whether a certificate is just being made when the engine is
killed elsewhere, differs from run to run.

"""


def matrix(calls: Sequence[Call], cells: Mapping[tuple[Call, str], Cell]) -> str:
    """The table."""
    rows = [
        f"| `{call.service}:{call.operation}` | {call.nth} | "
        + " | ".join(_word(call, column, cells) for column in COLUMNS)
        + " |"
        for call in calls
    ]
    header = f"| Call | No. | {' | '.join(COLUMNS)} |"
    return "\n".join([header, "|---" * (len(COLUMNS) + 2) + "|", *rows])


def _word(call: Call, column: str, cells: Mapping[tuple[Call, str], Cell]) -> str:
    if column not in Cell.columns(call):
        return SAME
    cell = cells.get((call, column))
    return cell.value if cell else "not run"


def document(calls: Sequence[Call], cells: Mapping[tuple[Call, str], Cell]) -> str:
    """docs/faults.md as a whole."""
    return f"{_HEAD}{matrix(calls, cells)}\n"


def calls_in(file: Path) -> list[Call]:
    """The calls that the document lists; none if there is no such file."""
    if not file.exists():
        return []
    return [Call(s, o, int(n)) for s, o, n in _ROW.findall(file.read_text(encoding="utf-8"))]
