"""secrecy: does no secret value show anywhere?"""

import json
from collections.abc import Iterator, Mapping

from checks.evidence import Again, Evidence
from checks.finding import Findings
from common.json_values import Json
from engine import properties
from engine.run import Resource, Run

NAME = "secrecy"
QUESTION = "Does no secret value show anywhere?"
FRAGMENT_MIN = 8
"""Shorter texts would be found by chance."""
LOG_LINES = "log lines"
_NONE: Mapping[str, str] = {}


def check(evidence: Evidence, findings: Findings) -> None:
    """Look for the generated values in everything that a person or a log may see."""
    secrets = evidence.preview.secrets | evidence.update.secrets
    fragments = [fragment for secret in secrets for fragment in fragments_of(secret)]
    findings.expect(
        bool(fragments),
        f"looked for {len(secrets)} secret values (password, private key, the configuration's)",
        "no secret value was seen, so none could be looked for",
    )
    for place, texts in _places(evidence):
        with findings.refusing(LookupError):
            leaked = any(fragment in text for text in texts for fragment in fragments)
            findings.expect(not leaked, f"not in {place}", f"a secret value shows in {place}")
    if evidence.again is not None:
        _by_difference(evidence, evidence.again, findings)
    exported = sorted(evidence.update.secret_outputs)
    findings.expect(not exported, "no output is secret", f"secret outputs: {', '.join(exported)}")


def fragments_of(secret: str) -> Iterator[str]:
    """What to look for: the value, or each line of a PEM body, which survives any quoting."""
    if "-----BEGIN" in secret:
        yield from (line for line in secret.splitlines() if len(line) >= 32 and not line.startswith("-----"))
    elif len(secret) >= FRAGMENT_MIN:
        yield secret


def _by_difference(evidence: Evidence, again: Again, findings: Findings) -> None:
    """A secret in any form: only the secrets differ between the two runs, so nothing visible may."""
    with findings.refusing(LookupError):
        found = sorted(carriers(evidence.update, again.update, evidence.release.text, again.manifests))
        findings.expect(
            not found,
            "nothing visible changes when only the secrets do",
            f"a secret shows in some form in {', '.join(found)}: it changes when only the secrets do",
        )


def carriers(
    run: Run, again: Run, manifests: Mapping[str, str] = _NONE, others: Mapping[str, str] = _NONE
) -> frozenset[str]:
    """Places that hold a secret in some form: they differ in a run with other secrets."""
    one, other = _shown(run, manifests), _shown(again, others)
    return frozenset(place for place in {*one, *other} if one.get(place) != other.get(place))


def output_at(name: str, path: str) -> str:
    """Name of a place in an output."""
    return f"output {name}" + (f" at {path}" if path else "")


def input_at(resource: Resource, path: str) -> str:
    """Name of a place in a resource's inputs."""
    return f"{resource.title} at {path}"


def template_at(place: str) -> str:
    """What a place in rendered templates is called."""
    return f"template {place}"


def _shown(run: Run, manifests: Mapping[str, str]) -> dict[str, str]:
    """By place, everything that a person or a log may see, with generated values replaced by their names."""
    texts = {
        **{
            output_at(name, path): text for name, value in run.outputs.items() for path, text in leaves(value)
        },
        **{
            input_at(resource, path): text
            for resource in run.resources
            for path, text in leaves(dict(resource.shown_inputs))
        },
        **{template_at(name): text for name, text in manifests.items()},
        "names": "\n".join(sorted(resource.urn for resource in run.resources)),
        LOG_LINES: "\n".join(run.messages),
    }
    # The longest first: one may be part of another.
    generated = sorted(_generated(run).items(), key=lambda each: len(each[0]), reverse=True)

    def named(text: str) -> str:
        for value, name in generated:
            if value in text:
                text = text.replace(value, name)
        return text

    return {place: named(text) for place, text in texts.items()}


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a value, each with its dotted path, as text."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from leaves(inner, f"{path}.{key}" if path else key)
        case list():
            for index, inner in enumerate(value):
                yield from leaves(inner, f"{path}[{index}]")
        case _:
            yield path, str(value)


def _generated(run: Run) -> dict[str, str]:
    """Names for the values that providers compute, by value, except those that hold a secret."""
    fragments = [fragment for secret in run.secrets for fragment in fragments_of(secret)]
    found: dict[str, str] = {}
    for resource in sorted(run.resources, key=lambda each: each.urn):  # registered in no particular order
        computed = {key: value for key, value in resource.outputs.items() if key not in resource.inputs}
        given = {value for _, value in leaves(dict(resource.inputs))}  # repeated in outputs such as tagsAll
        for path, value in [*leaves(computed), *(("id", part) for part in resource.id.split("|"))]:
            is_new = len(value) >= FRAGMENT_MIN and value not in given
            if is_new and not any(fragment in value for fragment in fragments):
                name = f"<{resource.title} {path}>"
                found.setdefault(value, name)
                found.setdefault(json.dumps(value)[1:-1], name)
    return found


def _places(evidence: Evidence) -> Iterator[tuple[str, Iterator[str]]]:
    runs = (evidence.preview, evidence.update)
    yield "outputs", (text for run in runs for text in properties.leaves(dict(run.outputs)))
    inputs = [dict(r.shown_inputs) for run in runs for r in run.resources]
    yield "tags", (text for i in inputs for text in properties.leaves(i.get("tags")))
    yield "Helm values", (json.dumps(i["values"]) for i in inputs if "values" in i)
    yield "plain inputs", (text for i in inputs for text in properties.leaves(i))
    yield "resource names and ids", (f"{r.urn} {r.id}" for run in runs for r in run.resources)
    yield "manifests", _manifests(evidence)
    yield LOG_LINES, (message for run in runs for message in run.messages)


def _manifests(evidence: Evidence) -> Iterator[str]:
    yield from evidence.release.text.values()
