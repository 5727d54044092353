"""A new emulated account inside this process."""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache, lru_cache

from emulator.aws import emulator, store
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
            store.put_back(_built(region, world.model_dump_json(by_alias=True)))
            yield _cloud(region, world)
    finally:
        _one_at_a_time.release()


@lru_cache(maxsize=32)
def _built(region: str, described: str) -> bytes:
    """What a world file describes, created in the running emulation: taking it from here is far quicker."""
    world = World.model_validate_json(described)
    emulator.build(_cloud(region, world), world)
    return store.snapshot()


def _cloud(region: str, world: World) -> Cloud:
    return Cloud(region, world.account, clients=_clients_in_process())


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
