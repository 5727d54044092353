"""A Pulumi project on disk: its configuration, and a stack's, as the engine passes it to a program."""

import difflib
import json
import math
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml
from yaml.reader import ReaderError

from engine import go_yaml

PLACEHOLDER = "placeholder-of-"
"""Prefix of the value of each encrypted configuration key in a rehearsal."""
EXAMPLE = "  config:\n    aws:region: us-east-1"
TEXTS = ("secretsprovider", "encryptionsalt", "encryptedkey")
STACK_FILE_KEYS = ("config", "environment", *TEXTS)


class UsageError(Exception):
    """The command line, the project or the stack's file can't be used; the text says what to do."""


class FileError(UsageError):
    """A file can't be used."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{_short(file)} {problem}")
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack's configuration: flat, as the engine passes it (objects as JSON text)."""

    project: str
    name: str
    root: Path
    """Folder of Pulumi.yaml, in which the program runs."""
    file: Path
    config: Mapping[str, str]
    secret_keys: frozenset[str]
    own_config: Mapping[str, object]
    """What the stack's own file sets, as it is written there except for encrypted values."""

    def place(self, key: str) -> str:
        """Where its file has a key such as `server.replicas`, or else the section that it belongs in."""
        top, *below = path_of(key)
        whole = [["config", each] for each in _spellings(key, self.project)]
        parts = [["config", each, *below] for each in _spellings(str(top), self.project)]
        return place(self.file, *whole, *parts)


def read_project(root: Path) -> dict[str, object]:
    """Pulumi.yaml of the project in `root`. Raises UsageError."""
    if not (root / "Pulumi.yaml").is_file():
        raise UsageError(f"there is no Pulumi.yaml in {root}; run it in the project's folder")
    return read_mapping(root / "Pulumi.yaml", "name: maestro-stack")


def stack_name(given: str, project: str) -> str:
    """The stack's own name, also from what `pulumi --stack` takes: `organization/project/stack`.

    Raises:
        UsageError: the name isn't of this form, or the project is another one.
    """
    *owner, name = given.split("/")
    if not name or len(owner) > 2:
        raise UsageError(f"--stack must be STACK or ORGANIZATION/PROJECT/STACK, not {json.dumps(given)}")
    if len(owner) == 2 and owner[1] != project:
        raise UsageError(f"--stack {given} is of project {owner[1]}, and this is {project}")
    return name


def path_of(key: str) -> list[str | int]:
    """The parts of `network.subnetIds[0]`."""
    return [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", key)]


def place(file: Path, *paths: Sequence[str | int]) -> str:
    """Where a file has the deepest part that exists of any of these paths: `Pulumi.dev.yaml:12`."""
    text = _decoded(file)
    lines = max((go_yaml.lines_along(text, path) for path in paths), key=len)
    return ":".join([_short(file), *map(str, lines[-1:])])


def _short(file: Path) -> str:
    """The path, relative to the working directory if it is in it."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)


def load_stack(root: Path, *, name: str | None = None, file: Path | None = None) -> Stack:
    """A stack of the project in `root`: `Pulumi.<name>.yaml`, or `file`. `name` is as in `stack_name`.

    Encrypted values can't be read here; each becomes a placeholder that is as secret as the value.

    Raises:
        UsageError: a file is missing, unreadable or of the wrong shape.
    """
    project = read_project(root)
    project_name = str(project.get("name", ""))
    name = None if name is None else stack_name(name, project_name)
    if file is None:
        file = root / f"Pulumi.{name or 'dev'}.yaml"
    if not file.exists():
        there = ", ".join(sorted(other.name for other in root.glob("Pulumi.*.yaml")))
        others = f"; there are {there}" if there else ""
        raise FileError(file, f"does not exist{others}. Name another with --stack or --config.")
    found = read_mapping(file, EXAMPLE)
    _check_keys(found, file)
    stack_config = _by_key(_section(found, file), project_name, file)
    project_file = root / "Pulumi.yaml"
    defaults = dict(_defaults(_by_key(_section(project, project_file), project_name, project_file)))
    missing = [key for key, value in defaults.items() if value == "" and key not in stack_config]
    if missing and (environment := found.get("environment")):
        named = f"environment: {json.dumps(environment)}"
        raise UsageError(
            f"{place(file, ['environment'])}: {', '.join(missing)} may come from {named}, which isn't "
            "read here. Write what it sets (pulumi env open) into a file's config, and pass it with --config."
        )
    config: dict[str, str] = {}
    own: dict[str, object] = {}
    secret: set[str] = set()
    for key, value in {**defaults, **stack_config}.items():
        given, is_secret = _without_encryption(key, value)
        if not _is_finite(given):
            where = place(file, *(["config", each] for each in _spellings(key, project_name)))
            raise UsageError(f"{where}: {key} holds .inf or .nan, which the engine can't keep")
        config[key] = go_yaml.plain(given)
        if key in stack_config:
            own[key] = given
        if is_secret:
            secret.add(key)
    return Stack(
        project=project_name,
        name=name or _stack_name(file),
        root=root,
        file=file,
        config=config,
        secret_keys=frozenset(secret),
        own_config=own,
    )


def write_config(file: Path, config: Mapping[str, object]) -> None:
    """Write a stack's file that holds this configuration, as the engine reads it."""
    file.write_text(go_yaml.dump({"config": config}), encoding="utf-8")


def _stack_name(file: Path) -> str:
    found = re.fullmatch(r"Pulumi\.(.+)\.ya?ml", file.name)
    return found[1] if found else file.stem


def read_yaml(file: Path) -> object:
    """What a YAML file holds, as the engine would read it. Raises FileError."""
    try:
        return go_yaml.load(_decoded(file))
    except FileNotFoundError:
        raise FileError(file, "does not exist") from None
    except OSError as unreadable:
        raise FileError(file, f"can't be read: {unreadable.strerror}") from None
    except UnicodeDecodeError as wrong:
        byte = f"byte {wrong.start + 1} is 0x{wrong.object[wrong.start]:02x}"
        raise FileError(file, f"must be UTF-8 text, but {byte}") from None
    except yaml.YAMLError as wrong:
        raise FileError(file, f"can't be read as YAML: {_said(wrong)}") from None


def _said(wrong: yaml.YAMLError) -> str:
    if isinstance(wrong, yaml.MarkedYAMLError) and (mark := wrong.problem_mark):
        return f"{wrong.problem} (line {mark.line + 1}, column {mark.column + 1})"
    if isinstance(wrong, ReaderError):
        return f"U+{wrong.character:04X} can't be in it (character {wrong.position + 1})"
    return str(wrong)


def _decoded(file: Path) -> str:
    """UTF-8, or the UTF-16 that PowerShell's `>` writes."""
    content = file.read_bytes()
    return content.decode("utf-16" if content.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) else "utf-8-sig")


