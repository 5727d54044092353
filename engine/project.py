"""A Pulumi project on disk: its configuration, and a stack's, as the engine hands it to a program."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

PLACEHOLDER = "placeholder-of-"
"""What the value of each encrypted configuration key begins with in a rehearsal."""
EXAMPLE = "  config:\n    aws:region: us-east-1"
STACK_FILE_KEYS = ("config", "environment", "secretsprovider", "encryptionsalt", "encryptedkey")


class UsageError(Exception):
    """The command line, the project or the stack's file can't be used; the text says what to do."""


class FileError(UsageError):
    """A file can't be used."""

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file} {problem}")
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack's configuration: flat, as the engine passes it (objects as JSON text)."""

    project: str
    name: str
    root: Path
    """Folder of Pulumi.yaml, in which the program runs."""
    config: Mapping[str, str]
    secret_keys: frozenset[str]
    own_config: Mapping[str, object]
    """What the stack's own file sets, as it is written there but for encrypted values."""


def load_stack(root: Path, *, name: str | None = None, file: Path | None = None) -> Stack:
    """A stack of the project in `root`: `Pulumi.<name>.yaml`, or `file`.

    Encrypted values can't be read here; each becomes a placeholder that is as secret as the value.

    Raises:
        UsageError: a file is missing, unreadable or of the wrong shape.
    """
    if not (root / "Pulumi.yaml").is_file():
        raise UsageError(f"{root} holds no Pulumi.yaml. Run from the project's folder.")
    project = read_mapping(root / "Pulumi.yaml", "name: maestro-stack")
    project_name = str(project.get("name", ""))
    if file is None:
        file = root / f"Pulumi.{name or 'dev'}.yaml"
    if not file.exists():
        there = ", ".join(sorted(other.name for other in root.glob("Pulumi.*.yaml")))
        others = f"; there are {there}" if there else ""
        raise FileError(file, f"does not exist{others}. Name another with --stack or --config.")
    found = read_mapping(file, EXAMPLE)
    unknown = [key for key in found if key not in STACK_FILE_KEYS]
    if unknown:
        close = difflib.get_close_matches(str(unknown[0]), STACK_FILE_KEYS, n=1)
        hint = f" (did you mean {close[0]}?)" if close else f" (known: {', '.join(STACK_FILE_KEYS)})"
        raise UsageError(f"{file}: {unknown[0]} is no key of a stack's file{hint}")
    stack_config = _section(found, file)
    declared = _section(project, root / "Pulumi.yaml")
    config: dict[str, str] = {}
    own: dict[str, object] = {}
    secret: set[str] = set()
    for key, value in {**dict(_defaults(declared, project_name)), **stack_config}.items():
        if ":" not in key:
            raise UsageError(f"{file}: config key {key} has no namespace; for example {project_name}:{key}")
        plain, is_secret = _without_encryption(key, value)
        config[key] = plain if isinstance(plain, str) else json.dumps(plain)
        if key in stack_config:
            own[key] = plain
        if is_secret:
            secret.add(key)
    return Stack(
        project=project_name,
        name=name or _stack_name(file),
        root=root,
        config=config,
        secret_keys=frozenset(secret),
        own_config=own,
    )


def _stack_name(file: Path) -> str:
    found = re.fullmatch(r"Pulumi\.(.+)\.ya?ml", file.name)
    return found[1] if found else file.stem


def read_yaml(file: Path) -> object:
    """What a YAML file holds. Raises FileError; a key that is given twice is no YAML either."""
    try:
        return cast(object, yaml.load(file.read_text(encoding="utf-8"), _Loader))  # noqa: S506 a safe one
    except FileNotFoundError:
        raise FileError(file, "does not exist") from None
    except OSError as unreadable:
        raise FileError(file, f"can't be read: {unreadable.strerror}") from None
    except UnicodeDecodeError as wrong:
        byte = f"byte {wrong.start + 1} is 0x{wrong.object[wrong.start]:02x}"
        raise FileError(file, f"is no UTF-8 text: {byte}") from None
    except yaml.YAMLError as wrong:
        mark = wrong.problem_mark if isinstance(wrong, yaml.MarkedYAMLError) else None
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        what = wrong.problem if isinstance(wrong, yaml.MarkedYAMLError) else str(wrong)
        raise FileError(file, f"is no YAML: {what}{where}") from None


class _Loader(yaml.SafeLoader):
    """PyYAML lets a key that is given twice win silently the second time."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key} is there twice", problem_mark=node.value[index][0].start_mark
                )
        return super().construct_mapping(node, deep=deep)


def read_mapping(file: Path, example: str) -> dict[str, object]:
    """What a YAML file holds, if that is a mapping. Raises FileError, which otherwise shows the example."""
    parsed = read_yaml(file)
    if not isinstance(parsed, dict):
        raise FileError(file, f"holds no mapping; for example\n{example}")
    return {str(key): value for key, value in cast(dict[object, object], parsed).items()}


def _section(found: Mapping[str, object], file: Path) -> dict[str, object]:
    config = found.get("config")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise UsageError(f"{file}: config is no mapping; for example\n{EXAMPLE}")
    return {str(key): value for key, value in cast(dict[object, object], config).items()}


def _defaults(declared: Mapping[str, object], project: str) -> Iterator[tuple[str, object]]:
    """Defaults of the project's `config:` block, which the engine passes on where a stack sets nothing."""
    for key, declaration in declared.items():
        if isinstance(declaration, dict) and "default" in declaration:
            default = cast(dict[str, object], declaration)["default"]
            yield key if ":" in key else f"{project}:{key}", default


def _without_encryption(path: str, value: object) -> tuple[object, bool]:
    """The value with each `secure:` replaced by a placeholder, and whether there was one."""
    if isinstance(value, dict):
        items = cast(dict[str, object], value)
        if set(items) == {"secure"}:
            return f"{PLACEHOLDER}{re.sub(r'[^A-Za-z0-9]+', '-', path)}", True
        inner = {str(k): _without_encryption(f"{path}.{k}", v) for k, v in items.items()}
        return {k: v for k, (v, _) in inner.items()}, any(is_secret for _, is_secret in inner.values())
    if isinstance(value, list):
        members = [_without_encryption(f"{path}.{i}", v) for i, v in enumerate(cast(list[object], value))]
        return [v for v, _ in members], any(is_secret for _, is_secret in members)
    return value, False
