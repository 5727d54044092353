"""An examination for programs: as JSON, and the schema of that."""

from checks.finding import Status
from checks.report import check_json
from common.json_values import Json, json_list
from doctor.catalogue import PHASES
from doctor.report import Diagnosis

FORMAT_VERSION = 1


def as_json(diagnosis: Diagnosis) -> dict[str, Json]:
    """The whole examination, unabridged; `SCHEMA` describes it."""
    case = diagnosis.case
    return {
        "version": FORMAT_VERSION,
        "result": "holds" if diagnosis.is_content else "fails",
        "phase": diagnosis.phase,
        "project": case.stack.project,
        "stack": case.stack.name,
        "region": case.settings.region,
        "account": case.identity.account,
        "seconds": round(diagnosis.seconds, 3),
        "checks": [check_json(check) for check in diagnosis.checks],
    }


def unusable(message: str) -> dict[str, Json]:
    """Why nothing could be asked."""
    return {"version": FORMAT_VERSION, "result": "unusable", "message": message}


_TEXT: Json = {"type": "string"}
_STATUS: Json = {"enum": json_list(status.value for status in Status)}
_OPTIONAL: Json = {"type": ["string", "null"]}


def _object(**properties: Json) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": json_list(properties),
        "additionalProperties": False,
    }


SCHEMA: dict[str, Json] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "What python -m doctor --json prints",
    "oneOf": [
        _object(
            version={"const": FORMAT_VERSION},
            result={"enum": ["holds", "fails"]},
            phase={"enum": json_list(PHASES)},
            project=_TEXT,
            stack=_TEXT,
            region=_TEXT,
            account=_TEXT,
            seconds={"type": "number"},
            checks={
                "type": "array",
                "items": _object(
                    name=_TEXT,
                    question=_TEXT,
                    status=_STATUS,
                    findings={
                        "type": "array",
                        "items": _object(
                            name=_TEXT, status=_STATUS, text=_TEXT, remedy=_OPTIONAL, page=_OPTIONAL
                        ),
                    },
                ),
            },
        ),
        _object(version={"const": FORMAT_VERSION}, result={"const": "unusable"}, message=_TEXT),
    ],
}
