"""A new emulated account inside this process."""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

from emulator.aws import emulator
from emulator.aws.cloud import Clients, Cloud
from emulator.aws.regions import find_region
from emulator.world import World

_one_at_a_time = threading.Lock()


@contextmanager
def in_process_cloud(region: str, world: World) -> Generator[Cloud]:
    """A new emulated account inside this process, containing what `world` describes; discarded on exit.

    Only one at a time, since moto's state is global. While it is open, every AWS_… variable is removed from
    the environment, so that neither a profile nor credentials of the user can matter.
    Raises UnknownRegionError.
    """
    find_region(region)
    if not _one_at_a_time.acquire(blocking=False):
        raise RuntimeError("an emulated AWS account is already open in this process")
    try:
        with _without_aws_environment(), emulator.running():
            cloud = Cloud(region, world.account, clients=_clients_in_process())
            emulator.build(cloud, world)
            yield cloud
    finally:
        _one_at_a_time.release()


@cache
def _clients_in_process() -> Clients:
    """Kept for the life of the process, since creating a client takes longer than using it."""
    return Clients(None, emulator.answer)


@contextmanager
def _without_aws_environment() -> Generator[None]:
    """Remove the AWS_… variables, since moto itself creates boto3 sessions that read them."""
    taken = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("AWS_")}
    nothing = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    os.environ.update(nothing)
    try:
        yield
    finally:
        for key in nothing:
            os.environ.pop(key, None)
        os.environ.update(taken)
