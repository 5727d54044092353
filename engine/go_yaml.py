"""YAML as the engine reads it: Go's yaml.v3, whose scalars and duplicates differ from PyYAML's."""

import base64
import binascii
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
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
DEPTH = 100
"""How deep a file may be nested; the engine's limit is 10,000."""
VISITS = 100_000
"""How many nodes a file may have with its aliases followed; the engine's limit is some 400,000."""
_MERGE = f"{_TAG}merge"
_BREAKS = {"\r", "\n", "\x85", "\u2028", "\u2029"}
_EXPONENT_FROM = 1e21
_EXPONENT_BELOW = 1e-6


def load(text: str) -> object:
    """The first document: mappings, lists, strings, numbers, booleans and None.

    A time becomes a string, as Go prints it. Raises yaml.YAMLError.

    Source: gopkg.in/yaml.v3, resolve.go and decode.go; Pulumi's sdk/go/common/workspace.
    """
    node = _Loader(text).first()
    return None if node is None else _Decoder().value(node)


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
    """For each member of a mapping or list: its name or number, the node it begins with, and its value."""
    if isinstance(node, yaml.MappingNode):
        yield from ((key.value, (key, value)) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((number, (member, member)) for number, member in enumerate(node.value))


def dump(content: Mapping[str, object]) -> str:
    """YAML in which every string is quoted, so that it stays one."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


def plain(value: object) -> str:
    """A value of the configuration as the engine passes it to a program: its text, or JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value)
    is_one = isinstance(value, bool | int)
    return json.dumps(value) if is_one else _json(value)


def _json(value: object) -> str:
    """As Go's encoding/json writes what has been through JSON once, which makes its numbers floats."""
    if isinstance(value, dict):
        items = cast(dict[object, object], value).items()
        members = sorted(((_key(key), _json(inner)) for key, inner in items), key=itemgetter(0))
        return f"{{{','.join(f'{_json(key)}:{inner}' for key, inner in members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_json, cast(list[object], value)))}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(float(value))
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _number(value: float) -> str:
    """As Go's encoding/json writes it."""
    value += 0.0  # no -0
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
        # Go's int64, or its uint64 if there is no sign.
        if -(2**63) <= value < (2**63 if sign else 2**64):
            return value
    return float(number) if _FLOAT.fullmatch(number) and math.isfinite(float(number)) else text


def _time(found: re.Match[str]) -> "_Time | None":
    """The time as Go prints it, or None if it isn't one."""
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
    return _Time(f"{date:%Y-%m-%d %H:%M:%S}{rest} {shown}")


class _Time(str):
    """A time, as Go prints it."""

    __slots__ = ()


_TAGGED: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "float": (float, int),
    "int": (int,),
    "null": (type(None),),
    "timestamp": (_Time,),
}
"""By tag, the types that fit it."""


class _Loader(yaml.SafeLoader):
    """PyYAML's parser, which also tells what is quoted and treats tabs as yaml.v3 does."""

    _depth = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode:
            return f"{_TAG}{'map' if kind is yaml.MappingNode else 'seq'}"
        if not implicit[0]:
            return f"{_TAG}str"
        return _MERGE if value == "<<" else f"{_TAG}scalar"

    def first(self) -> yaml.Node | None:
        """The first document, if there is one."""
        return self.get_node() if self.check_node() else None

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEPTH:
            raise _wrong(f"it is nested more than {DEPTH} deep", self.get_mark())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self._ahead(0) == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: Any, start_mark: Any) -> Any:
        length = next(number for number in itertools.count() if self._ahead(number) not in {" ", "\t"})
        blanks = cast(str, self.prefix(length))  # pyright: ignore[reportUnknownMemberType]
        self.forward(length)
        if self._ahead(0) in _BREAKS:
            return super().scan_plain_spaces(indent, start_mark)  # pyright: ignore[reportUnknownMemberType]
        return [blanks] if blanks else []

    def _ahead(self, count: int) -> str:
        return cast(str, self.peek(count))  # pyright: ignore[reportUnknownMemberType]


class _Decoder:
    """The value of a node. Source: yaml.v3, decode.go."""

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._visits = 0

    def value(self, node: yaml.Node) -> object:
        """The node, decoded into Go's `any`."""
        if id(node) in self._begun - self._ended:
            raise _wrong("an anchor's value contains itself", node.start_mark)
        self._begun.add(id(node))
        self._visits += 1
        if self._visits > VISITS:
            raise _wrong("too much of it is repeated by aliases", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.value(member) for member in node.value]
        else:
            value = _tagged(node)
        self._ended.add(id(node))
        return value

    def _mapping(self, node: yaml.MappingNode, *, of_texts: bool = False) -> dict[object, object]:
        """If all of a mapping's own keys are strings, those merged into it become strings, as written."""
        keys = [key.value for key, _ in node.value]
        of_texts = of_texts or all(type(self._key(key)) is str for key, _ in node.value)
        given: dict[object, object] = {}
        merged: dict[object, object] = {}
        for index, (key, value) in enumerate(node.value):
            if key.value in keys[:index]:
                first = node.value[keys.index(key.value)][0].start_mark.line + 1
                raise _wrong(f'mapping key "{key.value}" is already defined in line {first}', key.start_mark)
            if key.value == "<<":  # even in quotes: Pulumi writes and reads it once more
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in reversed(sources):
                    if not isinstance(source, yaml.MappingNode):
                        raise _wrong("<< must be a mapping or a list of mappings", source.start_mark)
                    merged |= self._mapping(source, of_texts=of_texts)
            else:
                given[key.value if of_texts else self._key(key)] = self.value(value)
        return {**merged, **given}

    @staticmethod
    def _key(node: yaml.Node) -> object:
        if isinstance(node, yaml.ScalarNode):
            return _tagged(node)
        raise _wrong("a key can't be a list or a mapping", node.start_mark)


def _wrong(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=mark)


def _tagged(node: yaml.Node) -> object:
    """A scalar: without a tag, with one that it must fit, or with one that Go doesn't know."""
    tag, text = node.tag.removeprefix(_TAG), cast(str, node.value)
    if tag == "binary":
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise _wrong("!!binary must hold text in base64", node.start_mark) from None
    if tag != "scalar" and tag not in _TAGGED:
        return text
    value = _scalar(text)
    if tag in _TAGGED and type(value) not in _TAGGED[tag]:
        raise _wrong(f"{text} is not of type !!{tag}", node.start_mark)
    return float(cast(int, value)) if tag == "float" else value


def _key(value: object) -> str:
    """As Go's fmt prints a key that isn't a string."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return (
            repr(value)
            if value and not 1e-4 <= abs(value) < 1e21
            else re.sub(r"\.0$", "", f"{Decimal(repr(value)):f}")
        )
    return str(value)


class _Dumper(yaml.SafeDumper):
    """Quotes also what only Go reads as a number or a time, which PyYAML would leave unquoted."""

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
