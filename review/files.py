"""Changes of files that a rehearsal doesn't show: what judges, what is installed, what deploys.

What is reported here concerns all stacks. Files of the program and its chart are reported by what they build,
except those that could make a difference only somewhere else: in a real cluster, or in another place.
"""

import ast
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TypeAlias, cast

from common.json_values import Json, record, text, to_json
from engine import go_yaml
from review import requirements, surroundings
from review.differences import differences
from review.model import Change, Difference, Grade, Part, Way
from review.revisions import JUDGES, LIKE_A_STACK_FILE, LINK, Revision, changed_files, counts

PROGRAM = ("maestro_stack",)
CHART = re.compile(r"charts/[^/]+/.*", re.DOTALL)
_PINNED = re.compile(r"(?P<action>\"uses\": \"[\w./-]+)@[0-9a-f]{40}(?=\")")
_COMPILED = (".pyc", ".pyo", ".so", ".pyd", ".pth", ".egg-link")

_LOOK, _DANGEROUS = Grade.LOOK, Grade.DANGEROUS
Content: TypeAlias = bytes | None
"""Of a file; None if it doesn't exist."""
Judged: TypeAlias = tuple[Grade, str, tuple[Difference, ...]]
"""A grade, its reason, and what differs."""
Judge: TypeAlias = Callable[[Content, Content], Judged | None]
"""None for what is proven to be of no consequence, or is reported by what it builds."""


def told(before: Revision, after: Revision) -> list[Change]:
    """Every relevant file that differs; those of stacks and of the chart have modules of their own."""
    changed = list(filter(counts, changed_files(before, after)))
    found = requirements.told(filter(requirements.is_one, changed), before, after)
    found += [change for path in changed for change in _told(path, before, after)]
    return [*found, *surroundings.told(before, after), *_like_stack_files(before, after)]


def _told(path: str, before: Revision, after: Revision) -> Iterator[Change]:
    if LIKE_A_STACK_FILE.fullmatch(path) or requirements.is_one(path):
        return
    old, new = before.content(path), after.content(path)
    if any(each.files.get(path, "").startswith(LINK) for each in (before, after)):
        judged: Judged | None = _DANGEROUS, "it is a link: what it leads to isn't compared", ()
    elif old is not None and old == new:
        judged = _DANGEROUS if path.startswith(".ci/") else _LOOK, "whether it can be executed changes", ()
    else:
        judged = _judged(path, old, new)
    if judged is None:
        return
    grade, reason, found = judged
    way = Way.CREATED if path not in before.files else Way.DELETED if path not in after.files else Way.UPDATED
    yield Change(
        part=Part.FILE,
        subject=path,
        way=way,
        sentence=f"{path} is {way.value if way is not Way.UPDATED else 'changed'}",
        effect="",
        grade=grade,
        reason=reason,
        differences=found
        or (Difference(path="", before=_content(before, path), after=_content(after, path)),),
    )


def _judged(path: str, old: Content, new: Content) -> Judged | None:
    """None for what is proven to be of no consequence, or is reported by what it builds."""
    if path.endswith(_COMPILED):
        return _DANGEROUS, "it is run, and nobody can read it", ()
    if CHART.fullmatch(path):
        return None  # reported by what it renders
    judge = next((judge for pattern, judge in _RULES if re.fullmatch(pattern, path, re.DOTALL)), None)
    if judge is not None:
        return judge(old, new)
    return _of_program(path, old, new) if path.endswith(".py") else _of_others(path, is_new=old is None)


def _of_program(path: str, old: Content, new: Content) -> Judged | None:
    top = PurePosixPath(path).parts[0].removesuffix(".py")
    if top in PROGRAM or path == "__main__.py":
        return None  # reported by what it builds
    if new is not None and _is_importable(top):
        return _DANGEROUS, f"it is imported in place of the installed {top}", ()
    return None if _same_code(old, new) else (_LOOK, "the program may import it", ())


