"""The emulated providers in this process, for tests that run the engine often.

An operation starts three plugins, each of which takes a third of a second of CPU. The engine can be told to
use running ones instead (PULUMI_DEBUG_PROVIDERS); the protocol is the same.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Self

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from emulator.executables import PACKAGES
from emulator.protocol import ProviderServicer, listen


class Attached:
    """One server per package, from `with` on; `variables` make the engine use them."""

    def __init__(self, packages: Iterable[str] = PACKAGES) -> None:
        self._packages = packages
        self._environment: Mapping[str, str] = {}
        self._running = ExitStack()
        self.variables: dict[str, str] = {}

    def __enter__(self) -> Self:
        addresses: list[str] = []
        for package in self._packages:
            server, port = listen(_PerInstance(lambda package=package: self._instance(package)))
            self._running.callback(server.stop, None)
            addresses.append(f"{package}:{port}")
        self.variables = {"PULUMI_DEBUG_PROVIDERS": ",".join(addresses)}
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def heed(self, environment: Mapping[str, str]) -> None:
        """Serve as plugins that the engine would start with this environment."""
        self._environment = environment

    def _instance(self, package: str) -> ProviderServicer:
        return ProviderServicer(package, self._environment)


class _PerInstance(provider_pb2_grpc.ResourceProviderServicer):
    """Each provider instance of the engine has a connection of its own, and here a servicer of its own."""

    def __init__(self, new: Callable[[], ProviderServicer]) -> None:
        self._new = new
        self._instances: dict[str, ProviderServicer] = {}

    def of(self, context: grpc.ServicerContext) -> ProviderServicer:
        return self._instances.setdefault(context.peer(), self._new())


def _pass_on(name: str) -> Callable[[_PerInstance, object, grpc.ServicerContext], object]:
    def method(self: _PerInstance, request: object, context: grpc.ServicerContext) -> object:
        return getattr(self.of(context), name)(request, context)

    return method


for _name in vars(provider_pb2_grpc.ResourceProviderServicer):
    if not _name.startswith("_"):
        setattr(_PerInstance, _name, _pass_on(_name))
