"""Writes what is generated from the program's own models.

Pulumi.yaml             from the marker on: the keys of maestro_stack.schema.Configuration, for the engine
docs/configuration.md   the same keys, for people
docs/outputs.md         the outputs of maestro_stack.outputs

python docs/generate.py            write them
python docs/generate.py --check    exit 1, naming those that aren't current
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script finds only what is in its own folder

from maestro_stack.outputs import CONTRACT_VERSION, documentation  # noqa: E402
from maestro_stack.rules import WIRED_VALUES  # noqa: E402
from maestro_stack.schema import PROFILE_DEFAULTS, Configuration  # noqa: E402

PROJECT, CONFIGURATION, OUTPUTS = "Pulumi.yaml", "docs/configuration.md", "docs/outputs.md"
MARKER = (
    "# From here on written by docs/generate.py from maestro_stack/schema.py: change it there, `make docs`."
)
BLOCK = re.compile(r"(<!-- (?P<name>[^>]+) -->\n).*?(?P<end><!-- end (?P=name) -->)", re.DOTALL)
RDS_CAS = ROOT / "charts/maestro-server-eso/files/rds-ca"

Schema = TypedDict(
    "Schema",
    {
        "$ref": str,
        "$defs": "dict[str, Schema]",
        "type": str,
        "description": str,
        "default": object,
        "examples": list[object],
        "enum": list[str],
        "anyOf": "list[Schema]",
        "items": "Schema",
        "minimum": int,
        "maximum": int,
        "properties": "dict[str, Schema]",
        "required": list[str],
    },
    total=False,
)
"""The part of a JSON schema that is read here."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of the configuration as a row of a table."""

    path: str
    type: str
    default: str
    description: str
    example: str


# --- the model, read ------------------------------------------------------------------------------

MODEL = cast(Schema, Configuration.model_json_schema(by_alias=True))


def resolved(part: Schema) -> Schema:
    """The part itself, without reference and without the null of an optional key."""
    if "$ref" in part:
        return MODEL.get("$defs", {})[part["$ref"].rpartition("/")[2]]
    return next((choice for choice in part.get("anyOf", []) if choice.get("type") != "null"), part)


def described(part: Schema) -> str:
    """The key's description; a section's own one where the key has none."""
    return part.get("description") or resolved(part).get("description", "")


def keys_of(section: Schema, prefix: str = "") -> Iterator[Key]:
    """Every key below a section, nested sections flattened; `[]` stands for a list's position."""
    for name, part in section.get("properties", {}).items():
        path, target = f"{prefix}{name}", resolved(part)
        if "properties" in target:
            yield from keys_of(target, f"{path}.")
            continue
        yield Key(
            path=path,
            type=type_of(target),
            default=default_of(path, part, is_required=name in section.get("required", [])),
            description=described(part),
            example=example_of(part),
        )
        if "properties" in (members := resolved(target.get("items", {}))):
            yield from keys_of(members, f"{path}[].")


def type_of(part: Schema) -> str:
    """The type in words, with its range."""
    if "enum" in part:
        return ", ".join(code(value) for value in part["enum"])
    if "items" in part:
        return f"list of {resolved(part['items']).get('type', 'string')}s"
    if "maximum" in part:
        return f"integer, {part.get('minimum')} to {part['maximum']}"
    if "minimum" in part:
        return f"integer from {part['minimum']}"
    return part.get("type", "string")


def default_of(path: str, part: Schema, *, is_required: bool) -> str:
    """The default; both profiles' where the profile chooses."""
    section, _, name = path.partition(".")
    by_profile = {profile: tree.get(name) for profile, tree in PROFILE_DEFAULTS.items()}
    if section == "database" and None not in by_profile.values():
        return "; ".join(f"{profile}: {code(value)}" for profile, value in by_profile.items())
    if is_required:
        return "required"
    default = part.get("default", {})  # objects have a factory, which a schema can't show
    return "none" if default is None else code(default)


def example_of(part: Schema) -> str:
    """The first example; one in parentheses is words."""
    first = next(iter(part.get("examples", [])), None)
    return first[1:-1] if isinstance(first, str) and first.startswith("(") else code(first)


# --- Markdown -------------------------------------------------------------------------------------


def code(value: object) -> str:
    """The value as Markdown code: text as it is, everything else as JSON, which is also YAML."""
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, tuple("---" for _ in header), *cells])