def _of_others(path: str, *, is_new: bool) -> Judged:
    if PurePosixPath(path).parts[0] in PROGRAM:
        return _LOOK, "the program may read it", ()
    return _LOOK, "what reads it is unknown" if is_new else "what reads it may behave differently", ()


def _content(revision: Revision, path: str) -> Json:
    """A file's text, or its digest if it can't be shown."""
    text = revision.text(path)
    return revision.files.get(path) if text is None else text


def _is_importable(name: str) -> bool:
    """Whether a module of this name exists outside the project."""
    if name in sys.stdlib_module_names:
        return True
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    places = [found.origin or "", *(found.submodule_search_locations or ())] if found else []
    return any("site-packages" in place for place in places)


def _same_code(old: Content, new: Content) -> bool:
    """Whether two Python files do the same: comments, docstrings and layout don't count."""
    try:
        return old is not None and new is not None and _code(old) == _code(new)
    except (SyntaxError, ValueError, RecursionError):
        return False


def _code(content: bytes) -> str:
    tree = ast.parse(content)  # bytes, so that the file's own encoding declaration counts
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            match first:
                case ast.Expr(value=ast.Constant(value=str()) as docstring):
                    docstring.value = ""
                case _:
                    continue
    return ast.dump(tree)


# --- by meaning --------------------------------------------------------------------------------------------


def _python(reason: str) -> Judge:
    def judge(old: Content, new: Content) -> Judged | None:
        return None if _same_code(old, new) else (_LOOK, reason, ())

    return judge


def _yaml(content: Content) -> Json:
    return to_json(go_yaml.load(content.decode())) if content is not None else None


def _workflow(old: Content, new: Content) -> Judged | None:
    """A workflow runs with the deploy role, or decides what must have run before it."""
    try:
        before, after = _yaml(old), _yaml(new)
    except Exception as unreadable:  # noqa: BLE001 whatever a parser raises on untrusted input
        return _DANGEROUS, f"it can't be read: {unreadable}", ()
    if before == after:
        return None
    found = tuple(differences(before, after))  # maybe none: a trigger may be a key without a value
    if _unpinned(before) == _unpinned(after):
        return _LOOK, "another version of an action runs with the workflow's rights", found
    return _DANGEROUS, "it says what runs with the deploy role, and what must have run before", found


def _unpinned(value: Json) -> str:
    return _PINNED.sub(r"\g<action>", json.dumps(value, sort_keys=True))


def _script(old: Content, new: Content) -> Judged | None:
    """A shell script; comment lines don't count, except the first and those that may be no comments."""
    if old is not None and new is not None and _lines(old) == _lines(new):
        return None
    return _DANGEROUS, "the pipeline runs it, also with the deploy role", ()


def _lines(content: bytes) -> list[bytes]:
    first, *rest = content.split(b"\n")
    if b"<<" in content:
        return [first, *rest]
    pairs = zip([first, *rest], rest, strict=False)
    return [first, *(line for above, line in pairs if above.endswith(b"\\") or not _is_comment(line))]


def _is_comment(line: bytes) -> bool:
    return line.lstrip().startswith(b"#")


_PROJECT_WORDS = frozenset({"name", "description", "author", "website", "license"})


def _project(old: Content, new: Content) -> Judged | None:
    """Pulumi.yaml: its `config` is reported by what it builds, as far as a stack uses it."""
    try:
        found = tuple(differences(_yaml(old), _yaml(new)))
    except Exception as unreadable:  # noqa: BLE001 as above
        return _DANGEROUS, f"it can't be read: {unreadable}", ()
    serious = [each for each in found if not _is_word(each.path)]
    if any(not each.path.startswith("config") for each in serious):
        return _DANGEROUS, "the engine runs another program, elsewhere or with other plugins", found
    if _foreign(old) != _foreign(new):
        return _DANGEROUS, "it configures the providers, or the engine, for every stack", found
    return (_LOOK, "what stacks may set, or get by default, changes", found) if serious else None


