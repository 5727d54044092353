"""What the program's text newly uses from outside itself: a rehearsal only shows what it does here.

A program may ask where it runs, and behave differently elsewhere. No run can show that, but a name that it
didn't use before can. docs/review.md describes the limits.
"""

import ast
import builtins
import re
import sys
from collections import Counter
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
_FORMATS = "format()"
"""Stands for the formatting of a text that isn't written out: its fields may look up any attribute."""
_ASKS = frozenset({_FORMATS,
    ".absolute", ".cwd", ".environ", ".exists", ".expanduser", ".get_organization", ".getenv", ".glob",
    ".group", ".home", ".is_dir", ".is_dry_run", ".is_file", ".is_mount", ".is_symlink", ".iterdir",
    ".lstat", ".modules", ".now", ".owner", ".read_bytes", ".read_text", ".readlink", ".resolve", ".rglob",
    ".samefile", ".stat", ".time", ".today", ".utcnow", "__file__", "eval", "exec", "getattr", "globals",
    "hasattr", "open", "vars",
})  # fmt: skip
"""Names that learn something about the surroundings; each additional use of one is reported."""
_FIELD = re.compile(r"\{[^{}]*?((?:\.\w+|\[\w+\])[^{}]*)\}")
"""A field of a format string that looks up an attribute or an item."""
_RUN_BY_THE_ENGINE = frozenset({"hooks=", "transforms=", ".register_resource_transform",
                                ".register_invoke_transform", ".register_stack_transform"})  # fmt: skip
"""Names by which a program gives code to the engine."""


@dataclass(frozen=True)
class _Names:
    used: Counter[str]
    """How often it names modules, builtins and attributes that come from elsewhere."""
    trees: tuple[ast.Module, ...]


def told(before: Revision, after: Revision) -> Iterator[Change]:
    """What the program's text newly names, or uses once more, and code that only the engine runs."""
    if not any(map(_is_program, changed_files(before, after))):
        return
    try:
        was, is_ = (_names(revision) for revision in (before, after))
    except (SyntaxError, ValueError, RecursionError):
        return  # the rehearsal says so
    # Those that are new are told below.
    unrun = sorted(was.used.keys() & is_.used.keys() & _RUN_BY_THE_ENGINE)
    if unrun and [*map(ast.dump, was.trees)] != [*map(ast.dump, is_.trees)]:
        reason = "a rehearsal doesn't run its hooks and transforms: read them"
        yield _change("changes, and has code that only the engine runs", Grade.LOOK, reason, "names", unrun)
    here = "a rehearsal shows what it does here, not what it does where the answer differs"
    if again := sorted(name for name in _ASKS & was.used.keys() if is_.used[name] > was.used[name]):
        yield _change("asks once more what may differ elsewhere", Grade.LOOK, here, "names", again)
    if new := sorted(is_.used.keys() - was.used.keys()):
        judging = sorted({name.partition(".")[0] for name in new} & {*JUDGES})
        grade = Grade.DANGEROUS if judging else Grade.LOOK
        reason = f"it reaches for what judges it: {', '.join(judging)}" if judging else here
        yield _change("names what it didn't name before", grade, reason, "names", new)


def _change(what: str, grade: Grade, reason: str, path: str, names: list[str]) -> Change:
    return Change(
        part=Part.FILE,
        subject="maestro_stack",
        way=Way.UPDATED,
        sentence=f"the program, maestro_stack, {what}",
        effect="",
        grade=grade,
        reason=reason,
        differences=tuple(Difference(path=path, before=None, after=name) for name in names),
    )


def _is_program(path: str) -> bool:
    return path.endswith(".py") and (path == "__main__.py" or path.startswith("maestro_stack/"))


def _names(revision: Revision) -> _Names:
    found = [revision.content(path) for path in sorted(revision.files) if _is_program(path)]
    trees = [ast.parse(content) for content in found if content is not None]
    own = frozenset(name for tree in trees for name in _defined(ast.walk(tree)))
    used = Counter(name for tree in trees for name in _used(tree, own))
    return _Names(used=used, trees=tuple(trees))


def _tells(attribute: str) -> bool:
    """Whether an attribute may tell something of the surroundings, even if the program defines one, too."""
    return f".{attribute}" in _ASKS or attribute in sys.stdlib_module_names or attribute.startswith("__")


def _defined(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                continue


def _foreign(tree: ast.Module) -> Iterator[str]:
    """What a module calls that which it imports from elsewhere."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.asname or each.name.partition(".")[0] for each in names)
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith("maestro_stack"):
                yield from (each.asname or each.name for each in names)
            case _:
                continue


def _used(tree: ast.Module, own: frozenset[str]) -> Iterator[str]:
    foreign = {*_foreign(tree)}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names) if not module.startswith("maestro_stack"):
                yield from (f"{module}.{each.name}" for each in names)
            case ast.Name(id=name, ctx=ast.Load()) if name in _BUILTINS - _PLAIN:
                yield name
            case ast.Name(id=name) if name.startswith("__") and name != "__name__":
                yield name
            case ast.Attribute(value=ast.Name(id=of), attr=name) if of in foreign:
                yield f".{name}"
            case ast.Attribute(attr=name, ctx=ast.Load()) if name not in own or _tells(name):
                yield f".{name}"
            case _:
                yield from _used_otherwise(node)


def _used_otherwise(node: ast.AST) -> Iterator[str]:
    """Attributes that a pattern or a format string looks up, and options."""
    match node:
        case ast.MatchClass(kwd_attrs=names):
            yield from (f".{name}" for name in names)
        case ast.Constant(value=str(text)):
            yield from (f".{name}" for field in _FIELD.findall(text) for name in re.findall(r"\w+", field))
        case ast.Call(func=ast.Attribute(attr="format" | "format_map", value=text), args=args):
            is_output = isinstance(text, ast.Attribute) and text.attr == "Output"
            if not isinstance(args[0] if is_output and args else text, ast.Constant):
                yield _FORMATS
        case ast.Call(func=ast.Attribute(attr=name), keywords=options) if name.endswith("Options"):
            yield from (f"{option.arg or '**'}=" for option in options)
        case _:
            return