def key_table(keys: Iterator[Key]) -> str:
    """Keys as a table."""
    return table(
        ("Key", "Type", "Default", "Description", "Example"),
        [(f"`{k.path}`", k.type, k.default, k.description, k.example) for k in keys],
    )


def listed(names: Iterable[str]) -> str:
    """Names as one wrapped paragraph."""
    return textwrap.fill(f"{', '.join(map(code, names))}.", 118, break_on_hyphens=False)


def with_blocks(path: str, text: str, blocks: Mapping[str, str]) -> str:
    """The document with its blocks made anew; it must have exactly these, each once."""
    there = [match["name"] for match in BLOCK.finditer(text)]
    if sorted(there) != sorted(blocks):
        wrong = ", ".join(sorted({*there} ^ {*blocks})) or "a block occurs twice"
        raise SystemExit(f"{path} must have each block once (<!-- name --> and <!-- end name -->): {wrong}")
    return BLOCK.sub(lambda match: f"{match[1]}{blocks[match['name']]}\n{match['end']}", text)


# --- the three files ------------------------------------------------------------------------------


def project(text: str) -> str:
    """Pulumi.yaml: its hand-written head, and a declaration of every key."""
    head, found, _ = text.partition(MARKER)
    if not found:
        raise SystemExit(f"{PROJECT} lacks the line that the generated part begins with:\n{MARKER}")
    declarations = {
        name: declaration(part, is_required=name in MODEL.get("required", []))
        for name, part in MODEL.get("properties", {}).items()
    }
    block = yaml.safe_dump({"config": declarations}, sort_keys=False, allow_unicode=True, width=100)
    return f"{head}{MARKER}\n{block}"


def declaration(part: Schema, *, is_required: bool) -> Mapping[str, object]:
    """A key as the engine reads it: it checks the outer type, and calls a key without default missing."""
    type_ = resolved(part).get("type", "string")
    declared: dict[str, object] = {"type": type_}
    if type_ == "array":
        declared["items"] = {"type": resolved(resolved(part).get("items", {})).get("type", "string")}
    if not is_required or type_ == "object":  # the profile fills in what a section requires
        declared["default"] = part.get("default", {})
    return {**declared, "description": described(part)}


def configuration_blocks() -> dict[str, str]:
    """The blocks of docs/configuration.md: the single keys, and each section's."""
    properties = MODEL.get("properties", {})
    single = {name: part for name, part in properties.items() if not has_fields(part)}
    region: Schema = {"properties": single, "required": MODEL.get("required", [])}
    return {
        "keys of region": key_table(keys_of(region)),
        **{
            f"keys of {name}": key_table(keys_of({"properties": {name: part}}))
            for name, part in properties.items()
            if name not in single
        },
        "values that the program sets": listed(WIRED_VALUES),
        "regions with certificates": listed(sorted(file.stem for file in RDS_CAS.glob("*.pem"))),
    }


def has_fields(part: Schema) -> bool:
    """Whether the key has keys of its own, directly or as a list of objects."""
    target = resolved(part)
    return "properties" in target or "properties" in resolved(target.get("items", {}))


def outputs_blocks() -> dict[str, str]:
    """The blocks of docs/outputs.md."""
    rows = [(f"`{o.name}`", o.type, o.description, f"`{o.example}`") for o in documentation()]
    return {
        "contract version": f"Contract version: **{CONTRACT_VERSION}** (`maestro_contract_version`).",
        "outputs": table(("Output", "Type", "Description", "Example"), rows),
    }


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description="Write Pulumi.yaml's keys and the references in docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if one isn't current")
    options = parser.parse_args(arguments)

    before = {path: (root / path).read_text(encoding="utf-8") for path in (PROJECT, CONFIGURATION, OUTPUTS)}
    after = {
        PROJECT: project(before[PROJECT]),
        CONFIGURATION: with_blocks(CONFIGURATION, before[CONFIGURATION], configuration_blocks()),
        OUTPUTS: with_blocks(OUTPUTS, before[OUTPUTS], outputs_blocks()),
    }
    stale = [path for path, text in after.items() if text != before[path]]
    if options.check and stale:
        raise SystemExit(f"not current: {', '.join(stale)}. Run: make docs (or python docs/generate.py)")
    for path in stale:
        (root / path).write_text(after[path], encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
