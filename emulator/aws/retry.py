"""Repeats a call that AWS refuses only for a while, as the AWS provider does."""

import time
from collections.abc import Callable
from typing import TypeVar

from emulator.aws.cloud import Cloud
from emulator.aws.errors import AwsError

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds


def retrying(
    cloud: Cloud,
    attempt: Callable[[], T],
    *,
    while_: Callable[[AwsError], bool],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """The result of `attempt`, which is repeated while `while_` holds for its error.

    Gives up after `cloud.patience` seconds (if 0, after the first attempt) and raises the last AwsError, as
    the provider does. Any other error is raised at once.
    """
    deadline = clock() + cloud.patience
    wait = _FIRST_PAUSE
    while True:
        try:
            return attempt()
        except AwsError as error:
            left = deadline - clock()
            if left <= 0 or not while_(error):
                raise
        pause(min(wait, left))
        wait = min(2 * wait, _LONGEST_PAUSE)


def has_code(*codes: str) -> Callable[[AwsError], bool]:
    """A predicate: whether an error has one of these codes."""
    return lambda error: error.code in codes
