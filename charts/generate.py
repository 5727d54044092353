"""Writes the tables of values into the chart's README, from values.yaml and values.schema.json.

values.yaml gives each value's default and, in the `# --` comment above it, its meaning; the schema's
`description` says what it accepts. A meaning that begins with "Required." puts the value into the table of
required ones, where the schema's first example stands in place of the default.

    python charts/generate.py            write the tables
    python charts/generate.py --check    exit 1 if they aren't current
"""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import yaml

CHART = Path(__file__).resolve().parent / "maestro-server-eso"
REQUIRED = "Required. "


class Schema(TypedDict, total=False):
    """The part of a JSON schema that the tables need."""

    description: str
    examples: list[object]
    properties: dict[str, "Schema"]


class UndocumentedError(Exception):
    """A value lacks its comment or its place in the schema."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value that users may set, by its dotted path."""

    path: str
    default: object
    meaning: str
    accepts: str
    example: object | None

    @property
    def is_required(self) -> bool:
        """Whether users must give it."""
        return self.meaning.startswith(REQUIRED)


def comment_above(lines: list[str], line: int) -> str:
    """The `# --` comment that ends right above the given line, unwrapped; empty if there is none."""
    block: list[str] = []
    for text in reversed(lines[:line]):
        stripped = text.strip()
        if not stripped.startswith("#"):
            return ""
        block.insert(0, stripped.removeprefix("#").strip())
        if stripped.startswith("# --"):
            return " ".join(block).removeprefix("--").strip()
    return ""


def read_values(values_text: str, schema: Schema) -> list[Value]:
    """All values in the order of values.yaml, objects with properties of their own flattened."""
    lines = values_text.splitlines()

    def walk(
        node: yaml.MappingNode, defaults: dict[str, object], schema: Schema, prefix: str
    ) -> Iterator[Value]:
        for key_node, value_node in node.value:
            key, path = str(key_node.value), f"{prefix}{key_node.value}"
            part = schema.get("properties", {}).get(key)
            if part is None:
                raise UndocumentedError(f"values.yaml has {path}, but values.schema.json doesn't")
            if isinstance(value_node, yaml.MappingNode) and "properties" in part:
                yield from walk(value_node, cast("dict[str, object]", defaults[key]), part, f"{path}.")
                continue
            meaning = comment_above(lines, key_node.start_mark.line)
            if not meaning:
                raise UndocumentedError(f"{path} needs a '# --' comment above it in values.yaml")
            if "description" not in part:
                raise UndocumentedError(f"{path} needs a description in values.schema.json")
            yield Value(
                path=path,
                default=defaults[key],
                meaning=meaning,
                accepts=part["description"],
                example=next(iter(part.get("examples", [])), None),
            )

    root = yaml.SafeLoader(values_text).get_single_node()
    if not isinstance(root, yaml.MappingNode):
        raise UndocumentedError("values.yaml is not a mapping")
    return list(walk(root, yaml.safe_load(values_text), schema, ""))


def code(value: object) -> str:
    """The value as Markdown code, in JSON, which is also YAML."""
    return f"`{json.dumps(value)}`"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in rows]
    lines = [header, tuple("---" for _ in header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def required_table(values: list[Value]) -> str:
    """The table of values without a usable default."""
    return table(
        ("Value", "Accepts", "Meaning", "Example"),
        [
            (f"`{v.path}`", v.accepts, v.meaning.removeprefix(REQUIRED), code(v.example))
            for v in values
            if v.is_required
        ],
    )


def optional_table(values: list[Value]) -> str:
    """The table of values with a usable default."""
    return table(
        ("Value", "Accepts", "Default", "Meaning"),
        [(f"`{v.path}`", v.accepts, code(v.default), v.meaning) for v in values if not v.is_required],
    )


def with_block(text: str, name: str, block: str) -> str:
    """The text with the block between its `<!-- name -->` and `<!-- end name -->` markers."""
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise UndocumentedError(f"README.md lacks the markers <!-- {name} --> and <!-- end {name} -->")
    return pattern.sub(lambda match: f"{match[1]}{block}\n{match[2]}", text)


def readme_with_tables(readme: str, values_text: str, schema_text: str) -> str:
    """The README with both tables regenerated."""
    values = read_values(values_text, cast("Schema", json.loads(schema_text)))
    readme = with_block(readme, "required values", required_table(values))
    return with_block(readme, "optional values", optional_table(values))


def main(arguments: list[str] | None = None, chart: Path = CHART) -> None:
    """Write or check the chart's README; problems end the program with a message and code 1."""
    parser = argparse.ArgumentParser(description="Write the tables of values into the chart's README.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if they aren't current")
    options = parser.parse_args(arguments)

    readme = chart / "README.md"
    before = readme.read_text(encoding="utf-8")
    try:
        after = readme_with_tables(
            before,
            (chart / "values.yaml").read_text(encoding="utf-8"),
            (chart / "values.schema.json").read_text(encoding="utf-8"),
        )
    except UndocumentedError as error:
        raise SystemExit(f"charts/generate.py: {error}") from None
    if after == before:
        return
    if options.check:
        raise SystemExit(
            "charts/maestro-server-eso/README.md: the tables don't match values.yaml and the schema."
            " Run: python charts/generate.py"
        )
    readme.write_text(after, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
