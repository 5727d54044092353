"""The random provider's resources, by Python's own source of randomness."""

import base64
import secrets
import string
from collections.abc import Callable, Mapping

from rehearsal.aws import Created, NoHandlerError, UnmappedInputError
from rehearsal.values import Json

SECRET_OUTPUTS: Mapping[str, frozenset[str]] = {
    "random:index/randomPassword:RandomPassword": frozenset({"result", "bcryptHash"}),
    "random:index/randomId:RandomId": frozenset(),
}


def create(type_: str, inputs: Mapping[str, Json]) -> Created:
    """A resource of the random provider.

    Raises:
        NoHandlerError: for a type or an input that isn't known here.
    """
    makers: Mapping[str, tuple[Callable[[Mapping[str, Json]], Created], frozenset[str]]] = {
        "random:index/randomPassword:RandomPassword": (
            _password,
            frozenset({"length", "special", "keepers"}),
        ),
        "random:index/randomId:RandomId": (_id, frozenset({"byteLength", "keepers"})),
    }
    if type_ not in makers:
        raise NoHandlerError(f"no handler for resource type {type_}: add one in rehearsal/randomness.py")
    make, known = makers[type_]
    unknown = sorted(inputs.keys() - known)
    if unknown:
        raise UnmappedInputError(f"{type_}: {', '.join(unknown)} is not rehearsed: rehearsal/randomness.py")
    return make(inputs)


def _password(inputs: Mapping[str, Json]) -> Created:
    if inputs.get("special") is not False:
        raise UnmappedInputError("RandomPassword: only special=false is rehearsed: rehearsal/randomness.py")
    alphabet = string.ascii_letters + string.digits
    result = "".join(secrets.choice(alphabet) for _ in range(_whole(inputs["length"])))
    return Created(
        id="none", outputs={**inputs, "result": result, "bcryptHash": f"$2a$10${secrets.token_hex(26)}"}
    )


def _id(inputs: Mapping[str, Json]) -> Created:
    value = secrets.token_bytes(_whole(inputs["byteLength"]))
    b64_url = base64.urlsafe_b64encode(value).decode().rstrip("=")
    outputs: dict[str, Json] = {
        **inputs,
        "hex": value.hex(),
        "dec": str(int.from_bytes(value)),
        "b64Std": base64.b64encode(value).decode(),
        "b64Url": b64_url,
    }
    return Created(id=b64_url, outputs=outputs)


def _whole(value: Json) -> int:
    assert isinstance(value, int | float)  # noqa: S101 the SDK types it
    return int(value)