def _foreign(project: Content) -> dict[str, Json]:
    """The defaults for all stacks that aren't the program's own."""
    content = record({"": _yaml(project)}, "")
    own = f"{text(content, 'name')}:"
    config = record(content, "config").items()
    return {key: value for key, value in config if ":" in key and not key.startswith(own)}


def _is_word(path: str) -> bool:
    return path in _PROJECT_WORDS - {"name"} or (path.startswith("config.") and path.endswith("description"))


_LINTER = re.compile(r"tool\.(coverage|mypy|pyright|pytest|ruff)\b")


def _pyproject(old: Content, new: Content) -> Judged | None:
    """Settings of linters and tests install nothing."""
    import tomllib

    try:
        before, after = (
            cast("Mapping[str, object]", tomllib.loads((each or b"").decode())) for each in (old, new)
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as unreadable:
        return _DANGEROUS, f"it can't be read: {unreadable}", ()
    found = tuple(differences(to_json(before), to_json(after)))
    if any(not _LINTER.match(each.path) for each in found):
        return _DANGEROUS, "it says what is installed, or where it comes from", found
    return (_LOOK, "linters, type checkers and tests are configured differently", ()) if found else None


def _always(grade: Grade, reason: str) -> Judge:
    return lambda _, __: (grade, reason, ())


_JUDGES = "it is part of what judges pull requests"
_DEPLOYS = "it runs with the deploy role"
_RULES: tuple[tuple[str, Judge], ...] = (
    (r"\.github/workflows/.*|\.github/actions/.*", _workflow),
    (r"\.ci/.*", _script),
    (r"Pulumi\.ya?ml", _project),
    (r"Pulumi\.json", _always(_DANGEROUS, "the engine reads it in place of Pulumi.yaml")),
    (rf"{PROGRAM[0]}/.*\.pem", _always(_DANGEROUS, "it says whom the server trusts")),
    (r"pyproject\.toml", _pyproject),
    (r"(.*/)?(uv\.toml|pip\.(conf|ini))", _always(_DANGEROUS, "it says where packages are installed from")),
    (
        r"\.gitattributes|(.*/)?\.gitattributes|\.gitmodules",
        _always(_DANGEROUS, "git checks files out differently"),
    ),
    (r"\.gitignore|(.*/)?\.gitignore", _always(_LOOK, "other files stay out of commits")),
    (r"(fleet|doctor)/.*\.py|(common|engine|tools)/.*\.py", _python(_DEPLOYS)),
    (rf"({'|'.join(JUDGES)})/.*\.py", _python(_JUDGES)),
    (r"controlplane/.*\.py", _python("it is the cluster that tests run on")),
    (rf"({'|'.join(JUDGES)})/.*", _always(_LOOK, _JUDGES)),
    (r"(fleet|doctor|tools)/.*", _always(_LOOK, _DEPLOYS)),
    (r"fleet\.yaml", _always(_LOOK, "it says which regions are deployed, and in which order")),
    (r"Makefile", _always(_LOOK, "the pipeline runs it")),
    (r"GNUmakefile|makefile", _always(_DANGEROUS, "make reads it in place of the Makefile")),
    (r"renovate\.json", _always(_LOOK, "it says which dependencies are updated automatically")),
    (r"\.github/.*|(docs/)?CODEOWNERS", _always(_DANGEROUS, "it says who may change what in the repository")),
)


def _like_stack_files(before: Revision, after: Revision) -> Iterator[Change]:
    known = before.like_stack_files()
    for path, what in after.like_stack_files().items():
        if path in known:
            continue
        yield Change(
            part=Part.FILE,
            subject=path,
            way=Way.CREATED,
            sentence=f"{path} is named like a stack's file, and is {what}",
            effect="",
            grade=_DANGEROUS,
            reason="no stack is read from it here, but the engine may read one",
        )
