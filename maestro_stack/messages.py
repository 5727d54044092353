"""Wording of configuration problems: what is wrong with a value, and what a valid one looks like."""

import difflib
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import cast, get_args

from pydantic_core import ErrorDetails

from maestro_stack.errors import Problem
from maestro_stack.schema import Configuration, Section

Location = Sequence[str | int]
"""Path of a value in the configuration: keys and list positions."""

SENTENCES = {
    "missing": "is missing",
    "rule": "{value} {problem}",
    "form": "{form}, not {value}",
    "model_type": "must be an object, not {value}",
    "dict_type": "must be an object, not {value}",
    "list_type": "must be a list, not {value}",
    "tuple_type": "must be a list, not {value}",
    "int_type": "must be a whole number, not {value}",
    "int_from_float": "must be a whole number, not {value}",
    "bool_type": "must be true or false, not {value}",
    "string_type": "must be text, not {value}",
    "greater_than_equal": "{value} is below {ge}, the minimum",
    "less_than_equal": "{value} is above {le}, the maximum",
    "literal_error": "must be {expected}, not {value}",
    "string_too_short": "is empty",
    "too_short": "has fewer than {min_length}",
    "too_long": "has more than {max_length}",
}
"""By pydantic's error type; the placeholders are the error's own context and the value as shown."""


def problem_of(error: ErrorDetails, *, is_secret: bool) -> Problem:
    """The problem that pydantic found, in the user's own terms."""
    loc = [part for part in error["loc"] if part != "[key]"]
    is_secret = is_secret or loc == ["kubernetes", "kubeconfig"]
    return problem_in(Configuration, loc, error, example_at(*loc), is_secret=is_secret)


def problem_in(
    file: type[Section], loc: Location, error: ErrorDetails, example: str, *, is_secret: bool = False
) -> Problem:
    """The problem that pydantic found at a location in a file with this schema."""
    if error["type"] == "extra_forbidden":
        parts = str(loc[-1]).split(".")
        if len(loc) == 1 and len(parts) > 1 and file is Configuration and _is_known(parts):
            right = example_at(*parts).replace("example: ", f"example: pulumi config rm {loc[0]}; ")
            problem = "is read as a single key: --path was left out"
            return Problem(key=str(loc[0]), problem=problem, example=right)
        section = section_at(file, loc[:-1])
        known = [str(f.alias) for f in section.model_fields.values()] if section else []
        word = str(loc[-1])
        hint = did_you_mean(word, known, cutoff=0.8) or _elsewhere(file, word) or did_you_mean(word, known)
        problem = f"is not a known key{hint}"
        return Problem(key=_path(loc), problem=problem, example=f"known keys here: {', '.join(known)}")
    value = "the secret value" if is_secret else shown(error.get("input"))
    words = {**error.get("ctx", {}), "value": value, "message": error["msg"]}
    sentence = SENTENCES.get(error["type"], "{value}: {message}")
    if is_secret:  # "not the secret value" would say something else
        sentence = re.sub("(.*), not {value}", r"{value} \1", sentence)
    return Problem(key=_path(loc), problem=sentence.format(**words), example=example)


def shown(value: object) -> str:
    """A value as messages quote it: JSON, cut to 60 characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:56]} …"


def did_you_mean(word: str, known: Sequence[str], *, cutoff: float = 0.6) -> str:
    """` (did you mean X?)`, or nothing if no known word is close (cutoff 1: the same)."""
    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=cutoff)
    return f" (did you mean {lower[close[0]]}?)" if close else ""


def _is_known(loc: Sequence[str]) -> bool:
    section = section_at(Configuration, loc[:-1])
    return section is not None and any(f.alias == loc[-1] for f in section.model_fields.values())


def _elsewhere(file: type[Section], word: str) -> str:
    """` (did you mean a.b?)` for a key that other sections have, or nothing."""
    places = [path for path in _paths(file) if path.rpartition(".")[2].lower() == word.lower()]
    return f" (did you mean {' or '.join(places)}?)" if places else ""


def _paths(section: type[Section], above: str = "") -> Iterator[str]:
    """Every key below a section, except those in lists."""
    for field in section.model_fields.values():
        path = f"{above}{field.alias}"
        yield path
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _paths(field.annotation, f"{path}.")


def section_at(file: type[Section], loc: Location) -> type[Section] | None:
    """The section that `loc` leads to in a file with this schema, if it leads to one."""
    model: type[Section] | None = file
    for part in loc:
        if isinstance(part, int):
            continue
        if model is None:
            return None
        field = next((f for f in model.model_fields.values() if f.alias == part), None)
        model = next(_sections_in(field.annotation), None) if field else None
    return model


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    """Sections named in a type such as `tuple[Acknowledgement, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in cast(tuple[object, ...], get_args(annotation)):
        yield from _sections_in(part)


def example_at(*loc: str | int) -> str:
    """What a valid value for the key at `loc` looks like, as a command or a line of the stack file."""
    for depth in range(len(loc), 0, -1):
        above = section_at(Configuration, loc[: depth - 1])
        fields = above.model_fields.values() if above else ()
        examples = next((f.examples for f in fields if f.alias == loc[depth - 1]), None)
        if examples:
            return _example_of(loc[:depth], cast(object, examples[0]))
    return "see docs/configuration.md"


def _example_of(loc: Location, value: object) -> str:
    if isinstance(value, dict | list | tuple):
        names = [part for part in loc if isinstance(part, str)]
        return f"example, in the stack's file: {names[0]}: {_nested(names[1:], cast(object, value))}"
    if isinstance(value, str) and value.startswith("("):
        return f"example: {value}"
    text = value if isinstance(value, str) else json.dumps(value)
    words = ["pulumi", "config", "set", *(["--path"] if len(loc) > 1 else []), _path(loc), text]
    return f"example: {shlex.join(words)}"


def _path(loc: Location) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _nested(path: list[str], value: object) -> str:
    for key in reversed(path):
        value = {key: value}
    return json.dumps(value)
