"""From a fault to the state of an undisturbed `up`, as docs/recovery.md says."""

from common.json_values import Json
from engine.driver import Result
from tests.engine.conftest import succeeded
from tests.faults.disturbed import KUBERNETES, Call, Disturbed
from tests.faults.document import Cell

_FAULTS: dict[str, tuple[dict[str, Json], ...]] = {
    "throttled, then 5xx": ({"effect": "throttle"}, {"effect": "unavailable"}),
    "5xx after": ({"effect": "unavailable", "when": "after"},),
    "refused": ({"effect": "expired"},),
    "quota": ({"effect": "quota"},),
    "not visible": ({"effect": "invisible"},),
}
"""By column: what meets the call, and the attempts after it."""
_FAULTS_OF_KUBERNETES: dict[str, tuple[dict[str, Json], ...]] = {
    **_FAULTS,
    "refused": ({"effect": "gone", "times": 1000},),  # the API server, for the rest of the `up`
}


def survive(stack: Disturbed, call: Call, column: str) -> Cell:
    """Disturb the first `up` and do what is needed until an `up` succeeds; which way that was."""
    cell = _killed(stack, call, column) if column.startswith("killed") else _failed(stack, call, column)
    if cell is Cell.HEALED and column != "5xx after":
        return cell
    stack.revoke_leftover_rules()
    if not stack.remove_idle_certificates():
        return cell
    return {
        Cell.RECOVERED: Cell.RECOVERED_AND_ORPHAN,
        Cell.REMOVED: Cell.REMOVED_AND_ORPHAN,
    }.get(cell, Cell.ORPHAN)


def _killed(stack: Disturbed, call: Call, column: str) -> Cell:
    stack.killed_up(call, column.removeprefix("killed "))
    stack.recover()
    succeeded(stack.region.engine.up())
    return Cell.RECOVERED


def _failed(stack: Disturbed, call: Call, column: str) -> Cell:
    meets = (_FAULTS_OF_KUBERNETES if call.service == KUBERNETES else _FAULTS)[column]
    first = stack.up(*({**call._asdict(), "nth": call.nth + n, **fault} for n, fault in enumerate(meets)))
    if stack.free_release():  # an `up` succeeds, too, if Helm merely couldn't record that it was done
        stack.region.refresh()
        succeeded(stack.region.engine.up())
        return Cell.REMOVED
    if first.succeeded:
        return Cell.HEALED
    second = stack.region.engine.up()
    if second.succeeded:
        return Cell.AGAIN
    remove_what_is_in_the_way(stack, second)
    succeeded(stack.region.engine.up())
    return Cell.REMOVED


def remove_what_is_in_the_way(stack: Disturbed, refused: Result) -> None:
    """Remove what was created but never recorded, by its type's command."""
    in_the_way = [step for step in refused.steps if step.failed]
    assert in_the_way
    for step in in_the_way:
        assert any(words in refused.text for words in ("exist", "still in use")), refused.text
        stack.remove(step.type, step.name)
