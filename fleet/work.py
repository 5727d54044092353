"""Works on several regions at once, until all are done or the command must stop."""

from collections.abc import Callable, Sequence
from concurrent import futures

from fleet.run import Run, Stop

Work = Callable[[Run], None]
"""Work on one region; it sets the outcome, and raises nothing that a user can cause."""


def on_each(
    runs: Sequence[Run], work: Work, *, at_once: int, stop: Stop, may_begin: Callable[[], bool] = lambda: True
) -> None:
    """Do the work on the regions in order, `at_once` at a time, and wait for those that have begun.

    No further one begins after an interrupt, or once `may_begin` returns False.
    """
    waiting = list(runs)
    running: set[futures.Future[None]] = set()
    with futures.ThreadPoolExecutor(max_workers=at_once) as pool:
        while True:
            while waiting and len(running) < at_once and not stop and may_begin():
                running.add(pool.submit(work, waiting.pop(0)))
            if not running:
                return
            # The main thread must wake up for signals.
            done, running = futures.wait(running, timeout=0.2, return_when=futures.FIRST_COMPLETED)
            for each in done:
                each.result()
