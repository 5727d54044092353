"""Writes what is generated from the program's own models.

Pulumi.yaml                  from the marker on: the keys of maestro_stack.schema.Configuration
docs/configuration.md        the same keys, for people
docs/outputs.md              the outputs of maestro_stack.outputs
docs/outputs.schema.json     as a whole: the same as a JSON schema, for stacks in other languages
docs/outputs.lock.json       as a whole: the same as a promise; never written over a broken one
docs/rules.md                the rules of policies/
docs/what-a-change-does.md   as a whole: the rows of review.effects
docs/review.schema.json      as a whole: the schema of review.as_json
docs/operating.md            "When something is stuck": the rows of engine.remedies
docs/recovery.md             those of them that it has a section for
docs/fleet.md                the keys of fleet.file
docs/fleet.schema.json       as a whole: the schema of fleet.file
docs/doctor.md               the doctor's questions, and the faults of tests/doctor that each finds
docs/doctor.schema.json      as a whole: the schema of doctor.as_json
docs/licences.md             the packages of every lock, as they are installed here

python docs/generate.py            write them
python docs/generate.py --check    exit 1, naming those that aren't current
"""

import argparse
import ast
import inspect
import json
import os
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from itertools import pairwise
from pathlib import Path
from typing import TypedDict, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a script finds only what is in its own folder

from common.json_values import dig  # noqa: E402
from doctor.as_json import SCHEMA as DOCTOR_SCHEMA_OF  # noqa: E402
from doctor.catalogue import CATEGORIES, PHASES  # noqa: E402
from engine import go_yaml  # noqa: E402
from engine.remedies import REMEDIES, named  # noqa: E402
from fleet.file import schema as fleet_schema  # noqa: E402
from maestro_stack.constraints import WIRED_VALUES  # noqa: E402
from maestro_stack.outputs import (  # noqa: E402
    CONTRACT_VERSION,
    INSTALL_OUTPUT,
    VERSION_OUTPUT,
    MaestroOutputs,
    Row,
    contract,
)
from maestro_stack.schema import PROFILE_DEFAULTS, Configuration  # noqa: E402
from policies.rule import EVERY  # noqa: E402
from policies.rules import RULES as POLICY_RULES  # noqa: E402
from review import effects  # noqa: E402
from review.as_json import SCHEMA as REVIEW_SCHEMA  # noqa: E402
from tests.doctor.faults import FAULTS  # noqa: E402
from tools.lock import EVERYTHING, pins  # noqa: E402

PROJECT, CONFIGURATION, OUTPUTS = "Pulumi.yaml", "docs/configuration.md", "docs/outputs.md"
RULES, EFFECTS = "docs/rules.md", "docs/what-a-change-does.md"
REVIEW = "docs/review.schema.json"
SCHEMA, LOCK = "docs/outputs.schema.json", "docs/outputs.lock.json"
FLEET, FLEET_SCHEMA = "docs/fleet.md", "docs/fleet.schema.json"
DOCTOR, DOCTOR_SCHEMA = "docs/doctor.md", "docs/doctor.schema.json"
OPERATING, RECOVERY, LICENCES = "docs/operating.md", "docs/recovery.md", "docs/licences.md"
FILES = (
    PROJECT,
    CONFIGURATION,
    OUTPUTS,
    SCHEMA,
    LOCK,
    RULES,
    EFFECTS,
    REVIEW,
    FLEET,
    FLEET_SCHEMA,
    DOCTOR,
    DOCTOR_SCHEMA,
    OPERATING,
    RECOVERY,
    LICENCES,
)
WHOLE = (EFFECTS, REVIEW, SCHEMA, LOCK, FLEET_SCHEMA, DOCTOR_SCHEMA)
MARKER = (
    "# Generated from here on by docs/generate.py from maestro_stack/schema.py: change it there, `make docs`."
)
BLOCK = re.compile(r"(<!-- (?P<name>[^>]+) -->\n).*?(?P<end><!-- end (?P=name) -->)", re.DOTALL)
PURPOSES = {
    "requirements": "`pulumi up`",
    "requirements-rehearsal": "rehearsal and review",
    "requirements-doctor": "doctor",
    "policies/pack/requirements": "policy pack",
}
"""What people install a lock for."""
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
FLEET_MODEL = cast(Schema, fleet_schema())
SECTIONS = {**MODEL.get("$defs", {}), **FLEET_MODEL.get("$defs", {})}


