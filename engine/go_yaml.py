"""YAML as the engine reads it: Go's yaml.v3, whose scalars and duplicates differ from PyYAML's."""

import base64
import binascii
import json
import math
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import yaml

_TAG = "tag:yaml.org,2002:"
_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:([Tt ])(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?(Z|[-+]\d\d:\d\d)?)?"
)
_EXPONENT_FROM = 1e21
_EXPONENT_BELOW = 1e-6


def load(text: str) -> object:
    """The first document: mappings, lists, texts, numbers, booleans and None.

    A time becomes the text that Go prints it as. Raises yaml.YAMLError.

    Source: gopkg.in/yaml.v3, resolve.go and decode.go; Pulumi's sdk/go/common/workspace.
    """
    loader = _Loader(text)
    node = loader.first()
    return None if node is None else loader.document(node)


def lines_along(text: str, path: Sequence[str | int]) -> list[int]:
    """The lines, from 1, of the keys and list members on a path, as far as the document has them."""
    node = _Loader(text).first()
    lines: list[int] = []
    for part in path:
        there = next((pair for name, pair in _members(node) if name == part), None)
        if there is None:
            break
        begin, node = there
        lines.append(begin.start_mark.line + 1)
    return lines


def _members(node: yaml.Node | None) -> Iterator[tuple[str | int, tuple[yaml.Node, yaml.Node]]]:
    """By its name or number, what each member of a mapping or a list begins with, and its value."""
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, (key, value)) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((number, (member, member)) for number, member in enumerate(node.value))


def dump(content: Mapping[str, object]) -> str:
    """YAML in which each text is quoted, so that it stays one."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


def plain(value: object) -> str:
    """A value of the configuration as the engine hands it to a program: its text, or JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value)
    is_one = isinstance(value, bool | int)
    return json.dumps(value if is_one else _decoded(value), separators=(",", ":"), ensure_ascii=False)


def _decoded(value: object) -> object:
    """Numbers within objects have been through JSON: floats, and integers again where they are whole."""
    if isinstance(value, dict):
        items = cast(dict[str, object], value).items()
        return {key: _decoded(inner) for key, inner in sorted(items)}
    if isinstance(value, list):
        return [_decoded(inner) for inner in cast(list[object], value)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return cast(object, json.loads(_number(float(value))))
    return value


def _number(value: float) -> str:
    """As Go's encoding/json writes it."""
    size = abs(value)
    if size >= _EXPONENT_FROM or 0 < size < _EXPONENT_BELOW:
        return re.sub(r"e([-+])0", r"e\1", repr(value))
    found = f"{Decimal(repr(value)):f}"
    return re.sub(r"\.0+$", "", found)


def _scalar(text: str) -> object:
    """What an unquoted scalar is."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in ".+-0123456789":
        return text
    if (found := _TIME.fullmatch(text)) and (time := _time(found)):
        return time
    number = text if text[0] == "." else text.replace("_", "")
    if text[0] != "." and (found := _INTEGER.fullmatch(number)):
        sign, hexadecimal, binary, octal, decimal = found.groups()
        digits, base = next(
            (d, b) for d, b in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)) if d is not None
        )
        value = int(sign + digits, base)
        # Go's int64, and its uint64 without a sign.
        if -(2**63) <= value < (2**63 if sign else 2**64):
            return value
    return float(number) if _FLOAT.fullmatch(number) and math.isfinite(float(number)) else text


def _time(found: re.Match[str]) -> str | None:
    """As Go prints a time, or None if it is none."""
    year, month, day, letter, hour, minute, second, fraction, zone = found.groups()
    # With a T, a zone is needed; with a space, there is none.
    if letter and (letter == " ") == bool(zone):
        return None
    try:
        date = datetime(  # noqa: DTZ001 only printed
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
    except ValueError:
        return None
    rest = f".{fraction}".rstrip("0").rstrip(".") if fraction else ""
    offset = (zone or "Z").replace(":", "")
    shown = "+0000 UTC" if offset in ("Z", "+0000") else f"{offset} {offset}"
    return f"{date:%Y-%m-%d %H:%M:%S}{rest} {shown}"


class _Loader(yaml.SafeLoader):
    """PyYAML's parser, with Go's scalars; a key that is given twice is an error."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return f"{_TAG}{'map' if kind is yaml.MappingNode else 'seq'}"
        if not implicit[0]:
            return f"{_TAG}str"
        return f"{_TAG}merge" if value == "<<" else f"{_TAG}scalar"

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                first = node.value[keys.index(key)][0].start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f'mapping key "{key}" is already defined in line {first}',
                    problem_mark=node.value[index][0].start_mark,
                )
        return super().construct_mapping(node, deep=deep)

    def first(self) -> yaml.Node | None:
        """The first document, if there is one."""
        return self.get_node() if self.check_node() else None

    def document(self, node: yaml.Node) -> object:
        """What a document holds."""
        return cast(object, self.construct_document(node))  # pyright: ignore[reportUnknownMemberType]

    def scalar(self, node: yaml.ScalarNode) -> object:
        """What a scalar is that has no tag, or one that says what it is."""
        return _scalar(node.value)

    def binary(self, node: yaml.ScalarNode) -> str:
        """Go's text of bytes is those bytes."""
        try:
            return base64.b64decode(node.value, validate=False).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise yaml.constructor.ConstructorError(
                problem="!!binary must hold text in base64", problem_mark=node.start_mark
            ) from None


class _Dumper(yaml.SafeDumper):
    """What to Go is a number or a time, isn't always one to PyYAML, which leaves it unquoted then."""

    def quoted(self, text: str) -> yaml.ScalarNode:
        """The text in quotes."""
        return yaml.ScalarNode(f"{_TAG}str", text, style='"')

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:  # noqa: FBT001
        """Keys are quoted where they must be."""
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            key.style = None if isinstance(_scalar(key.value), str) else '"'
        return node


_Dumper.add_representer(str, _Dumper.quoted)
for _name in ("scalar", "int", "float", "bool", "null", "timestamp"):
    _Loader.add_constructor(f"{_TAG}{_name}", _Loader.scalar)
_Loader.add_constructor(f"{_TAG}binary", _Loader.binary)
