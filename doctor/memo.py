"""Asks each thing once, however many questions need it at the same time."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Remembers answers by key, refusals included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[T]] = {}

    def __call__(self, key: Hashable, ask: Callable[[], T]) -> T:
        """What `ask` returns, or returned for this key before. Raises what it raised."""
        with self._lock:
            known = self._answers.get(key)
            answer = self._answers.setdefault(key, Future[T]()) if known is None else known
        if known is None:
            try:
                answer.set_result(ask())
            except Exception as refusal:  # noqa: BLE001 raised below, for everyone who asks
                answer.set_exception(refusal)
        return answer.result()
