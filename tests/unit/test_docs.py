"""Generated files: current, complete, and what the engine accepts."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from docs import generate
from engine.project import read_yaml
from maestro_stack.constraints import WIRED_VALUES
from maestro_stack.errors import ConfigurationError
from maestro_stack.outputs import contract
from maestro_stack.schema import Configuration
from maestro_stack.settings import parse

ROOT = Path(__file__).resolve().parents[2]
PROJECT: Any = read_yaml(ROOT / generate.PROJECT)
CONFIGURATION = (ROOT / generate.CONFIGURATION).read_text(encoding="utf-8")
OUTPUTS = (ROOT / generate.OUTPUTS).read_text(encoding="utf-8")
TYPES = {"string": str, "array": list, "object": dict}


def test_all_generated_parts_are_current() -> None:
    generate.main(["--check"])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for path in generate.FILES:
        shutil.copy(ROOT / path, tmp_path / path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "old"),
    [
        (generate.PROJECT, 'default: "create"'),
        (generate.CONFIGURATION, "| `database.iops` | integer"),
        (generate.OUTPUTS, "| `maestro_role_arn` | string"),
        (generate.EFFECTS, "| `database.kmsKeyArn` | none"),
    ],
)
def test_a_stale_file_fails_the_check_by_name_and_is_mended(copy: Path, path: str, old: str) -> None:
    current = (copy / path).read_text(encoding="utf-8")
    assert old in current
    (copy / path).write_text(current.replace(old, "stale"), encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"not current: {re.escape(path)}\. Run: make docs"):
        generate.main(["--check"], copy)
    generate.main([], copy)
    assert (copy / path).read_text(encoding="utf-8") == current


@pytest.mark.parametrize(
    ("path", "line", "message"),
    [
        (generate.PROJECT, generate.MARKER, "Pulumi.yaml lacks the line"),
        (generate.CONFIGURATION, "<!-- keys of mqtt -->", "docs/configuration.md must have .*: keys of mqtt"),
        (generate.OUTPUTS, "<!-- end outputs -->", "docs/outputs.md must have .*: outputs"),
    ],
)
def test_a_missing_marker_is_an_error_that_names_it(copy: Path, path: str, line: str, message: str) -> None:
    text = (copy / path).read_text(encoding="utf-8")
    (copy / path).write_text(text.replace(line, ""), encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        generate.main([], copy)


def test_the_project_declares_exactly_the_keys_of_the_model() -> None:
    assert list(PROJECT["config"]) == [field.alias for field in Configuration.model_fields.values()]


def test_every_declaration_is_one_that_the_engine_accepts() -> None:
    # pulumi sdk/go/common/workspace/project.json, configTypeDeclaration
    for key, declared in PROJECT["config"].items():
        assert declared.keys() <= {"type", "items", "description", "secret", "default", "value"}, key
        assert declared["type"] in ("string", "integer", "boolean", "array", "object"), key
        assert ("items" in declared) == (declared["type"] == "array"), key
        assert declared["description"].endswith("."), key


def test_every_key_has_a_default_so_that_the_engine_leaves_it_to_the_program() -> None:
    for key, declared in PROJECT["config"].items():
        assert isinstance(declared["default"], TYPES[declared["type"]]), key


def test_the_declared_defaults_change_nothing() -> None:
    name = PROJECT["name"]
    required = {"aws:region": "us-east-1", f"{name}:clusterName": "regional-xyz", f"{name}:profile": "dev"}
    defaults = {
        f"{name}:{key}": d["default"] if isinstance(d["default"], str) else json.dumps(d["default"])
        for key, d in PROJECT["config"].items()
    }
    assert parse({**defaults, **required}, project=name, root=ROOT) == parse(
        required, project=name, root=ROOT
    )


def test_the_project_never_names_a_plugin() -> None:
    assert "plugins" not in PROJECT


def keys_of(model: Any, prefix: str = "") -> list[str]:
    """Every key of the model, found through pydantic and without the generator's code."""
    found: list[str] = []
    for field in model.model_fields.values():
        path = f"{prefix}{field.alias}"
        if hasattr(field.annotation, "model_fields"):
            found += keys_of(field.annotation, f"{path}.")
            continue
        found.append(path)
        members = [
            part for part in getattr(field.annotation, "__args__", ()) if hasattr(part, "model_fields")
        ]
        is_list = getattr(field.annotation, "__origin__", None) is tuple
        for member in members:
            found += keys_of(member, f"{path}[]." if is_list else f"{path}.")
    return found


def test_every_key_is_in_the_reference_once_and_with_an_example() -> None:
    blocks = re.findall(r"<!-- keys of \w+ -->\n(.*?)<!-- end", CONFIGURATION, re.DOTALL)
    rows = [line.strip("| ").split(" | ") for block in blocks for line in block.splitlines()[2:]]
    assert sorted(row[0] for row in rows) == sorted(f"`{key}`" for key in keys_of(Configuration))
    for key, *cells in rows:
        assert len(cells) == 4, key
        assert not {"", "`null`"} & {*cells}, key


def test_the_reference_names_what_must_be_acknowledged() -> None:
    weak = {
        "aws:region": "us-east-1",
        "x:clusterName": "regional-xyz",
        "x:profile": "production",
        "x:database": '{"deletionProtection": false, "multiAz": false, "backupRetentionDays": 1}',
        "x:server": '{"replicas": 1, "zoneCount": 1, "image": {"tag": "latest"}}',
    }
    with pytest.raises(ConfigurationError) as refused:
        parse(weak, project="x", root=ROOT)
    section = CONFIGURATION.split("## `acknowledge`")[1].split("<!--")[0]
    named = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert sorted(named) == sorted(problem.key for problem in refused.value.problems)


def test_the_reference_names_what_the_program_wires() -> None:
    assert all(f"`{path}`" in CONFIGURATION for path in WIRED_VALUES)


def test_every_output_is_in_the_reference() -> None:
    block = OUTPUTS.split("<!-- outputs -->")[1].split("<!-- end outputs -->")[0]
    assert re.findall(r"^\| `([^`]+)` \|", block, re.MULTILINE) == [row.name for row in contract()]


BY_HAND = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "examples/*/*.md",
    "charts/*/README.md",
)
PAGES = sorted(
    {
        file.relative_to(ROOT).as_posix()
        for pattern in (*BY_HAND, "*.md", "docs/decisions/*.md", "*/README.md")
        for file in ROOT.glob(pattern)
    }
)
_CODE = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = _CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (ROOT / page).parent / file if file else ROOT / page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", _CODE.sub("", there.read_text("utf-8")), re.MULTILINE)
            assert anchor in map(generate.slug, headings), target


def test_what_is_written_by_hand_is_read_in_an_hour() -> None:
    """Counts words, leaving out generated parts, commands and their output."""
    words = 0
    for page in (file for pattern in BY_HAND for file in ROOT.glob(pattern)):
        text = page.read_text(encoding="utf-8")
        if "Written by" not in text[:300]:
            text = re.sub(r"<!-- (?P<name>[^>]*?) -->.*?<!-- end (?P=name) -->", "", text, flags=re.DOTALL)
            words += sum(any(map(str.isalnum, word)) for word in _CODE.sub("", text).split())
    assert words <= 15000