def read_mapping(file: Path, example: str) -> dict[str, object]:
    """The mapping in a YAML file. Raises FileError, with the example if the file holds something else."""
    parsed = read_yaml(file)
    if parsed is None:
        raise FileError(file, f"is empty; for example\n{example}")
    if not isinstance(parsed, dict):
        raise FileError(file, f"must hold a mapping; for example\n{example}")
    return {str(key): value for key, value in cast(dict[object, object], parsed).items()}


def _check_keys(found: Mapping[str, object], file: Path) -> None:
    """Check what a stack's file holds besides its configuration."""
    for key, value in found.items():
        if key not in STACK_FILE_KEYS:
            close = difflib.get_close_matches(key, STACK_FILE_KEYS, n=1)
            hint = f" (did you mean {close[0]}?)" if close else f" (known: {', '.join(STACK_FILE_KEYS)})"
            raise UsageError(f"{place(file, [key])}: {key} is not a key of a stack's file{hint}")
        if key in TEXTS and isinstance(value, dict | list):
            raise UsageError(f"{place(file, [key])}: {key} must be text")


def _by_key(section: Mapping[object, object], project: str, file: Path) -> dict[str, object]:
    """A section by `namespace:name`, also from the old form `namespace:config:name` and from `name` alone."""
    keys: dict[str, object] = {}
    for given, value in section.items():
        names = str(given).split(":")
        if len(names) == 3 and names[1] == "config":
            names.pop(1)
        if len(names) == 1:
            names.insert(0, project)
        if not isinstance(given, str) or len(names) != 2:
            where, shown = place(file, ["config", str(given)]), go_yaml.plain(given) or "~"
            example = f"{project}:clusterName"
            raise UsageError(f"{where}: config key {shown} must be namespace:name, such as {example}")
        key = ":".join(names)
        if key in keys:
            where = place(file, ["config", str(given)])
            raise UsageError(f"{where}: config key {key} is given twice, once as {given}")
        keys[key] = value
    return keys


def _spellings(key: str, project: str) -> list[str]:
    """The ways in which a file may give a key."""
    namespace, _, name = key.rpartition(":")
    namespace = namespace or project
    return [f"{namespace}:{name}", f"{namespace}:config:{name}", *([name] if namespace == project else [])]


def _is_finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, cast(dict[object, object], value).values()))
    if isinstance(value, list):
        return all(map(_is_finite, cast(list[object], value)))
    return not isinstance(value, float) or math.isfinite(value)


def _section(found: Mapping[str, object], file: Path) -> dict[object, object]:
    config = found.get("config")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise UsageError(f"{place(file, ['config'])}: config must be a mapping; for example\n{EXAMPLE}")
    return cast(dict[object, object], config)


def _defaults(declared: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Defaults of the project's `config:` block, which the engine passes on if a stack sets nothing."""
    for key, declaration in declared.items():
        if isinstance(declaration, dict) and "default" in declaration:
            default = cast(dict[str, object], declaration)["default"]
            yield key, default


def _without_encryption(path: str, value: object) -> tuple[object, bool]:
    """The value with each `secure:` replaced by a placeholder, and whether there was one."""
    if isinstance(value, dict):
        items = cast(dict[str, object], value)
        if set(items) == {"secure"} and isinstance(items["secure"], str):
            return f"{PLACEHOLDER}{re.sub(r'[^A-Za-z0-9]+', '-', path)}", True
        inner = {k: _without_encryption(f"{path}.{k}", v) for k, v in items.items()}
        return {k: v for k, (v, _) in inner.items()}, any(is_secret for _, is_secret in inner.values())
    if isinstance(value, list):
        members = [_without_encryption(f"{path}.{i}", v) for i, v in enumerate(cast(list[object], value))]
        return [v for v, _ in members], any(is_secret for _, is_secret in members)
    return value, False