def resolved(part: Schema) -> Schema:
    """The part itself, without reference and without the null of an optional key."""
    if "$ref" in part:
        return SECTIONS[part["$ref"].rpartition("/")[2]]
    choices = [choice for choice in part.get("anyOf", []) if choice.get("type") != "null"]
    return resolved(choices[0]) if choices else part


def described(part: Schema) -> str:
    """The key's description; a section's own one where the key has none."""
    return part.get("description") or resolved(part).get("description", "")


def keys_of(section: Schema, prefix: str = "") -> Iterator[Key]:
    """Every key below a section, nested sections flattened; `[]` stands for a list's position."""
    for name, part in section.get("properties", {}).items():
        path, target = f"{prefix}{name}", resolved(part)
        if "properties" in target and "anyOf" not in part:
            yield from keys_of(target, f"{path}.")
            continue
        yield Key(
            path=path,
            type=type_of(target),
            default=default_of(path, part, is_required=name in section.get("required", [])),
            description=described(part),
            example=example_of(part),
        )
        if "properties" in target:  # a section that can be left out
            yield from keys_of(target, f"{path}.")
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


# --- the files --------------------------------------------------------------------------------


def project(text: str) -> str:
    """Pulumi.yaml: its hand-written head, and a declaration of every key."""
    head, found, _ = text.partition(MARKER)
    if not found:
        raise SystemExit(f"{PROJECT} lacks the line that the generated part begins with:\n{MARKER}")
    declarations = {name: declaration(part) for name, part in MODEL.get("properties", {}).items()}
    block = go_yaml.dump({"config": declarations})
    return f"{head}{MARKER}\n{block}"


def declaration(part: Schema) -> Mapping[str, object]:
    """A key as the engine reads it: it checks the outer type, and the program what a missing key means.

    The engine ends where a key has no default, and would say nothing of the configuration's other problems.
    """
    type_ = resolved(part).get("type", "string")
    declared: dict[str, object] = {"type": type_}
    if type_ == "array":
        declared["items"] = {"type": resolved(resolved(part).get("items", {})).get("type", "string")}
    default = part.get("default", {} if type_ == "object" else "")
    return {**declared, "default": default, "description": described(part)}


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


def docstrings(of: type) -> dict[str, str]:
    """The string below each attribute of a class, which Python itself doesn't keep."""
    (definition,) = ast.parse(inspect.getsource(of)).body
    body = cast(ast.ClassDef, definition).body
    return {
        attribute.target.id: cast(str, ast.literal_eval(below.value))
        for attribute, below in pairwise(body)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and isinstance(below, ast.Expr)
    }


def outputs_blocks() -> dict[str, str]:
    """The blocks of docs/outputs.md."""
    described = docstrings(MaestroOutputs)
    rows = [
        (
            code(o.name),
            o.type,
            f"{described[o.name]} Only with `server.install` `{o.install}`."
            if o.install
            else described[o.name],
            code(o.example if isinstance(o.example, str) else json.dumps(o.example)),
            o.since,
        )
        for o in contract()
    ]
    return {
        "contract version": f"Contract version: **{CONTRACT_VERSION}** (`maestro_contract_version`).",
        "outputs": table(("Output", "Type", "Description", "Example", "Since"), rows),
    }


