"""A review for programs: as JSON, and the schema of that."""

from common.json_values import Json, json_list
from review.headline import headline
from review.model import Change, Difference, Grade, Part, Review, StackReview, Way

FORMAT_VERSION = 1


def as_json(review: Review) -> dict[str, Json]:
    """The whole review, unabridged; `SCHEMA` describes it. Secrets are masked already."""
    return {
        "version": FORMAT_VERSION,
        "verdict": review.grade.word,
        "base": review.base,
        "head": review.head,
        "notes": json_list(review.notes),
        "project": [_change(change) for change in review.project],
        "stacks": [_stack(stack) for stack in review.stacks],
    }


def _stack(stack: StackReview) -> dict[str, Json]:
    return {
        "stack": stack.stack,
        "region": stack.region,
        "profile": stack.profile,
        "verdict": stack.grade.word,
        "headline": json_list(headline(stack.changes, rolls=stack.rolls)),
        "rolls": stack.rolls,
        "rollsBecause": stack.rolls_because,
        "changes": [_change(change) for change in stack.changes],
        "resources": [
            {"subject": subject, "dependents": json_list(dependents)}
            for subject, dependents in stack.resources
        ],
    }


def _change(change: Change) -> dict[str, Json]:
    return {
        "part": change.part.name.lower(),
        "subject": change.subject,
        "way": change.way.name.lower(),
        "sentence": change.sentence,
        "effect": change.effect,
        "grade": change.grade.word,
        "countsAs": change.counts_as.word,
        "reason": change.reason,
        "quoted": change.quoted,
        "acknowledged": change.acknowledged,
        "fingerprint": change.fingerprint,
        "differences": [_difference(difference) for difference in change.differences],
        "causes": [_difference(difference) for difference in change.causes],
    }


def _difference(difference: Difference) -> dict[str, Json]:
    return {
        "path": difference.path,
        "before": difference.before,
        "after": difference.after,
        "note": difference.note,
    }


_TEXT: dict[str, Json] = {"type": "string"}


def _said(description: str) -> dict[str, Json]:
    return {**_TEXT, "description": description}


def _one_of(names: list[str], description: str) -> dict[str, Json]:
    return {"enum": json_list(names), "description": description}


def _list_of(items: Json) -> dict[str, Json]:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    """An object schema that requires these properties and allows no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": json_list(properties),
        "additionalProperties": False,
    }


def _reference(name: str) -> dict[str, Json]:
    return {"$ref": f"#/$defs/{name}"}


SCHEMA: dict[str, Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A review of a pull request",
    **_object(
        {
            "version": {"const": FORMAT_VERSION},
            "verdict": _reference("grade"),
            "base": _said("The revision that `head` is compared with."),
            "head": _said("The revision that is reviewed."),
            "notes": _list_of(_TEXT),
            "project": {
                **_list_of(_reference("change")),
                "description": "Changes that concern all stacks: what judges, is installed or deploys.",
            },
            "stacks": _list_of(_reference("stack")),
        }
    ),
    "$defs": {
        "grade": _one_of([grade.word for grade in Grade], "What it means to those who use the region."),
        "stack": _object(
            {
                "stack": _TEXT,
                "region": _TEXT,
                "profile": _TEXT,
                "verdict": _reference("grade"),
                "headline": {
                    **_list_of(_TEXT),
                    "description": "What happens, worst first.",
                },
                "rolls": {
                    "type": ["boolean", "null"],
                    "description": "Whether the server's pods are replaced; null if unknown.",
                },
                "rollsBecause": _TEXT,
                "changes": _list_of(_reference("change")),
                "resources": _list_of(_object({"subject": _TEXT, "dependents": _list_of(_TEXT)})),
            }
        ),
        "change": _object(
            {
                "part": _one_of([part.name.lower() for part in Part], "What kind of thing changes."),
                "subject": _TEXT,
                "way": _one_of([way.name.lower() for way in Way], "What happens to the subject."),
                "sentence": _TEXT,
                "effect": _said("What it does to the running region; empty if it does nothing."),
                "grade": _reference("grade"),
                "countsAs": _reference("grade"),
                "reason": _said("Why it has its grade."),
                "quoted": _said("What the program, or a check, said about it, verbatim."),
                "acknowledged": _said("The reason given for letting it pass; empty if none was given."),
                "fingerprint": _said("Identifies this change and no other, for `--acknowledge`."),
                "differences": _list_of(_reference("difference")),
                "causes": {
                    **_list_of(_reference("difference")),
                    "description": "For an object: the release's values that differ.",
                },
            }
        ),
        "difference": _object(
            {
                "path": _TEXT,
                "before": {"description": "Any value; null if the field is added."},
                "after": {"description": "Any value; null if the field is removed."},
                "note": _TEXT,
            }
        ),
    },
}
"""What `as_json` returns, as a JSON schema (draft 2020-12)."""
