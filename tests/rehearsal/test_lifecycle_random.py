"""The random provider's values after their creation: only another input replaces one."""

from collections.abc import Mapping

import pytest

from common.json_values import Json
from emulator.randomness import Randomness

PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105 a type
GIVEN: Mapping[str, Json] = {"length": 24, "special": False, "keepers": {"rotation": "1"}}


@pytest.mark.parametrize(
    ("given", "replaces"),
    [
        (GIVEN, ()),
        ({**GIVEN, "upper": True}, ()),
        ({**GIVEN, "upper": False}, ("upper",)),
        ({**GIVEN, "keepers": {"rotation": "2"}}, ("keepers",)),
        ({"length": 24, "keepers": {"rotation": "1"}}, ("special",)),
    ],
    ids=["nothing", "a default is given", "fewer characters", "another keeper", "a default is taken"],
)
def test_a_password_is_replaced_for_another_input_only(
    given: Mapping[str, Json], replaces: tuple[str, ...]
) -> None:
    provider = Randomness()
    state = provider.create(PASSWORD, GIVEN)
    difference = provider.difference(PASSWORD, state, given)
    assert (difference.updates, difference.replaces) == ((), replaces)