def outputs_schema() -> str:
    """docs/outputs.schema.json: what `pulumi stack output --json` prints of a region."""
    described = docstrings(MaestroOutputs)
    properties: dict[str, object] = {
        output.name: {
            "description": described[output.name],
            "type": output.type,
            "examples": [output.example],
            **({"const": CONTRACT_VERSION} if output.name == VERSION_OUTPUT else {}),
        }
        for output in contract()
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Outputs of a maestro-stack region, contract version {CONTRACT_VERSION}",
        "description": "Others may be added to them at any time: read what you need by its name.",
        "type": "object",
        "properties": properties,
        "required": [output.name for output in contract() if not output.install],
        "oneOf": [
            {
                "properties": {INSTALL_OUTPUT: {"const": install}},
                "required": [output.name for output in contract() if output.install == install],
            }
            for install in sorted({output.install for output in contract() if output.install})
        ],
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class Locked(TypedDict):
    """What docs/outputs.lock.json holds: the contract's version, and each output's type and first release."""

    contract: int
    outputs: dict[str, dict[str, str]]


def outputs_lock(
    before: str,
    outputs: Iterable[Row] | None = None,
    *,
    version: int = CONTRACT_VERSION,
    release: str | None = None,
) -> str:
    """docs/outputs.lock.json, made from the one before; the rest is by default what there is now.

    Raises SystemExit if an output is gone or of another type, and the contract's version has not grown; or if
    a new one doesn't say in which release it comes.
    """
    release = release or tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    outputs = contract() if outputs is None else tuple(outputs)
    after: Locked = {
        "contract": version,
        "outputs": {
            output.name: {
                "type": output.type,
                "since": output.since,
                **({"install": output.install} if output.install else {}),
            }
            for output in outputs
        },
    }
    locked = cast(Locked, json.loads(before)) if before else after
    if version < locked["contract"]:
        raise SystemExit(f"{LOCK}: the contract's version is {locked['contract']}, and can't be {version}")
    if version == locked["contract"] and (broken := list(broken_promises(locked, after))):
        raise SystemExit(
            f"{LOCK}: contract version {version} promises what would be broken:\n"
            + "".join(f"  {line}\n" for line in broken)
            + "Leave it as it was, or raise CONTRACT_VERSION in maestro_stack/outputs.py: then consumers are "
            "told."
        )
    added = {name: row for name, row in after["outputs"].items() if name not in locked["outputs"]}
    if late := [name for name, row in added.items() if row["since"] != release]:
        raise SystemExit(f'{LOCK}: new in release {release}, so say since="{release}": {", ".join(late)}')
    return json.dumps(after, indent=2) + "\n"


def broken_promises(locked: Locked, now: Locked) -> Iterator[str]:
    """What a consumer of the locked outputs would miss."""
    for name, promised in locked["outputs"].items():
        there = now["outputs"].get(name)
        if there is None:
            yield f"{name} is gone"
            continue
        for what, words in (("type", "was of type"), ("since", "was first in release")):
            if there[what] != promised[what]:
                yield f"{name} {words} {promised[what]}, and now {there[what]}"
        if (only := there.get("install")) not in (None, promised.get("install")):
            yield f"{name} is exported with server.install {only} only"


def rules_blocks() -> dict[str, str]:
    """The blocks of docs/rules.md."""
    rows = [
        (
            code(rule.name),
            rule.requires,
            ", ".join("every resource" if type_ == EVERY else code(type_) for type_ in rule.reads),
            rule.severity.value,
            code(rule.setting) if rule.setting else "",
            rule.remedy,
            rule.source,
        )
        for rule in POLICY_RULES
    ]
    header = ("Rule", "Requires", "Of", "Severity", "Setting", "Remedy", "Source")
    return {"rules": table(header, rows)}


def remedies_blocks() -> dict[str, str]:
    """The block of docs/operating.md: every row."""
    rows = [
        (remedy.sign, remedy.because, f"{remedy.do}{more(remedy.page)}")
        for remedy in (named(row, "NAME") for row in REMEDIES)
    ]
    return {"remedies": table(("You see", "Because", "Do"), rows)}


def more(page: str) -> str:
    """A link to where there is more, by its heading."""
    file, _, _ = page.partition("#")
    if not file:
        return ""
    target = page.removeprefix(OPERATING) if file == OPERATING else os.path.relpath(page, "docs")
    return f". More: [{title_of(page)}]({target})"


def title_of(page: str) -> str:
    """The heading that an address leads to; the file's own without an anchor."""
    file, _, anchor = page.partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    found = [each for each in headings if not anchor or slug(each) == anchor]
    if not found:
        raise SystemExit(f"engine/remedies.py: {page} leads nowhere")
    return found[0]


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def recovery_blocks() -> dict[str, str]:
    """The block of docs/recovery.md: the rows that have a section there, in the order of the sections."""
    here = [remedy for remedy in REMEDIES if remedy.page.startswith(f"{RECOVERY}#")]
    text = (ROOT / RECOVERY).read_text(encoding="utf-8")
    here.sort(key=lambda remedy: text.index(f"\n## {title_of(remedy.page)}\n"))
    rows = [(row.sign, f"[{title_of(row.page)}]({row.page.removeprefix(RECOVERY)})") for row in here]
    return {"remedies": table(("You see", "Section"), rows)}


EFFECTS_HEAD = """# What a change does

<!-- Written by docs/generate.py from review/effects.py: change it there, `make docs`. -->

**Derived from the providers' sources, not run against AWS.** Each row names the source files that say so. The
engine tier plans every row with the real Pulumi engine on the emulated providers, and expects exactly these
resources and inputs, and no others. When RDS makes a change, and what that interrupts, is from the RDS user
guide, "Settings for DB instances". Before you change a key, read its row; before you confirm, compare
`pulumi preview` with it.

Each row is one change, alone, of a stack that was built with one of these:

{bases}

| Word | Means |
| --- | --- |
| brief reconnects | connections of one pod drop and come back by themselves |
| rolling restart | all pods are replaced, one by one, with at least as many ready as before |
| database restart | the database is away for about a minute or some minutes; the pods wait for it |
| outage | the server, or what it needs, is away for longer, or until somebody does something |
| at once | when `pulumi up` is done, the change is made |
| in the maintenance window | AWS makes it in `database.maintenanceWindow`; until then each preview shows it |
| later | it steers later changes, or the deletion |
| never | nothing that is built depends on it |

## The worst first

{summary}

{sections}
"""


def effects_document() -> str:
    """docs/what-a-change-does.md."""
    rows = sorted(effects.ROWS, key=lambda row: row.severity, reverse=True)
    header = ("Setting", "Change", "Stack", "Resources", "Pods", "Downtime", "Data", "When")
    summary = table(header, [summary_of(row) for row in rows])
    sections: dict[str, list[effects.Row]] = {}
    for row in effects.ROWS:  # sections in the order of the configuration, rows in each the worst first
        sections.setdefault(section_of(row), []).append(row)
    bases = [
        (
            base.value,
            ", ".join(f"{code(path)} {code(dig(tree, path))}" for path in effects.paths(tree)),
        )
        for base, tree in effects.BASES.items()
    ]
    return EFFECTS_HEAD.format(
        bases=table(
            ("Stack", "What its file sets"),
            [(base, own or "nothing more than it must") for base, own in bases],
        ),
        summary=summary,
        sections="\n\n".join(
            "\n\n".join(
                [f"## {section}", *map(row_text, sorted(part, key=lambda row: row.severity, reverse=True))]
            )
            for section, part in sections.items()
        ),
    )


def section_of(row: effects.Row) -> str:
    """The section of docs/configuration.md, as a heading."""
    section, dot, _ = row.key.partition(".")
    return f"`{section}`" if dot or section == "acknowledge" else "The region"


def change_of(row: effects.Row) -> str:
    """The setting's own value before and after; others that must change with it follow."""
    changes = [f"{shown(before)} → {shown(after)}" for path, before, after in row.changes if path == row.key]
    also = [
        f"{code(path)} {shown(after)}"
        for path, _, after in row.changes
        if path not in (row.key, "acknowledge")
    ]
    changes = [", with ".join([*changes, *also])]
    return ", ".join(
        [*changes, *("acknowledged" for path, *_ in row.changes if path == "acknowledge" != row.key)]
    )


def shown(value: object) -> str:
    """A value in a cell; long ones are cut."""
    text = value if isinstance(value, str) and value else json.dumps(value)
    return "none" if value is None else f"`{text if len(text) <= 60 else text[:57] + '…'}`"


def summary_of(row: effects.Row) -> tuple[str, ...]:
    """A row of the table on top."""
    ways = [
        f"{count} {way}" for way in effects.Way if (count := sum(touch.way is way for touch in row.touches))
    ]
    resources = ", ".join(ways) or "none"
    if row.refusal is effects.Refusal.PROTECTION:
        resources = "refused"
    elif row.refusal:
        resources += "; refused"
    return (
        code(row.key),
        change_of(row),
        row.base.value,
        resources,
        "restart" if row.restarts_pods else "",
        row.downtime.words,
        f"**{row.data.value}**" if row.at_risk else row.data.value,
        row.when.value,
    )


def row_text(row: effects.Row) -> str:
    """A row in full."""
    downtime = f"Downtime: **{row.downtime.words}**" + (f" ({row.interruption})" if row.interruption else "")
    facts = [
        f"{downtime}.",
        f"Data **at risk**: {row.at_risk}." if row.at_risk else "Data: safe.",
        f"Takes effect {row.when.value}.",
    ]
    if row.refusal:
        facts.insert(0, f"**Refused**: {row.refusal.value}.")
    parts = [f"### {code(row.key)}: {change_of(row)} ({row.base.value})", " ".join(facts)]
    if row.touches:
        rows = [
            (
                f"`{touch.resource.type}` `{touch.resource.name}`",
                touch.way.value,
                ", ".join([*([touch.because] if touch.because else []), *map(code, touch.inputs)]),
                code(touch.resource.source),
            )
            for touch in row.touches
        ]
        parts.append(table(("Resource", "What happens", "By", "Source"), rows))
    elif row.refusal is None:
        parts.append("No resource is touched.")
    return "\n\n".join([*parts, *([row.notes] if row.notes else [])])


def doctor_blocks() -> dict[str, str]:
    """The block of docs/doctor.md: each question, and the planted faults that it finds."""
    return {"questions": "\n\n".join(doctor_sections())}


def doctor_sections() -> Iterator[str]:
    """A category, then its questions; their names are what a finding's page leads to."""
    for category in CATEGORIES:
        yield f"## {category.name}\n\n{category.question}"
        for question in dict.fromkeys((*category.before, *category.after)):
            asked = " and ".join(phase for phase in PHASES if question in category.of(phase))
            yield f"### {question.name}\n\nAsked {asked} `up`: {question.that}."
            for faults, status in (
                ([f for f in FAULTS if question.name in f.finds], "Fails"),
                ([f for f in FAULTS if question.name in f.leaves and not f.finds], "Is unverified"),
            ):
                found = [f"- {f.name}: “… {f.says} …”" for f in faults if question.name == f.shows_in[0]]
                found += [
                    f"- {f.name} ({code(f.finds[0])}, too)" for f in faults if question.name in f.finds[1:]
                ]
                if found:
                    yield f"{status}, for example, when\n\n" + "\n".join(found)


def licences_blocks(before: str) -> dict[str, str]:
    """The block of docs/licences.md: each package, and what it is installed for."""
    rows = list[tuple[str, ...]]()
    for package in pins(EVERYTHING):
        known = re.search(rf"^\\| {re.escape(package)} \\| (.+?) \\|", before, re.MULTILINE)
        purposes = [purpose for name, purpose in PURPOSES.items() if package in pins(name)]
        needed = "everything" if len(purposes) == len(PURPOSES) else ", ".join(purposes) or "development"
        rows.append((package, licence_of(package) or (known[1] if known else "unknown"), needed))
    return {"packages": table(("Package", "Licence", "Installed for"), rows)}


def licence_of(package: str) -> str:
    """As the package says it, in one of three ways; empty where it isn't installed here."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return ""
    named: list[str] = said.get_all("License-Expression", []) or said.get_all("License", [])
    classified: list[str] = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier", []) if "License ::" in each
    ]
    return next(filter(None, [*named, ", ".join(classified)]), "")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description="Write Pulumi.yaml's keys and the references in docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if one isn't current")
    options = parser.parse_args(arguments)

    before = {
        path: (root / path).read_text(encoding="utf-8") if path not in WHOLE or (root / path).exists() else ""
        for path in FILES
    }
    after = {
        PROJECT: project(before[PROJECT]),
        CONFIGURATION: with_blocks(CONFIGURATION, before[CONFIGURATION], configuration_blocks()),
        OUTPUTS: with_blocks(OUTPUTS, before[OUTPUTS], outputs_blocks()),
        SCHEMA: outputs_schema(),
        LOCK: outputs_lock(before[LOCK]),
        RULES: with_blocks(RULES, before[RULES], rules_blocks()),
        EFFECTS: effects_document(),
        REVIEW: json.dumps(REVIEW_SCHEMA, indent=2) + "\n",
        DOCTOR: with_blocks(DOCTOR, before[DOCTOR], doctor_blocks()),
        DOCTOR_SCHEMA: json.dumps(DOCTOR_SCHEMA_OF, indent=2) + "\n",
        FLEET: with_blocks(FLEET, before[FLEET], {"keys of the fleet file": key_table(keys_of(FLEET_MODEL))}),
        FLEET_SCHEMA: json.dumps(fleet_schema(), indent=2) + "\n",
        OPERATING: with_blocks(OPERATING, before[OPERATING], remedies_blocks()),
        RECOVERY: with_blocks(RECOVERY, before[RECOVERY], recovery_blocks()),
        LICENCES: with_blocks(LICENCES, before[LICENCES], licences_blocks(before[LICENCES])),
    }
    stale = [path for path, text in after.items() if text != before[path]]
    if options.check and stale:
        raise SystemExit(f"not current: {', '.join(stale)}. Run: make docs (or python docs/generate.py)")
    for path in stale:
        (root / path).write_text(after[path], encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
