"""What the program's text newly uses from outside itself: a rehearsal only shows what it does here.

A program may ask where it runs, and behave differently elsewhere. No run can show that, but a name that it
didn't use before can. docs/review.md describes the limits.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from review.model import Change, Difference, Grade, Part, Way
from review.revisions import JUDGES, Revision, changed_files

_BUILTINS = frozenset(dir(builtins))
_PLAIN = frozenset({
    "ArithmeticError", "Exception", "KeyError", "LookupError", "NotImplementedError", "TypeError",
    "ValueError", "all", "any", "bool", "dict", "enumerate", "filter", "float", "frozenset", "int",
    "isinstance", "len", "list", "map", "max", "min", "next", "print", "property", "range", "repr",
    "reversed", "round", "set", "sorted", "staticmethod", "str", "sum", "super", "tuple", "type", "zip",
})  # fmt: skip
"""Builtins that learn nothing about the surroundings."""


@dataclass(frozen=True)
class _Names:
    used: frozenset[str]
    """Modules, builtins and attributes that come from elsewhere."""
    own: frozenset[str]
    """What the program defines itself."""


def told(before: Revision, after: Revision) -> Iterator[Change]:
    """One change, if the program's text names something that it didn't name before."""
    if not any(map(_is_program, changed_files(before, after))):
        return
    try:
        was, is_ = (_names(revision) for revision in (before, after))
    except (SyntaxError, ValueError, RecursionError):
        return  # the rehearsal says so
    new = sorted(is_.used - was.used - is_.own)
    if not new:
        return
    judging = sorted({name.partition(".")[0] for name in new} & {*JUDGES})
    yield Change(
        part=Part.FILE,
        subject="maestro_stack",
        way=Way.UPDATED,
        sentence="the program, maestro_stack, names what it didn't name before",
        effect="",
        grade=Grade.DANGEROUS if judging else Grade.LOOK,
        reason=f"it reaches for what judges it: {', '.join(judging)}"
        if judging
        else "a rehearsal shows what it does here, not what it does where the answer is another",
        differences=tuple(Difference(path="names", before=None, after=name) for name in new),
    )


def _is_program(path: str) -> bool:
    return path.endswith(".py") and (path == "__main__.py" or path.startswith("maestro_stack/"))


def _names(revision: Revision) -> _Names:
    found = [revision.content(path) for path in sorted(revision.files) if _is_program(path)]
    trees = [ast.parse(content) for content in found if content is not None]
    own = frozenset(name for tree in trees for name in _defined(ast.walk(tree)))
    return _Names(used=frozenset(name for tree in trees for name in _used(tree, own)), own=own)


def _defined(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.arg(arg=name):
                yield name
            case _:
                continue


def _used(tree: ast.Module, own: frozenset[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith("maestro_stack"):
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Name(id=name, ctx=ast.Load()) if name in _BUILTINS - _PLAIN - own:
                yield name
            case ast.Name(id=name) if name.startswith("__") and name != "__name__":
                yield name
            case ast.Attribute(attr=name, ctx=ast.Load()) if name not in own:
                yield f".{name}"
            case _:
                continue
