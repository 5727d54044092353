"""Our errors end the program with the status that tells the language host to add nothing."""

import asyncio
from collections.abc import Awaitable

import pytest

from maestro_stack.errors import TOLD, ConfigurationError, Problem, told_once

PROBLEM = Problem(key="clusterName", problem="is missing", example="example: …")


@told_once
async def unusable() -> None:
    raise ConfigurationError([PROBLEM])


@told_once
async def crashing() -> None:
    raise ZeroDivisionError


def test_an_error_of_ours_is_logged_once_and_ends_the_program_with_32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.error", said.append)
    with pytest.raises(SystemExit) as ended:
        asyncio.run(_awaited(unusable()))
    assert ended.value.code == TOLD == 32
    assert isinstance(ended.value.__cause__, ConfigurationError)
    assert said == [str(ended.value.__cause__)]
    assert said[0].startswith("The stack's configuration is not usable: 1 problem.")


async def _awaited(program: Awaitable[None]) -> None:
    await program


def test_anything_else_crashes_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.error", said.append)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(_awaited(crashing()))
    assert said == []
