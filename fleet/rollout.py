"""Takes a change through the waves: a wave begins when the previous one is done, healthy and has soaked.

Healthy means: `up` succeeded, for which Pulumi waits until Helm finds the pods ready, and Helm's status of
the release is `deployed`. After the soak time the provider reads the release from the cluster again. Neither
shows how the pods are by then: docs/fleet.md names the command for that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from engine.events import Observer
from fleet import region
from fleet.cli import Cli, CliError, Ended
from fleet.file import Fleet, Wave, seconds
from fleet.preflight import Known
from fleet.run import SOAKING, Outcome, Run, Stop
from fleet.work import Work, on_each


def preview_all(cli: Cli, runs: Sequence[Run], *, at_once: int, stop: Stop) -> None:
    """Preview `up` for each region; a region in which nothing would change is finished."""

    def preview(run: Run) -> None:
        if _operated(cli, run, "previewing", region.preview, stop) is None:
            return
        if run.changes:
            run.wait()
        else:
            run.end(Outcome.UNCHANGED)

    on_each(runs, preview, at_once=at_once, stop=stop)


def look_for_drift(cli: Cli, runs: Sequence[Run], *, at_once: int, stop: Stop) -> None:
    """Check whether each region is as its state says."""

    def look(run: Run) -> None:
        ended = _operated(cli, run, "looking for drift", region.drift, stop)
        if ended is not None:
            found = [f"{s.operation} {s.type} {s.name}" for s in ended.steps if s.operation in run.changes]
            run.end(Outcome.DRIFTED if found else Outcome.UNCHANGED, *found)

    on_each(runs, look, at_once=at_once, stop=stop)


def roll_out(cli: Cli, fleet: Fleet, runs: Mapping[str, Run], known: Known, *, stop: Stop) -> None:
    """Run `up` in the regions that aren't finished, wave by wave. The rest are marked as not reached."""

    def up(run: Run) -> None:
        if _operated(cli, run, "updating", region.up, stop) is not None:
            _judge(cli, run)

    for run in runs.values():
        state = known.states[run.stack]
        if run.outcome is Outcome.UNCHANGED and not state.is_healthy:
            run.end(Outcome.FAILED, _unhealthy(state.release_status))
    for index, wave in enumerate(fleet.waves):
        members = [runs[stack] for stack in wave.stacks]
        _work_on(wave, members, up, fleet=fleet, stop=stop)
        is_last = index == len(fleet.waves) - 1
        if stop or _exceeded(wave, members) or (not is_last and not _soaked(cli, wave, members, known, stop)):
            break
    _give_up(runs.values())


def destroy_all(cli: Cli, fleet: Fleet, runs: Mapping[str, Run], *, stop: Stop) -> None:
    """Run `destroy` wave by wave; failures stop it as they stop an `up`."""

    def destroy(run: Run) -> None:
        if _operated(cli, run, "destroying", region.destroy, stop) is not None:
            run.end(Outcome.DONE)

    for wave in fleet.waves:
        members = [runs[stack] for stack in wave.stacks]
        _work_on(wave, members, destroy, fleet=fleet, stop=stop)
        if stop or _exceeded(wave, members):
            break
    _give_up(runs.values())


def _work_on(wave: Wave, members: Sequence[Run], work: Work, *, fleet: Fleet, stop: Stop) -> None:
    on_each(
        [run for run in members if run.outcome is None],
        work,
        at_once=wave.max_concurrent or fleet.max_concurrent,
        stop=stop,
        may_begin=lambda: not _exceeded(wave, members),
    )


def _exceeded(wave: Wave, members: Sequence[Run]) -> bool:
    return sum(run.outcome is Outcome.FAILED for run in members) > wave.tolerated


def _give_up(runs: Iterable[Run]) -> None:
    for run in runs:
        if run.outcome is None:
            run.end(Outcome.NOT_REACHED)


def _operated(
    cli: Cli, run: Run, doing: str, operation: Callable[[Cli, str, Observer], Ended], stop: Stop
) -> Ended | None:
    """Run an operation on a region; if it fails, the region is finished, and None is returned."""
    run.begin(doing)
    ended = operation(cli, run.stack, run.see)
    run.changes = region.changes(ended)
    if ended.succeeded:
        return ended
    run.end(_failed(stop), *ended.errors)
    return None


def _failed(stop: Stop) -> Outcome:
    """The outcome of a failed operation: engines that were told to cancel fail, too."""
    return Outcome.INTERRUPTED if stop.times > 1 else Outcome.FAILED


def _judge(cli: Cli, run: Run) -> None:
    """Finish a region whose `up` succeeded, by whether its release is healthy."""
    try:
        state = region.state(cli, run.stack)
    except CliError as unreadable:
        run.end(Outcome.FAILED, f"up succeeded, but its state can't be read: {unreadable}")
        return
    if state.is_healthy:
        run.end(Outcome.DONE)
    else:
        run.end(Outcome.FAILED, _unhealthy(state.release_status))


def _unhealthy(status: str) -> str:
    return f"the release is {status or 'missing'}, not {region.HEALTHY}: docs/recovery.md, A stuck release"


def _soaked(cli: Cli, wave: Wave, members: Sequence[Run], known: Known, stop: Stop) -> bool:
    """Wait for the soak time, and check the releases once more; returns whether the next wave may begin.

    The time counts from each region's last update according to the backend, so that a rollout that is
    interrupted and run again waits only for the rest of it.
    """
    good = [run for run in members if run.outcome and run.outcome.is_good]
    rest = max((_rest(run, wave, known) for run in good), default=0.0)
    if rest <= 0:
        return True
    for run in good:
        run.wait(SOAKING)
        run.detail = f"{rest:.0f} s in all"
    interrupted = stop.wait(rest)

    def look(run: Run) -> None:
        outcome = run.outcome or Outcome.DONE
        if interrupted:
            run.end(outcome)
            return
        run.begin("looking at the release")
        said = _release_now(cli, run)
        run.end(Outcome.FAILED if said else outcome, *said)

    on_each(good, look, at_once=max(1, len(good)), stop=Stop())
    return not interrupted and not _exceeded(wave, members)


def _release_now(cli: Cli, run: Run) -> Sequence[str]:
    """What is wrong with the release in the cluster; empty if nothing is."""
    try:
        urn = region.state(cli, run.stack).release_urn
    except CliError as unreadable:
        return [f"after the soak time, its state can't be read: {unreadable}"]
    if not urn:
        return []  # somebody else installs the chart, and looks after it
    ended = region.drift(cli, run.stack, run.see, only=urn)
    if not ended.succeeded:
        return ended.errors
    changes = region.changes(ended)
    return [f"after the soak time, the release has changed: {', '.join(changes)}"] if changes else []


def _rest(run: Run, wave: Wave, known: Known) -> float:
    """Seconds for which the region's release must still run before the soak is over."""
    updated = known.listed[run.stack].updated if run.outcome is Outcome.UNCHANGED else datetime.now(UTC)
    passed = (datetime.now(UTC) - updated).total_seconds() if updated else 0.0
    return seconds(wave.soak) - passed
