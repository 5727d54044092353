"""Small changes to the program and the chart, by number: what a slip, or a bad idea, might look like."""

import ast
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAM = (
    "bootstrap", "broker", "cluster", "credentials", "database", "identity", "kubeconfig", "mqtt", "outputs",
    "permissions", "regional", "server", "sizing",
)  # fmt: skip
"""Modules of maestro_stack that say what is deployed; the others read settings and word messages."""
SEED = 6
CHART = "charts/maestro-server-eso"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One change of one file."""

    file: str
    line: int
    old: str
    new: str
    content: str
    """The whole file's, after the change."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old!r} becomes {self.new!r}"


def mutation(root: Path, number: int) -> Mutation:
    """The mutation with this number: of the program if it is even, of the chart if it is odd."""
    if number % 2 == 0:
        files = [f"maestro_stack/{module}.py" for module in PROGRAM]
        found = _of_program
    else:
        templates = sorted((root / CHART / "templates").glob("*.yaml"))
        files = [f"{CHART}/values.yaml", *(str(file.relative_to(root)) for file in templates)]
        found = _of_chart
    sites = [(file, site) for file in files for site in found((root / file).read_text(encoding="utf-8"))]
    random.Random(SEED).shuffle(sites)  # noqa: S311 no secret
    file, (line, start, end, new) = sites[number // 2]
    content = (root / file).read_text(encoding="utf-8")
    return Mutation(
        file=file, line=line, old=content[start:end], new=new, content=content[:start] + new + content[end:]
    )


Site = tuple[int, int, int, str]
"""A line, where the old text starts and ends in it, and the new text."""


def _of_program(content: str) -> Iterator[Site]:
    """Other constants, missing arguments and items, inverted comparisons."""
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def site(node: ast.expr | ast.keyword, new: str) -> Site:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        return node.lineno, start, starts[node.end_lineno - 1] + node.end_col_offset, new

    for node in ast.walk(ast.parse(content)):
        match node:
            case ast.Call(keywords=keywords):
                for keyword in keywords:
                    if keyword.arg is not None:
                        line, start, end, _ = site(keyword, "")
                        comma = re.compile(r"\s*,").match(content, end)
                        yield line, start, comma.end() if comma else end, ""
                        yield from (site(keyword.value, new) for new in _otherwise(keyword.value))
            case ast.Dict(values=items) | ast.List(elts=items) | ast.Tuple(elts=items):
                for item in items:
                    yield from (site(item, new) for new in _otherwise(item))
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                line, start, end, _ = site(left, "")
                yield line, end, site(right, "")[1], " != "
            case _:
                continue


def _otherwise(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=bool(value)):
            yield repr(not value)
        case ast.Constant(value=int(value)):
            yield repr(value + 1)
        case ast.Constant(value=str(value)):
            yield repr(f"{value}x")
        case _:
            return


_YAML: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b(?:true|false)\b"), lambda found: "false" if found[0] == "true" else "true"),
    (re.compile(r"(?<=[ :])\d+\b"), lambda found: str(int(found[0]) + 1)),
    (re.compile(r"(?<=: )[a-z][\w-]+$"), lambda found: f"{found[0]}x"),
    (re.compile(r"^\s*(?:- )?[\w-]+: .+$"), lambda _: ""),
    (re.compile(r"^\s*- .+$"), lambda _: ""),
)


def _of_chart(content: str) -> Iterator[Site]:
    """Other values, and missing lines; comments stay."""
    start = 0
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.lstrip().startswith(("#", "{{/*")):
            for pattern, new in _YAML:
                yield from (
                    (number, start + found.start(), start + found.end(), new(found))
                    for found in pattern.finditer(line)
                )
        start += len(line) + 1
