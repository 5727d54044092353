"""secrecy: does no secret value show anywhere?"""

import json
from collections.abc import Iterator

from checks.evidence import Evidence
from checks.finding import Findings
from engine import properties

NAME = "secrecy"
QUESTION = "Does no secret value show anywhere?"
FRAGMENT_MIN = 8
"""Shorter texts would be found by chance."""


def check(evidence: Evidence, findings: Findings) -> None:
    """Look for the very values that were generated, in everything that a person or a log may see."""
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
    exported = sorted(evidence.update.secret_outputs)
    findings.expect(not exported, "no output is secret", f"secret outputs: {', '.join(exported)}")


def fragments_of(secret: str) -> Iterator[str]:
    """What to look for: the value, or each line of a PEM body, which survives any quoting."""
    if "-----BEGIN" in secret:
        yield from (line for line in secret.splitlines() if len(line) >= 32 and not line.startswith("-----"))
    elif len(secret) >= FRAGMENT_MIN:
        yield secret


def _places(evidence: Evidence) -> Iterator[tuple[str, Iterator[str]]]:
    runs = (evidence.preview, evidence.update)
    yield "outputs", (text for run in runs for text in properties.leaves(dict(run.outputs)))
    inputs = [dict(r.shown_inputs) for run in runs for r in run.resources]
    yield "tags", (text for i in inputs for text in properties.leaves(i.get("tags")))
    yield "Helm values", (json.dumps(i["values"]) for i in inputs if "values" in i)
    yield "plain inputs", (text for i in inputs for text in properties.leaves(i))
    yield "resource names and ids", (f"{r.urn} {r.id}" for run in runs for r in run.resources)
    yield "manifests", _manifests(evidence)
    yield "log lines", (message for run in runs for message in run.messages)


def _manifests(evidence: Evidence) -> Iterator[str]:
    yield from evidence.release.text.values()
